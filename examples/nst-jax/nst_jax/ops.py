"""The primitives on JAX arrays stored as (N, H, W, C), in which XLA's convolutions run on a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import lax

from nst.backends.operators import OperatorOps
from nst.protocol import Axis, PadMode

if TYPE_CHECKING:
    from nst_jax.network import JaxNetwork

__all__ = ["JaxOps"]

EXACT = lax.Precision.HIGHEST  # the default is TF32 on a GPU
PICTURES = ("NHWC", "OHWI", "NHWC")  # filters are stored like pictures: (O, 3, 3, C)


class JaxOps(OperatorOps):
    """See `nst.protocol.Ops`; sums, products, scaling and the like are those of `OperatorOps`.

    No `jnp.maximum`: its slope at 0 is 1/2, and in a fused loop on a CPU XLA's maximum passes over NaN.

    Args:
        parameters: those of networks, where a program has them as arguments.

    Attributes:
        parameters: of every network that was called.
    """

    def __init__(self, parameters: Mapping[JaxNetwork, Mapping[str, jax.Array]] | None = None) -> None:
        self.parameters = dict(parameters or {})

    def of(self, network: JaxNetwork) -> Mapping[str, jax.Array]:
        """The parameters of a network in this program: its own, unless they are arguments."""
        return self.parameters.setdefault(network, network.native)

    def affine(self, x: jax.Array, factor: jax.Array, shift: jax.Array) -> jax.Array:
        return x * factor + shift

    def conv2d(self, x: jax.Array, weight: jax.Array, bias: jax.Array) -> jax.Array:
        padding = ((1, 1), (1, 1))
        y = lax.conv_general_dilated(x, weight, (1, 1), padding, dimension_numbers=PICTURES, precision=EXACT)
        return y + bias

    def relu(self, x: jax.Array) -> jax.Array:
        return jnp.where(x <= 0, 0, x)

    def max_pool(self, x: jax.Array) -> jax.Array:
        a, b, c, d = (_windows(x)[:, :, i, :, j] for i in (0, 1) for j in (0, 1))
        return _larger(_larger(a, b), _larger(c, d))

    def avg_pool(self, x: jax.Array) -> jax.Array:
        return _windows(x).mean((2, 4))

    def gram(self, features: jax.Array) -> jax.Array:
        return jnp.einsum("nhwi,nhwj->nij", features, features, precision=EXACT)

    def channel_sum(self, features: jax.Array) -> jax.Array:
        return features.sum((1, 2), keepdims=True)

    def pad(self, x: jax.Array, margin: int, mode: PadMode) -> jax.Array:
        margins = ((0, 0), (margin, margin), (margin, margin), (0, 0))
        return jnp.pad(x, margins, "wrap" if mode == "circular" else "edge")

    def matmul(self, a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.matmul(a, b, precision=EXACT)

    def transpose(self, a: jax.Array) -> jax.Array:
        return a.transpose(0, 2, 1)

    def diff(self, x: jax.Array, axis: Axis) -> jax.Array:
        return jnp.diff(x, axis=1 if axis == "height" else 2)

    def sqrt(self, a: jax.Array) -> jax.Array:
        return jnp.sqrt(a)

    def exp(self, a: jax.Array) -> jax.Array:
        return jnp.exp(a)

    def abs(self, a: jax.Array) -> jax.Array:
        return a * lax.stop_gradient(jnp.sign(a))  # of jnp.abs the slope at 0 is 1

    def sum(self, a: jax.Array) -> jax.Array:
        return a.sum()


def _windows(x: jax.Array) -> jax.Array:
    """Windows of 2x2, without an odd last row or column: (N, H // 2, 2, W // 2, 2, C)."""
    batch, height, width, channels = x.shape
    rows, columns = height // 2, width // 2
    return x[:, : 2 * rows, : 2 * columns].reshape(batch, rows, 2, columns, 2, channels)


def _larger(a: jax.Array, b: jax.Array) -> jax.Array:
    """The larger one, the first of equals; NaN if either is."""
    return jnp.where((b > a) | jnp.isnan(b), b, a)
