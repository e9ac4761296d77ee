"""Activation smoothing: softmax of the features before any loss looks at them.

Wang, Li, Vasconcelos, *Rethinking and Improving the Robustness of Image Style Transfer*, CVPR 2021 (SWAG), eq. 9:

    sigma(F)_ik = exp(F_ik) / sum_mn exp(F_mn)

over all channels m and positions n of a layer, for the content loss as well as for the style. Networks other than a
trained VGG19 have a few large activations which decide a Gram matrix alone; the softmax makes the rest count.

Three things differ from the paper. sigma is multiplied by N_l M_l, so that its mean is 1 and pictures of different
sizes compare. The sum is an additive statistic like any other: the terms see E = exp(F / T) and divide its sums
by the mean of E, so that the loss of a picture is that of its tiles. And F is divided by a temperature

    T_l = sqrt(sum F^4 / sum F^2)    over the style pictures,

the size of the activations that make up the Gram matrix (a mean weighted by F^2), itself made of additive sums.
The paper has T = 1 for networks with batch normalisation; VGG19's activations are not normalised and exp would
overflow. The largest activations are 2 to 5 T (measured on layers of the embedded and of a random VGG19, three
pictures): exp reaches e^5, and its squares leave float32 at F = 44 T only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nst.losses import add_up
from nst.objective import inner_features
from nst.protocol import Network, Ops
from nst.terms import ContentTerm

__all__ = ["SmoothedContentTerm", "SmoothedNetwork", "fourth_powers", "temperature"]

T = TypeVar("T")


def fourth_powers(ops: Ops[T], features: Mapping[str, T]) -> dict[str, T]:
    """What `temperature` is made of: `layer/2` and `layer/4`, the sums of F^2 and F^4, additive over positions."""
    squares = {layer: ops.square(maps) for layer, maps in features.items()}
    sums = {f"{layer}/2": ops.sum(maps) for layer, maps in squares.items()}
    return sums | {f"{layer}/4": ops.sum(ops.square(maps)) for layer, maps in squares.items()}


def temperature(squares: NDArray[np.float64], fourths: NDArray[np.float64]) -> float:
    """T from the sums of F^2 and F^4 of each style picture, (S,), weighted as the styles are; 1 for a silent layer."""
    below = float(squares.sum())
    return float(np.sqrt(fourths.sum() / below)) if below > 0 else 1.0


@dataclass(frozen=True)
class SmoothedNetwork:
    """A network whose feature maps are E = exp(F / T).

    Attributes:
        network: of F.
        temperatures: T by layer; layers without one are left as they are.
    """

    network: Network[Any]
    temperatures: Mapping[str, float]

    @property
    def native(self) -> Any:
        """That of the network."""
        return self.network.native

    def __call__(self, ops: Ops[T], x: T) -> dict[str, T]:
        """See `nst.protocol.Network`."""
        return {
            layer: ops.exp(ops.scale(maps, 1.0 / self.temperatures[layer]))
            if layer in self.temperatures
            else maps
            for layer, maps in self.network(ops, x).items()
        }


@dataclass(frozen=True)
class SmoothedContentTerm(ContentTerm):
    """The content loss of E / z with z the mean of E; batches of 1 only.

    1/2 sum (E/z - P)^2 = 1/2 sum E^2 / z^2 - sum E P / z + 1/2 sum P^2: z is known once all positions have been seen,
    the sums are additive. `name/layer/maps` holds the content's own E / z as P.

    Attributes:
        channels: N_l by layer.
    """

    channels: Mapping[str, int] = field(kw_only=True)

    def statistics(
        self, ops: Ops[T], x: T, features: Mapping[str, T], constants: Mapping[str, T]
    ) -> dict[str, T]:
        """Sums of E, E^2, E P and P^2: `name/layer/total`, `/own`, `/cross`, `/target`."""
        statistics = {}
        for layer in self.weights:
            prefix = f"{self.name}/{layer}"
            maps, target = features[layer], constants[f"{prefix}/maps"]
            statistics[f"{prefix}/total"] = ops.sum(maps)
            if self.guided:
                root = constants[f"{prefix}/root"]
                maps, target = ops.modulate(maps, root), ops.modulate(target, root)
            statistics[f"{prefix}/own"] = ops.sum(ops.square(maps))
            statistics[f"{prefix}/cross"] = ops.sum(ops.multiply(maps, target))
            statistics[f"{prefix}/target"] = ops.sum(ops.square(target))
        return statistics

    def energy(
        self,
        ops: Ops[T],
        statistics: Mapping[str, T],
        constants: Mapping[str, T],
        positions: Mapping[str, int],
    ) -> T:
        """Sum over the layers of w_l L_content,l."""
        parts = []
        for layer, weight in self.weights.items():
            total, own, cross, target = (
                statistics[f"{self.name}/{layer}/{kind}"] for kind in ("total", "own", "cross", "target")
            )
            z = ops.scale(total, 1.0 / (self.channels[layer] * positions[layer]))
            halves = ops.scale(ops.add(ops.divide(own, ops.square(z)), target), 0.5)
            parts.append(ops.scale(ops.sub(halves, ops.divide(cross, z)), weight))
        return add_up(ops, parts)

    def reference(self, ops: Ops[T], constants: Mapping[str, T]) -> T:
        """sum_l w_l / 2 sum (1 - P)^2: without features E / z is 1 at every inner position."""
        flat = {
            layer: ops.exp(ops.scale(constants[f"{self.name}/{layer}/maps"], 0.0)) for layer in self.weights
        }
        first = next(iter(flat.values()))
        statistics = super().statistics(ops, first, inner_features(ops, flat, constants), constants)
        return super().energy(ops, statistics, constants, {})
