"""Any network in a quarter of its space: each layer's weights clustered to 256 values.

Lloyd, *Least squares quantization in PCM*, 1982, in one dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nst.models.forward import feature_differences
from nst.models.random import probe_features
from nst.models.weights import VALUES, Array, NetworkWeights


@dataclass(frozen=True)
class Clustered:
    """What became of one layer."""

    layer: str
    values: int  # how many different ones its weights have now
    error: float  # root mean square of the change, as a part of that of the weights


def compress(
    weights: NetworkWeights, name: str, progress: Callable[[Clustered], None] | None = None
) -> NetworkWeights:
    """The network with each layer's weights replaced by the nearest of 256 values; biases stay as they are.

    It is called `name`, and `save_weights(..., "clustered")` writes it. `progress` is called after each layer.
    """
    convolutions = {}
    for layer, (weight, bias) in weights.convolutions.items():
        nearest = cluster(weight)
        convolutions[layer] = (nearest, bias)
        if progress is not None:
            size = float(np.sqrt(np.mean(np.square(weight, dtype=np.float64))))
            error = float(np.sqrt(np.mean(np.square((nearest - weight).astype(np.float64)))))
            progress(Clustered(layer, len(np.unique(nearest)), error / max(size, 1e-30)))
    change = "weights clustered to 256 values by nst"
    return replace(
        weights,
        name=name,
        convolutions=convolutions,
        license=f"{weights.license}; {change}" if weights.license else "",
        source=f"{weights.source}; {change}".removeprefix("; "),
    )


def largest_change(before: NetworkWeights, after: NetworkWeights) -> tuple[str, float]:
    """(layer, the largest change of its features on the probe, as a part of its largest one), where that is worst."""
    changes = feature_differences(probe_features(after), probe_features(before))
    return max(changes.items(), key=lambda item: item[1])


def cluster(weight: Array, rounds: int = 200) -> Array:
    """The same numbers, each replaced by the nearest of 256 values that lie where the numbers are dense.

    Lloyd's algorithm on the sorted numbers: a cluster is a stretch of them, so that a round costs a binary search; it
    ends when no border moves. Nothing is drawn: the same numbers give the same values.
    """
    numbers = np.sort(weight, axis=None).astype(np.float64)
    if len(np.unique(numbers)) <= VALUES:
        return weight
    sums = np.concatenate([[0.0], np.cumsum(numbers)])
    centres = _start(numbers)
    borders = np.empty(0, np.int64)
    for _ in range(rounds):
        middle = (centres[1:] + centres[:-1]) / 2
        moved = np.searchsorted(numbers, middle, side="right")
        if np.array_equal(moved, borders):
            break
        borders = moved
        edges = np.concatenate([[0], borders, [len(numbers)]])
        counts = np.diff(edges)
        means = np.diff(sums[edges]) / np.maximum(counts, 1)
        centres = np.where(counts > 0, means, centres)
    table = centres.astype(np.float32)
    nearest = np.searchsorted((centres[1:] + centres[:-1]) / 2, weight.astype(np.float64), side="left")
    result: Array = table[nearest]
    return result


def _start(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """256 ascending values: the quantiles of the density's cube root, to which Lloyd's algorithm tends.

    Panter and Dite (1951): the best quantiser puts its values where the cube root of the density is large.
    """
    density, edges = np.histogram(numbers, bins=4096)
    mass = np.concatenate([[0.0], np.cumsum(np.cbrt(density))])
    centres: NDArray[np.float64] = np.interp((np.arange(VALUES) + 0.5) / VALUES * mass[-1], mass, edges)
    return centres
