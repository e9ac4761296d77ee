"""Reverse-mode differentiation for backends without autodiff: the numpy reference and ONNX.

`TapeOps` implements the primitives of `nst.protocol.Ops` on nodes that remember how they were computed;
`TapeOps.gradient` walks them backwards. The values may be numpy arrays, computed at once, or names in an
ONNX graph under construction: the chain rule is the same, so it is written once. The `Kernels` of a
backend supply the arithmetic. Source: Griewank and Walther, *Evaluating Derivatives*, chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from nst.protocol import Axis, Ops, PadMode

V = TypeVar("V")


@dataclass(frozen=True, eq=False)
class Node(Generic[V]):
    """A value and how its gradient flows to the nodes that it was computed from."""

    value: V  # array, or name in a graph
    index: int  # order of creation; -1 for a constant, which needs no gradient
    # for each input that needs a gradient, dL/d(this) -> dL/d(input)
    pullbacks: tuple[tuple[Node[V], Callable[[V], V]], ...] = ()


class TapeOps(Generic[V]):
    """`Ops` on nodes. One instance serves one evaluation of one function."""

    def __init__(self, kernels: Kernels[V]) -> None:
        self.kernels = kernels
        self._nodes: list[Node[V]] = []

    def variable(self, value: V) -> Node[V]:
        """A node to differentiate with respect to."""
        node = Node(value, len(self._nodes))
        self._nodes.append(node)
        return node

    def constant(self, value: V) -> Node[V]:
        """A node without gradient."""
        return Node(value, -1)

    def gradient(self, output: Node[V], variable: Node[V]) -> V:
        """The derivative of a scalar output by a variable; ValueError if it does not depend on it."""
        adjoints = {output.index: self.kernels.one()}
        for node in reversed(self._nodes[variable.index + 1 : output.index + 1]):
            adjoint = adjoints.pop(node.index, None)
            if adjoint is None:
                continue
            for parent, pullback in node.pullbacks:
                contribution = pullback(adjoint)
                earlier = adjoints.get(parent.index)
                adjoints[parent.index] = (
                    contribution if earlier is None else self.kernels.add(earlier, contribution)
                )
        if output.index < 0 or variable.index not in adjoints:
            raise ValueError("the loss does not depend on the picture")
        return adjoints[variable.index]

    def transform(self, x: Node[V], forward: Callable[[V], V], adjoint: Callable[[V], V]) -> Node[V]:
        """A linear map that is not a primitive, such as a change of the element type inside a backend's network."""
        return self._record(forward(x.value), (x, adjoint))

    def _record(self, value: V, *pullbacks: tuple[Node[V], Callable[[V], V]]) -> Node[V]:
        active = tuple((parent, pullback) for parent, pullback in pullbacks if parent.index >= 0)
        if not active:
            return self.constant(value)
        node = Node(value, len(self._nodes), active)
        self._nodes.append(node)
        return node

    def affine(self, x: Node[V], factor: Node[V], shift: Node[V]) -> Node[V]:
        """See `Ops.affine`; differentiable in x alone."""
        k = self.kernels
        value = k.affine(x.value, factor.value, shift.value)
        return self._record(value, (x, lambda g: k.affine_adjoint(g, factor.value)))

    def conv2d(self, x: Node[V], weight: Node[V], bias: Node[V]) -> Node[V]:
        """See `Ops.conv2d`; differentiable in x alone: the network is never trained here."""
        k = self.kernels
        value = k.conv2d(x.value, weight.value, bias.value)
        return self._record(value, (x, lambda g: k.conv2d_adjoint(g, weight.value)))

    def relu(self, x: Node[V]) -> Node[V]:
        """See `Ops.relu`."""
        k = self.kernels
        value = k.relu(x.value)
        return self._record(value, (x, lambda g: k.relu_adjoint(g, value)))

    def max_pool(self, x: Node[V]) -> Node[V]:
        """See `Ops.max_pool`."""
        k = self.kernels
        value = k.max_pool(x.value)
        return self._record(value, (x, lambda g: k.max_pool_adjoint(g, x.value, value)))

    def avg_pool(self, x: Node[V]) -> Node[V]:
        """See `Ops.avg_pool`."""
        k = self.kernels
        return self._record(k.avg_pool(x.value), (x, lambda g: k.avg_pool_adjoint(g, x.value)))

    def gram(self, features: Node[V]) -> Node[V]:
        """See `Ops.gram`."""
        k = self.kernels
        value = k.gram(features.value)
        return self._record(value, (features, lambda g: k.gram_adjoint(g, features.value)))

    def channel_sum(self, features: Node[V]) -> Node[V]:
        """See `Ops.channel_sum`."""
        k = self.kernels
        value = k.channel_sum(features.value)
        return self._record(value, (features, lambda g: k.broadcast(g, features.value)))

    def modulate(self, x: Node[V], mask: Node[V]) -> Node[V]:
        """See `Ops.modulate`; differentiable in x alone."""
        k = self.kernels
        return self._record(k.modulate(x.value, mask.value), (x, lambda g: k.modulate(g, mask.value)))

    def pad(self, x: Node[V], margin: int, mode: PadMode) -> Node[V]:
        """See `Ops.pad`."""
        k = self.kernels
        return self._record(k.pad(x.value, margin, mode), (x, lambda g: k.pad_adjoint(g, margin, mode)))

    def matmul(self, a: Node[V], b: Node[V]) -> Node[V]:
        """See `Ops.matmul`."""
        k = self.kernels
        return self._record(
            k.matmul(a.value, b.value),
            (a, lambda g: k.matmul(g, k.transpose(b.value))),
            (b, lambda g: k.matmul(k.transpose(a.value), g)),
        )

    def transpose(self, a: Node[V]) -> Node[V]:
        """See `Ops.transpose`."""
        k = self.kernels
        return self._record(k.transpose(a.value), (a, k.transpose))

    def diff(self, x: Node[V], axis: Axis) -> Node[V]:
        """See `Ops.diff`."""
        k = self.kernels
        return self._record(k.diff(x.value, axis), (x, lambda g: k.diff_adjoint(g, axis)))

    def add(self, a: Node[V], b: Node[V]) -> Node[V]:
        """See `Ops.add`."""
        return self._record(self.kernels.add(a.value, b.value), (a, lambda g: g), (b, lambda g: g))

    def sub(self, a: Node[V], b: Node[V]) -> Node[V]:
        """See `Ops.sub`."""
        k = self.kernels
        return self._record(k.sub(a.value, b.value), (a, lambda g: g), (b, lambda g: k.scale(g, -1.0)))

    def multiply(self, a: Node[V], b: Node[V]) -> Node[V]:
        """See `Ops.multiply`."""
        k = self.kernels
        return self._record(
            k.multiply(a.value, b.value),
            (a, lambda g: k.multiply(g, b.value)),
            (b, lambda g: k.multiply(g, a.value)),
        )

    def divide(self, a: Node[V], b: Node[V]) -> Node[V]:
        """See `Ops.divide`."""
        k = self.kernels
        value = k.divide(a.value, b.value)
        return self._record(
            value,
            (a, lambda g: k.divide(g, b.value)),
            (b, lambda g: k.scale(k.divide(k.multiply(g, value), b.value), -1.0)),
        )

    def scale(self, a: Node[V], factor: float) -> Node[V]:
        """See `Ops.scale`."""
        k = self.kernels
        return self._record(k.scale(a.value, factor), (a, lambda g: k.scale(g, factor)))

    def scale_by(self, a: Node[V], factor: Node[V]) -> Node[V]:
        """See `Ops.scale_by`."""
        k = self.kernels
        return self._record(
            k.scale_by(a.value, factor.value),
            (a, lambda g: k.scale_by(g, factor.value)),
            (factor, lambda g: k.sum(k.multiply(g, a.value))),
        )

    def square(self, a: Node[V]) -> Node[V]:
        """See `Ops.square`."""
        k = self.kernels
        return self._record(k.square(a.value), (a, lambda g: k.scale(k.multiply(g, a.value), 2.0)))

    def sqrt(self, a: Node[V]) -> Node[V]:
        """See `Ops.sqrt`."""
        k = self.kernels
        value = k.sqrt(a.value)
        return self._record(value, (a, lambda g: k.divide(k.scale(g, 0.5), value)))

    def exp(self, a: Node[V]) -> Node[V]:
        """See `Ops.exp`."""
        k = self.kernels
        value = k.exp(a.value)
        return self._record(value, (a, lambda g: k.multiply(g, value)))

    def abs(self, a: Node[V]) -> Node[V]:
        """See `Ops.abs`."""
        k = self.kernels
        return self._record(k.abs(a.value), (a, lambda g: k.multiply(g, k.sign(a.value))))

    def sum(self, a: Node[V]) -> Node[V]:
        """See `Ops.sum`."""
        k = self.kernels
        return self._record(k.sum(a.value), (a, lambda g: k.broadcast(g, a.value)))


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
