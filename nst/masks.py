"""Masks: which part of a picture a style, or the content, counts in; carried from pixels to the layers of VGG19.

A mask is (H, W) in [0, 1] at the size of its picture. At a layer it becomes the share of what each position sees that
lies in the region. A position does not see its receptive field evenly: 3x3 convolutions one after the other weigh
the middle most, as a binomial does (Luo et al., *Understanding the Effective Receptive Field*, NIPS 2016). So a mask
goes through the network's own geometry, each convolution replaced by a 3x3 mean and each pooling by its 2x2 mean
(odd rows and columns dropped), and is divided by what a mask of ones becomes: beyond the border there is nothing
to see. All of this is linear with weights that sum to 1, so masks that share out the pixels (sum 1) share out the
positions of every layer, and there is no seam between regions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nst.errors import SettingsError
from nst.images import Picture
from nst.models import vgg

__all__ = ["Masks", "carry", "feathered", "fit", "from_picture", "regions"]

Mask: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Masks:
    """Where styles and content act. Masks have any size; they are resized to their picture.

    Attributes:
        regions: of the result, one for each style; None there takes what the others leave over. Empty: every style acts
            everywhere. Where regions overlap they share, where there is none no style acts.
        sources: the part of each style picture that counts; None for all of it. Empty: all of all.
        protect: of the result; 1 where no style acts, so that the content stays.
        content: weight of the content loss at each place, 0 to 1.
        feather: blur of the edges of all but `sources`: standard deviation in pixels of the result.
    """

    regions: Sequence[Mask | None] = ()
    sources: Sequence[Mask | None] = ()
    protect: Mask | None = None
    content: Mask | None = None
    feather: float = 0.0


def from_picture(picture: Picture) -> Mask:
    """A grey picture as a mask, white is 1: the mean of its channels; transparent counts as black.

    Raises:
        SettingsError: it is black all over.
    """
    mask: Mask = picture.rgb.mean(axis=2, dtype=np.float32)
    if picture.alpha is not None:
        mask = mask * picture.alpha
    if not mask.any():
        raise SettingsError("the mask is black all over: paint the region white")
    return mask


def fit(mask: Mask, width: int, height: int, feather: float = 0.0) -> Mask:
    """Resample to width x height pixels, then blur the edges.

    Bilinear, widened where it reduces: weights of sum 1 and no overshoot, so that a partition stays one.
    """
    plane = Image.fromarray(np.ascontiguousarray(mask, dtype=np.float32))
    return feathered(np.array(plane.resize((width, height), Image.Resampling.BILINEAR)), feather)


def feathered(mask: Mask, deviation: float) -> Mask:
    """Gaussian blur of a standard deviation in pixels, cut at 3 of them; the border is repeated outwards."""
    radius = int(np.ceil(3 * deviation))
    if radius == 0:
        return mask
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / deviation) ** 2)
    taps /= taps.sum()
    for axis in (0, 1):
        length = mask.shape[axis]
        padded = np.pad(mask, [(radius, radius) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        mask = np.zeros_like(mask)
        for tap, start in zip(taps, range(2 * radius + 1), strict=True):
            mask += np.float32(tap) * np.take(padded, range(start, start + length), axis)
    return mask


def regions(masks: Masks, width: int, height: int, styles: int) -> list[Mask] | None:
    """The region of each style on a result of width x height pixels; their sum is 1 at most.

    Returns:
        One mask a style; a single mask if styles have no regions of their own but a part is protected; or None if
        every style acts everywhere.

    Raises:
        SettingsError: the number of regions is not the number of styles; a style has no region.
    """
    if masks.regions and len(masks.regions) != styles:
        raise SettingsError(
            f"{len(masks.regions)} masks for {styles} style picture(s): give one mask for each style"
        )
    given = [None if m is None else fit(m, width, height, masks.feather) for m in masks.regions]
    claims = [mask for mask in given if mask is not None]
    if not claims:
        if masks.protect is None:
            return None
        given = [None]
    claimed = np.sum(claims, axis=0, dtype=np.float32) if claims else np.zeros((height, width), np.float32)
    rest = np.clip(1 - claimed, 0, 1) / max(1, len(given) - len(claims))
    crowd = np.maximum(claimed, 1)
    result = [(rest if mask is None else mask / crowd).astype(np.float32) for mask in given]
    if masks.protect is not None:
        free = 1 - np.clip(fit(masks.protect, width, height, masks.feather), 0, 1)
        result = [mask * free for mask in result]
    for number, mask in enumerate(result, start=1):
        if not mask.any():
            raise SettingsError(f"style {number} has no region: its mask is black, or all of it is protected")
    return result


def carry(
    mask: Mask, layers: Iterable[str], convolutions: Collection[str] = vgg.LAYER_NAMES
) -> dict[str, Mask]:
    """The mask at each of `layers`, (H_l, W_l): the share of what a position sees that lies in the region."""
    names = set(layers)
    result = {}
    # what a mask of ones becomes is the product of these two
    down, across = np.ones((mask.shape[0], 1), np.float32), np.ones((1, mask.shape[1]), np.float32)
    for layer in vgg.layers_up_to(names, convolutions):
        narrow = _mean_of_3 if isinstance(layer, vgg.Conv) else _mean_of_2
        mask, down, across = narrow(narrow(mask, 0), 1), narrow(down, 0), narrow(across, 1)
        if layer.name in names:
            result[layer.name] = np.clip(mask / (down * across), 0, 1)
    return result


def _mean_of_3(values: Mask, axis: int) -> Mask:
    """Mean of each value and its two neighbours; beyond the border are zeros."""
    padded = np.pad(values, [(1, 1) if a == axis else (0, 0) for a in (0, 1)])
    length = values.shape[axis]
    before, here, after = (np.take(padded, range(i, i + length), axis) for i in range(3))
    return (before + here + after) / np.float32(3)


def _mean_of_2(values: Mask, axis: int) -> Mask:
    """Mean of pairs; an odd last one is dropped."""
    length = values.shape[axis] // 2 * 2
    first, second = (np.take(values, range(i, length, 2), axis) for i in range(2))
    return (first + second) / np.float32(2)
