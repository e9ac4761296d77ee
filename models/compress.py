"""Any network in a quarter of its space: each layer's weights clustered to 256 values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from nst.models import clustered
from nst.models.forward import feature_differences
from nst.models.random import probe_features
from nst.models.weights import NetworkWeights


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
        nearest = clustered.cluster(weight)
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
