"""Regions: masks carried from pixels to the layers of VGG19.

A mask is (H, W) in [0, 1] at the size of its picture. At a layer it becomes the share of what each position sees that
lies in the region. A position does not see its receptive field evenly: 3x3 convolutions one after the other weigh
the middle most, as a binomial does (Luo et al., *Understanding the Effective Receptive Field*, NIPS 2016). So a mask
goes through the network's own geometry, each convolution replaced by a 3x3 mean and each pooling by its 2x2 mean
(odd rows and columns dropped), and is divided by what a mask of ones becomes: beyond the border there is nothing
to see. All of this is linear with weights that sum to 1, so masks that share out the pixels (sum 1) share out the
positions of every layer, and there is no seam between regions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nst.encoding.encoder import Encoder
from nst.models import vgg
from nst.pictures.masks import Mask, regions
from nst.pictures.scene import Scene, StylePicture


def places_of(scene: Scene) -> list[tuple[Mask | None, Sequence[StylePicture]]]:
    """Where which styles act: the mask (H, W) of each region, None for the whole, and the styles blended there."""
    masks = regions(scene.masks, *scene.size, len(scene.styles))
    if masks is None or len(masks) == 1:
        return [(masks[0] if masks else None, scene.styles)]
    return [(mask, (replace(style, share=1.0),)) for mask, style in zip(masks, scene.styles, strict=True)]


def roots(name: str, encoder: Encoder, carried: Mapping[str, Mask]) -> list[dict[str, Any]]:
    """`name/layer/root`, (1, 1, H_l, W_l), for each view: the roots of the weights of the positions."""
    found: list[dict[str, Any]] = [{} for _ in encoder.views]
    for layer, weights in carried.items():
        for view, part in zip(found, encoder.place(layer, np.sqrt(weights)[None, None]), strict=True):
            view[f"{name}/{layer}/root"] = part
    return found


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
