"""An optimiser's arithmetic as nodes of a graph: on pictures, and on the numbers that change from step to step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nst.backends.onnx.graph import Graph, Value
from nst.backends.onnx.kernels import GraphKernels


class GraphSpace:
    """See `nst.protocol.Arithmetic`; operations become nodes of the kernels' graph."""

    def __init__(self, kernels: GraphKernels) -> None:
        self._kernels, self._graph = kernels, kernels.graph

    def lincomb(self, coefficients: Sequence[float | GraphNumber], vectors: Sequence[Value]) -> Value:
        total: Value | None = None
        for coefficient, vector in zip(coefficients, vectors, strict=True):
            factor = (
                coefficient.value if isinstance(coefficient, GraphNumber) else self._graph.number(coefficient)
            )
            part = self._kernels.multiply(self._graph.cast(vector, self._graph.dtype.name), factor)
            total = part if total is None else self._kernels.add(total, part)
        assert total is not None
        return total

    def multiply(self, a: Value, b: Value) -> Value:
        return self._kernels.multiply(a, b)

    def whiten(self, a: Value, b: Value, epsilon: float) -> Value:
        below = self._kernels.add(self._kernels.sqrt(b), self._graph.number(epsilon))
        return self._kernels.divide(a, below)

    def clip(self, a: Value, low: float, high: float) -> Value:
        return self._graph.node("Clip", [a, self._graph.number(low), self._graph.number(high)], a.shape)


@dataclass(frozen=True)
class GraphNumber:
    """A scalar of the graph, in the arithmetic that a Python float takes part in; the graph then computes it."""

    graph: Graph
    value: Value  # of shape ()

    def __add__(self, other: float) -> GraphNumber:
        return self._of("Add", self.value, self._constant(other))

    def __neg__(self) -> GraphNumber:
        return self._of("Neg", self.value)

    def __rsub__(self, other: float) -> GraphNumber:
        return self._of("Sub", self._constant(other), self.value)

    def __truediv__(self, other: GraphNumber) -> GraphNumber:
        return self._of("Div", self.value, other.value)

    def __rtruediv__(self, other: float) -> GraphNumber:
        return self._of("Div", self._constant(other), self.value)

    def __rpow__(self, base: float) -> GraphNumber:
        return self._of("Pow", self._constant(base), self.value)

    def _of(self, operator: str, *values: Value) -> GraphNumber:
        return GraphNumber(self.graph, self.graph.node(operator, values, ()))

    def _constant(self, number: float) -> Value:
        return self.graph.number(float(number), self.value)
