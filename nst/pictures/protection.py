"""The part of a result where the photograph stays.

A style that does not act in a region leaves its pixels free all the same: the content loss holds what conv4_2 sees, and
colours and fine detail follow the paint around (measured in docs/history/benchmarks.md). So the photograph is put back:

    x' = (1 - m) x + m p,

m being the mask with soft edges.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nst.pictures.masks import Masks, fit
from nst.pictures.picture import Picture

__all__ = ["SOFT", "kept"]

SOFT = 0.01
"""Standard deviation of the soft edge as a part of the longest side, where no larger one is asked for (`feather`)."""


def kept(result: Picture, content: Picture, masks: Masks | None) -> Picture:
    """The result with the photograph back where it is protected; its own alpha stays.

    Args:
        result: of any size, with the colours that it is to have.
        content: p at the size of the full result, in its own colours.
        masks: of which `protect` counts; no mask changes nothing.
    """
    if masks is None or masks.protect is None:
        return result
    longest = max(result.size)
    feather = max(SOFT * longest, masks.feather * longest / max(content.size))
    mask = np.clip(fit(masks.protect, *result.size, feather), 0, 1)[..., None]
    rgb = (1 - mask) * result.rgb + mask * content.resized(*result.size).rgb
    return replace(result, rgb=rgb.astype(np.float32))
