"""A network's forward pass in plain numpy, for the chores that need activations and no backend.

Average pooling, as the paper uses it. One picture at a time; the precision is that of the arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nst.models import vgg
from nst.models.weights import NetworkWeights

Floating = TypeVar("Floating", np.float32, np.float64)


def convolve(maps: NDArray[Floating], filters: NDArray[Floating]) -> NDArray[Floating]:
    """Maps (in, H, W) through filters (3, 3, out, in) with one zero of padding: (out, H, W)."""
    channels, height, width = maps.shape
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    result = np.zeros((filters.shape[2], height * width), maps.dtype)
    for row in range(3):
        for column in range(3):
            window = padded[:, row : row + height, column : column + width]
            result += filters[row, column] @ window.reshape(channels, -1)
    return result.reshape(-1, height, width)


def average_pool(maps: NDArray[Floating]) -> NDArray[Floating]:
    """Maps (N, H, W) to (N, H // 2, W // 2); an odd last row or column is dropped."""
    channels, height, width = maps.shape
    cropped = maps[:, : height // 2 * 2, : width // 2 * 2]
    blocks = cropped.reshape(channels, height // 2, 2, width // 2, 2)
    pooled: NDArray[Floating] = (blocks.sum(axis=(2, 4)) / 4).astype(maps.dtype)
    return pooled


def activations(
    weights: NetworkWeights, picture: NDArray[np.floating]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """(layer, maps (N, H, W) after the ReLU) of a picture (H, W, 3) in sRGB [0, 1], in network order."""
    factor, shift = weights.input_affine
    maps = np.ascontiguousarray((picture * factor + shift).transpose(2, 0, 1), np.float32)
    for layer in vgg.layers_up_to([weights.layer_names[-1]], weights.layer_names):
        if isinstance(layer, vgg.Pool):
            maps = average_pool(maps)
            continue
        weight, bias = weights.convolutions[layer.name]
        maps = convolve(maps, np.ascontiguousarray(weight.transpose(2, 3, 0, 1)))
        maps = np.maximum(maps + bias[:, None, None], 0)
        yield layer.name, maps


def feature_differences(
    features: Mapping[str, NDArray[np.float32]], reference: Mapping[str, NDArray[np.float32]]
) -> dict[str, float]:
    """Layer -> max |F - R| / max R over the layers that both have, of maps of the same shape."""
    return {
        layer: float(np.abs(features[layer] - maps).max() / max(float(maps.max()), 1e-30))
        for layer, maps in reference.items()
        if layer in features
    }
