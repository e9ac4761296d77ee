"""What `nst.tape` needs of a backend: the primitives on plain values, and their adjoints. Typing only."""

from __future__ import annotations

from typing import Protocol, TypeVar

from nst.protocol import Axis, Ops, PadMode

__all__ = ["Kernels"]

V = TypeVar("V")


class Kernels(Ops[V], Protocol[V]):
    """The primitives on plain values, and the adjoints that are not made of primitives themselves.

    An adjoint takes dL/d(output) first and gives dL/d(input).
    """

    def affine_adjoint(self, gradient: V, factor: V) -> V:
        """Multiply each channel by `factor` (C,)."""

    def conv2d_adjoint(self, gradient: V, weight: V) -> V:
        """Transposed convolution with the weight (O, C, 3, 3) of the forward pass."""

    def relu_adjoint(self, gradient: V, output: V) -> V:
        """The gradient where the output is positive, elsewhere 0."""

    def max_pool_adjoint(self, gradient: V, x: V, output: V) -> V:
        """The gradient at the first maximum of each 2x2 window in row order, elsewhere 0."""

    def avg_pool_adjoint(self, gradient: V, x: V) -> V:
        """A quarter of the gradient at each element of its window; 0 in a dropped row or column of x."""

    def gram_adjoint(self, gradient: V, features: V) -> V:
        """(gradient + gradient^T) F, shaped like the features."""

    def diff_adjoint(self, gradient: V, axis: Axis) -> V:
        """The gradient at the later neighbour, minus it at the earlier one."""

    def pad_adjoint(self, gradient: V, margin: int, mode: PadMode) -> V:
        """The inner part of the gradient, to which each element of the margin is added where it was copied from."""

    def broadcast(self, gradient: V, like: V) -> V:
        """Spread a scalar (), or a number a channel (N, C, 1, 1), over all positions of `like`."""

    def sign(self, a: V) -> V:
        """-1, 0 or 1, element by element."""

    def one(self) -> V:
        """The scalar 1, where differentiation starts."""
