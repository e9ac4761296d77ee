"""The arithmetic on pictures as small ONNX graphs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.backends.frequencies import cosine_filter
from nst.backends.onnx.graph import Graph, Value
from nst.backends.onnx.kernels import GraphKernels
from nst.backends.onnx.program import Program, Tensor, to_device, to_host
from nst.backends.onnx.symbolic import GraphNumber, GraphSpace
from nst.protocol import HostArray

ELEMENTS = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(int64)": "int64"}
"""What an OrtValue calls its type -> numpy name."""


SLAB = 2**16
"""Products of so many numbers are added in the working precision, and their sums in float64."""


class OnnxSpace:
    """See `nst.protocol.VectorSpace`; each operation is a small graph, kept for its shapes and types."""

    def __init__(self, device: str, dtype: str) -> None:
        self._device = device
        self._dtype = dtype
        self._programs: dict[tuple[Any, ...], Program] = {}

    def dots(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> NDArray[np.float64]:
        distinct = list({id(tensor): tensor for pair in pairs for tensor in pair}.values())
        position = {id(tensor): i for i, tensor in enumerate(distinct)}
        indices = tuple((position[id(a)], position[id(b)]) for a, b in pairs)

        def build(kernels: GraphKernels, vectors: list[Value]) -> Value:
            graph = kernels.graph
            full = [_full(graph, vector) for vector in vectors]
            products = [kernels.sum(kernels.multiply(full[i], full[j])) for i, j in indices]
            return graph.node("Concat", [graph.reshape(p, 1) for p in products], (len(products),), axis=0)

        return to_host(self._run(("dots", indices), build, distinct)).astype(np.float64)

    def scalars(self, values: Sequence[Tensor]) -> NDArray[np.float64]:
        return np.array([to_host(value) for value in values], np.float64)

    def lincomb(self, coefficients: Sequence[float], vectors: Sequence[Tensor]) -> Tensor:
        def build(kernels: GraphKernels, values: list[Value]) -> Value:
            *terms, factors = values
            graph = kernels.graph
            indices = [graph.initializer(f"index {i}", np.array(i, np.int64)) for i in range(len(terms))]
            chosen = [graph.node("Gather", [factors, index], (), axis=0) for index in indices]
            return GraphSpace(kernels).lincomb([GraphNumber(graph, factor) for factor in chosen], terms)

        factors = self._tensor(np.array(coefficients))
        return self._run(("lincomb", len(vectors)), build, [*vectors, factors])

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return self._run(("multiply",), lambda kernels, v: GraphSpace(kernels).multiply(v[0], v[1]), [a, b])

    def whiten(self, a: Tensor, b: Tensor, epsilon: float) -> Tensor:
        def build(kernels: GraphKernels, v: list[Value]) -> Value:
            return GraphSpace(kernels).whiten(v[0], v[1], epsilon)

        return self._run(("whiten", epsilon), build, [a, b])

    def clip(self, a: Tensor, low: float, high: float) -> Tensor:
        def build(kernels: GraphKernels, v: list[Value]) -> Value:
            return GraphSpace(kernels).clip(v[0], low, high)

        return self._run(("clip", low, high), build, [a])

    def smooth(self, a: Tensor, power: float) -> Tensor:
        def build(kernels: GraphKernels, v: list[Value]) -> Value:
            graph, names = kernels.graph, ("rows", "columns", "gains")
            arrays = (array.astype(self._dtype) for array in cosine_filter(*v[0].shape[2:], power))
            rows, columns, gains = map(graph.initializer, names, arrays)
            up, across = (graph.node("Transpose", [m], m.shape[::-1], perm=(1, 0)) for m in (rows, columns))
            found = _product(graph, _product(graph, rows, v[0]), across)
            found = graph.node("Mul", [found, gains], found.shape)
            return kernels.add(v[0], _product(graph, _product(graph, up, found), columns))

        return self._run(("smooth", power), build, [a])

    def crop(self, a: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
        def build(kernels: GraphKernels, v: list[Value]) -> Value:
            shape = (*v[0].shape[:2], height, width)
            return kernels.graph.node("Slice", [*v, kernels.graph.integers(2, 3)], shape)

        return self._run(
            ("crop", height, width), build, [a, _integers(top, left), _integers(top + height, left + width)]
        )

    def paste(self, total: Tensor, tile: Tensor, top: int, left: int) -> Tensor:
        def build(kernels: GraphKernels, v: list[Value]) -> Value:
            return kernels.add(v[0], kernels.graph.node("Pad", v[1:], v[0].shape))

        (*_, rows, columns), (*_, height, width) = total.shape(), tile.shape()
        margins = _integers(0, 0, top, left, 0, 0, rows - top - height, columns - left - width)
        return self._run(("paste",), build, [total, tile, margins])

    def stack(self, rows: int, like: Tensor, half: bool) -> Tensor:
        shape = (rows, *like.shape()[1:])
        return to_device(np.zeros(shape, np.float16 if half else self._dtype), self._device)

    def put(self, stack: Tensor, row: int, vector: Tensor, factor: float) -> Tensor:
        def build(kernels: GraphKernels, v: list[Value]) -> Value:
            old, index, new, by = v
            scaled = kernels.graph.cast(kernels.multiply(new, by), old.dtype)
            return kernels.graph.node("ScatterND", [old, index, scaled], old.shape)

        index = to_device(np.array([[row]], np.int64), self._device)
        inputs = [stack, index, vector, self._tensor(np.array(factor))]
        return self._run(("put",), build, inputs, into=stack)

    def products(self, stack: Tensor, vectors: Sequence[Tensor]) -> NDArray[np.float64]:
        def build(kernels: GraphKernels, v: list[Value]) -> Value:
            graph, (old, *new) = kernels.graph, v
            rows, columns = _rows(graph, old), _concat(graph, [_rows(graph, vector) for vector in new])
            length, found = columns.shape[1], []
            for first in range(0, length, SLAB):
                slab = [graph.slice(a, 1, first, min(first + SLAB, length)) for a in (rows, columns)]
                for part in slab:
                    operands = [_full(graph, part), slab[1]]
                    found.append(graph.node("Gemm", operands, (part.shape[0], len(new)), transB=1))
            return _concat(graph, found)

        found = to_host(self._run(("products",), build, [stack, *vectors]))
        count = len(vectors)
        return found.reshape(-1, stack.shape()[0] + count, count).sum(0, np.float64)

    def combine(self, coefficients: Sequence[float], stack: Tensor) -> Tensor:
        def build(kernels: GraphKernels, v: list[Value]) -> Value:
            graph, (factors, old) = kernels.graph, v
            shape = (1, *old.shape[1:])
            found = graph.node("MatMul", [factors, _full(graph, _rows(graph, old))], (1, math.prod(shape)))
            return graph.reshape(found, *shape)

        return self._run(("combine",), build, [self._tensor(np.array([coefficients])), stack])

    def _tensor(self, array: HostArray) -> Tensor:
        return to_device(array.astype(self._dtype), self._device)

    def _run(
        self,
        key: tuple[Any, ...],
        build: Callable[[GraphKernels, list[Value]], Value],
        tensors: Sequence[Tensor],
        into: Tensor | None = None,
    ) -> Tensor:
        kinds = tuple((tuple(tensor.shape()), tensor.data_type()) for tensor in tensors)
        program = self._programs.get((key, kinds))
        if program is None:
            graph = Graph(self._dtype)
            inputs = [graph.input(f"v{i}", shape, ELEMENTS[kind]) for i, (shape, kind) in enumerate(kinds)]
            text = graph.text({"result": build(GraphKernels(graph), inputs)})
            program = self._programs[key, kinds] = Program(text, self._device, small=True)
        feeds = {f"v{i}": tensor for i, tensor in enumerate(tensors)}
        return program(feeds, {} if into is None else {"result": into})["result"]


def _full(graph: Graph, a: Value) -> Value:
    return graph.cast(a, graph.dtype.name)


def _rows(graph: Graph, a: Value) -> Value:
    """A vector (1, ...) or a stack (rows, ...) as a matrix."""
    return graph.reshape(a, a.shape[0], math.prod(a.shape[1:]))


def _product(graph: Graph, a: Value, b: Value) -> Value:
    """Of matrices, one of which may be there for each picture and channel."""
    lead = max(a.shape[:-2], b.shape[:-2], key=len)
    return graph.node("MatMul", [a, b], (*lead, a.shape[-2], b.shape[-1]))


def _concat(graph: Graph, matrices: Sequence[Value]) -> Value:
    """One above the other."""
    rows = sum(matrix.shape[0] for matrix in matrices)
    return graph.node("Concat", matrices, (rows, matrices[0].shape[1]), axis=0)


def _integers(*numbers: int) -> Tensor:
    """Bounds are fed in, so that one program serves every place; ONNX Runtime wants them on the host."""
    return to_device(np.array(numbers, np.int64), "cpu")
