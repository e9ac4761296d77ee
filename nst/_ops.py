"""The closed list of differentiable primitives that every loss is written in. Typing only; see `nst.protocol`."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias, TypeVar

__all__ = ["Axis", "Ops", "PadMode"]

T = TypeVar("T")
Axis: TypeAlias = Literal["height", "width"]
PadMode: TypeAlias = Literal["replicate", "circular"]


class Ops(Protocol[T]):
    """The closed list of differentiable primitives. Every loss is written in these and nothing else."""

    def affine(self, x: T, factor: T, shift: T) -> T:
        """`factor[c] * x[n, c, h, w] + shift[c]`; factor and shift have shape (C,)."""

    def conv2d(self, x: T, weight: T, bias: T) -> T:
        """3x3 cross-correlation, stride 1, one zero of padding a side; weight (O, C, 3, 3), bias (O,)."""

    def relu(self, x: T) -> T:
        """`max(x, 0)`; its derivative at 0 is 0; NaN stays NaN."""

    def max_pool(self, x: T) -> T:
        """2x2 maximum, stride 2, odd last row and column dropped; NaN stays NaN.

        A tie passes its gradient to the first in row order.
        """

    def avg_pool(self, x: T) -> T:
        """2x2 mean, stride 2, odd last row and column dropped."""

    def gram(self, features: T) -> T:
        """`sum_k F_ik F_jk`: (N, C, H, W) -> (N, C, C), summed over the H * W positions k."""

    def channel_sum(self, features: T) -> T:
        """Sum over positions: (N, C, H, W) -> (N, C, 1, 1); `gram` of it is the outer product of the sums."""

    def modulate(self, x: T, mask: T) -> T:
        """`mask[n, 0, h, w] * x[n, c, h, w]`, mask (N, 1, H, W) or (1, 1, H, W); differentiable in x alone."""

    def pad(self, x: T, margin: int, mode: PadMode) -> T:
        """`margin` more rows and columns on all four sides: the edge repeated, or the other side (circular).

        A circular margin is at most the side that it wraps around.
        """

    def matmul(self, a: T, b: T) -> T:
        """(N, I, K) times (N, K, J): (N, I, J)."""

    def transpose(self, a: T) -> T:
        """(N, I, J) -> (N, J, I)."""

    def diff(self, x: T, axis: Axis) -> T:
        """Forward difference of neighbours: `x[..., 1:] - x[..., :-1]` along the axis, one shorter there."""

    def add(self, a: T, b: T) -> T:
        """`a + b`, equal shapes."""

    def sub(self, a: T, b: T) -> T:
        """`a - b`, equal shapes."""

    def multiply(self, a: T, b: T) -> T:
        """`a * b` element by element, equal shapes."""

    def divide(self, a: T, b: T) -> T:
        """`a / b` element by element, equal shapes."""

    def scale(self, a: T, factor: float) -> T:
        """`factor * a`, factor a number known when the objective is compiled."""

    def scale_by(self, a: T, factor: T) -> T:
        """`factor * a`, factor a scalar tensor (); differentiable in both."""

    def square(self, a: T) -> T:
        """`a * a` element by element."""

    def sqrt(self, a: T) -> T:
        """Square root of a > 0, element by element."""

    def exp(self, a: T) -> T:
        """`e^a` element by element."""

    def abs(self, a: T) -> T:
        """`|a|` element by element; its derivative at 0 is 0."""

    def sum(self, a: T) -> T:
        """Sum of all elements, a scalar tensor of shape ()."""
