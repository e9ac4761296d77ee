"""A result brought up to a larger size with the detail of its content, in strips, so that memory stays small.

With p the content and x the result at the small size, p' the content at the large one and E bicubic enlargement:

    x' = E(x - a p) + E(a) p',    0 <= a <= 1.

That is E(x) and a share of the detail that the small size does not hold. a = 1 everywhere is what the pyramid hands
over from scale to scale, x' = p' + E(x - p), and the optimiser then paints over that detail. Here nobody does, and a
photograph would shine through the strokes. So a is how far x follows p nearby: the slope of a local regression of x on
p, as in the guided filter (He, Sun, Tang, *Guided Image Filtering*, ECCV 2010, eq. 5), of all three colours, in a
Gaussian window.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nst.pictures.masks import feathered
from nst.pictures.picture import Picture, enlarge_part, resize_part, to_uint8
from nst.pictures.profiles import srgb_profile

STRIP = 256  # rows that are made at once

REACH = 3.0  # standard deviation in small pixels of the window of the regression: about a stroke

RIDGE = 1e-3  # added to the variance of the content: a deviation of 8 of 255 is taken for noise


def enlarged(
    result: Picture,
    before: Picture,
    content: Picture,
    width: int,
    height: int,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Image.Image:
    """The result x at a larger size, as an 8-bit image, RGB or RGBA.

    `before` is p at the size of x, `content` the same picture in full. `told` gets the rows done and all rows.
    """
    gain = following(result.rgb, before.rgb)
    rest = result.rgb - gain * before.rgb
    image = Image.new("RGB" if content.alpha is None else "RGBA", (width, height))
    for top in range(0, height, STRIP):
        bottom = min(top + STRIP, height)
        rows = (top / height, bottom / height)
        size = (width, bottom - top)
        detailed = resize_part(content, size, rows)
        values = to_uint8(enlarge_part(rest, size, rows) + enlarge_part(gain, size, rows) * detailed.rgb)
        if detailed.alpha is not None:
            values = np.dstack([values, to_uint8(detailed.alpha)])
        image.paste(Image.fromarray(values), (0, top))
        told(bottom, height)
    image.info["icc_profile"] = srgb_profile()
    return image


def following(x: NDArray[np.float32], p: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far x follows p around each pixel, (H, W, 1) in [0, 1]; both are (H, W, 3)."""

    def mean(plane: NDArray[np.float32]) -> NDArray[np.float32]:
        return feathered(plane, REACH)

    shape = (*p.shape[:2], 1)
    covariance, variance = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for channel in range(3):
        ours, theirs = x[..., channel], p[..., channel]
        average = mean(theirs)
        covariance[..., 0] += mean(ours * theirs) - mean(ours) * average
        variance[..., 0] += mean(theirs * theirs) - average * average
    slope: NDArray[np.float32] = np.clip(covariance / (np.maximum(variance, 0) + np.float32(RIDGE)), 0, 1)
    return slope
