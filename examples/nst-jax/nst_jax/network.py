"""The network: its parameters as a dictionary of JAX arrays, evaluated in primitives."""

from __future__ import annotations

from dataclasses import dataclass

import jax

from nst.backends.vgg import vgg_features
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst_jax.ops import JaxOps

__all__ = ["JaxNetwork"]


@dataclass(frozen=True, eq=False)
class JaxNetwork:
    """See `nst.protocol.Network`.

    Attributes:
        native: `conv1_1.weight` (O, 3, 3, C), `conv1_1.bias` (O,), ..., `input.factor` and `input.shift` (3,).
        weights: what they were made from.
        layers: to return.
        pooling: "avg" or "max".
        dtype: of pictures and of the feature maps that are returned.
        precision: of the layers between.
    """

    native: dict[str, jax.Array]
    weights: NetworkWeights
    layers: tuple[str, ...]
    pooling: Pooling
    dtype: str
    precision: str

    def __call__(self, ops: JaxOps, x: jax.Array) -> dict[str, jax.Array]:
        parameters = ops.of(self)
        return vgg_features(
            ops,
            x,
            self.weights,
            self.layers,
            self.pooling,
            constant=lambda name, _: parameters[name],
            enter=lambda x: x.astype(self.precision),
            leave=lambda x: x.astype(self.dtype),
        )
