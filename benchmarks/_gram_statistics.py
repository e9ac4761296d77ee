"""What a network's Gram matrices can tell apart: the numbers of docs/networks.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nst.models.forward import activations
from nst.models.weights import NetworkWeights

__all__ = ["GramStatistics", "gram_statistics"]


class GramStatistics(NamedTuple):
    """Of one layer, means over pictures.

    Attributes:
        mean_activation: over channels and positions.
        effective_rank: exp(entropy) of the Gram matrix's eigenvalues as shares of their sum, from 1 (one
            pattern rules) to N_l (Roy and Vetterli, 2007).
        top_share: the largest eigenvalue as a part of their sum.
    """

    mean_activation: float
    effective_rank: float
    top_share: float


def gram_statistics(
    weights: NetworkWeights, pictures: Iterable[NDArray[np.float32]]
) -> dict[str, GramStatistics]:
    """Layer -> its statistics over pictures (H, W, 3) in [0, 1], with average pooling."""
    rows: dict[str, list[GramStatistics]] = {layer: [] for layer in weights.layer_names}
    for picture in pictures:
        for layer, maps in activations(weights, picture):
            flat = maps.reshape(len(maps), -1).astype(np.float64)
            eigenvalues = np.clip(np.linalg.eigvalsh(flat @ flat.T), 1e-300, None)
            share = eigenvalues / eigenvalues.sum()
            rank = float(np.exp(-np.sum(share * np.log(share))))
            rows[layer].append(GramStatistics(float(flat.mean()), rank, float(share[-1])))
    return {layer: GramStatistics(*np.mean(found, axis=0)) for layer, found in rows.items()}
