"""The primitives and their adjoints as ONNX nodes.

ONNX Runtime has no autodiff, so `nst.backends.tape` builds the backward pass from these as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from nst.backends.onnx.graph import Graph, Value
from nst.protocol import Axis, PadMode

WINDOW = [(row, column) for row in range(2) for column in range(2)]  # in row order


class GraphKernels:
    """See `nst.backends.tape.Kernels`; each method appends nodes and returns the name of their result."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def _per_channel(self, a: Value) -> Value:
        return self.graph.reshape(a, a.shape[0], 1, 1)

    def affine(self, x: Value, factor: Value, shift: Value) -> Value:
        scaled = self.graph.node("Mul", [x, self._per_channel(factor)], x.shape)
        return self.graph.node("Add", [scaled, self._per_channel(shift)], x.shape)

    def affine_adjoint(self, gradient: Value, factor: Value) -> Value:
        return self.graph.node("Mul", [gradient, self._per_channel(factor)], gradient.shape)

    def conv2d(self, x: Value, weight: Value, bias: Value) -> Value:
        return self._convolve(x, weight, bias)

    def conv2d_adjoint(self, gradient: Value, weight: Value) -> Value:
        # a convolution with the kernel turned by 180 degrees and its channels swapped is faster than
        # ConvTranspose; both steps are folded into a constant when the session is made
        out, channels, *_ = weight.shape
        swapped = self.graph.node("Transpose", [weight], (channels, out, 3, 3), perm=[1, 0, 2, 3])
        back, end, axes = self.graph.integers(-1, -1), self.graph.integers(-4, -4), self.graph.integers(2, 3)
        turned = self.graph.node("Slice", [swapped, back, end, axes, back], swapped.shape)
        return self._convolve(gradient, turned)

    def relu(self, x: Value) -> Value:
        return self.graph.node("Relu", [x], x.shape)

    def relu_adjoint(self, gradient: Value, output: Value) -> Value:
        return self.graph.node(
            "Mul", [gradient, self.graph.node("Sign", [output], output.shape)], output.shape
        )

    def max_pool(self, x: Value) -> Value:
        window = {"kernel_shape": [2, 2], "strides": [2, 2]}
        if self.graph.newer and not self.graph.any_size:  # ONNX Runtime has no MaxPool of that opset on CUDA
            phases = [self._phase(x, row, column) for row, column in WINDOW]
            largest = self.graph.node("Max", phases, phases[0].shape)
        else:
            largest = self.graph.node("MaxPool", [x], _pooled(x.shape), **window)
        # MaxPool passes over a NaN, the mean of its window does not
        mean = self.graph.node("AveragePool", [x], largest.shape, **window)
        return self.graph.node(
            "Where", [self.graph.node("IsNaN", [mean], mean.shape), mean, largest], largest.shape
        )

    def max_pool_adjoint(self, gradient: Value, x: Value, output: Value) -> Value:
        # MaxUnpool runs on the CPU only, hence slices and comparisons
        parts, taken = [], None
        for i, j in WINDOW:
            wins = self.graph.node("Equal", [self._phase(x, i, j), output], output.shape)
            if taken is not None:
                wins = self.graph.node(
                    "And", [wins, self.graph.node("Not", [taken], output.shape)], output.shape
                )
            taken = wins if taken is None else self.graph.node("Or", [taken, wins], output.shape)
            parts.append(
                self.graph.node("Where", [wins, gradient, self.graph.number(0.0, gradient)], output.shape)
            )
        return self._interleave(parts, x.shape)

    def avg_pool(self, x: Value) -> Value:
        return self.graph.node("AveragePool", [x], _pooled(x.shape), kernel_shape=[2, 2], strides=[2, 2])

    def avg_pool_adjoint(self, gradient: Value, x: Value) -> Value:
        batch, channels, height, width = gradient.shape
        quarter = self.scale(gradient, 0.25)
        columns = self.graph.reshape(quarter, batch, channels, height, 1, width, 1)
        spread = self.graph.expand(columns, batch, channels, height, 2, width, 2)
        return self.graph.pad_to(self.graph.reshape(spread, batch, channels, 2 * height, 2 * width), x.shape)

    def gram(self, features: Value) -> Value:
        flat = self._flat(features)
        return self.matmul(flat, self.transpose(flat))

    def gram_adjoint(self, gradient: Value, features: Value) -> Value:
        symmetric = self.add(gradient, self.transpose(gradient))
        return self.graph.reshape(self.matmul(symmetric, self._flat(features)), *features.shape)

    def channel_sum(self, features: Value) -> Value:
        axes = self.graph.integers(2, 3)
        return self.graph.node("ReduceSum", [features, axes], (*features.shape[:2], 1, 1), keepdims=1)

    def modulate(self, x: Value, mask: Value) -> Value:
        return self.graph.node("Mul", [x, mask], x.shape)

    def pad(self, x: Value, margin: int, mode: PadMode) -> Value:
        if margin == 0:  # operator Expand refuses to make nothing
            return x
        # slices, since operator Pad has no circular mode before opset 19, and not on every provider after
        for dimension in (2, 3):
            size = x.shape[dimension]
            if mode == "circular":
                before = self.graph.slice(x, dimension, size - margin, size)
                after = self.graph.slice(x, dimension, 0, margin)
            else:
                before = self._repeat(self.graph.slice(x, dimension, 0, 1), dimension, margin)
                after = self._repeat(self.graph.slice(x, dimension, size - 1, size), dimension, margin)
            shape = _resized(x.shape, dimension, size + 2 * margin)
            x = self.graph.node("Concat", [before, x, after], shape, axis=dimension)
        return x

    def pad_adjoint(self, gradient: Value, margin: int, mode: PadMode) -> Value:
        for dimension in (2, 3):
            size = gradient.shape[dimension] - 2 * margin
            before = self.graph.slice(gradient, dimension, 0, margin)
            after = self.graph.slice(gradient, dimension, margin + size, size + 2 * margin)
            if mode == "circular":
                first, last = after, before
            else:
                first, last = self._total(before, dimension), self._total(after, dimension)
            rest = size - first.shape[dimension]
            inner = self.graph.slice(gradient, dimension, margin, margin + size)
            inner = self.add(inner, self.graph.pad(first, dimension, 0, rest))
            gradient = self.add(inner, self.graph.pad(last, dimension, rest, 0))
        return gradient

    def matmul(self, a: Value, b: Value) -> Value:
        return self.graph.node("MatMul", [a, b], (*a.shape[:2], b.shape[2]))

    def transpose(self, a: Value) -> Value:
        batch, rows, columns = a.shape
        return self.graph.node("Transpose", [a], (batch, columns, rows), perm=[0, 2, 1])

    def diff(self, x: Value, axis: Axis) -> Value:
        dimension = _dimension(axis)
        size = x.shape[dimension]
        return self.sub(self.graph.slice(x, dimension, 1, size), self.graph.slice(x, dimension, 0, size - 1))

    def diff_adjoint(self, gradient: Value, axis: Axis) -> Value:
        dimension = _dimension(axis)
        later = self.graph.pad(gradient, dimension, 1, 0)
        return self.sub(later, self.graph.pad(gradient, dimension, 0, 1))

    def add(self, a: Value, b: Value) -> Value:
        return self.graph.node("Add", [a, b], a.shape)

    def sub(self, a: Value, b: Value) -> Value:
        return self.graph.node("Sub", [a, b], a.shape)

    def multiply(self, a: Value, b: Value) -> Value:
        return self.graph.node("Mul", [a, b], a.shape)

    def divide(self, a: Value, b: Value) -> Value:
        return self.graph.node("Div", [a, b], a.shape)

    def scale(self, a: Value, factor: float) -> Value:
        return self.graph.node("Mul", [a, self.graph.number(float(factor), a)], a.shape)

    def scale_by(self, a: Value, factor: Value) -> Value:
        return self.graph.node("Mul", [a, factor], a.shape)

    def square(self, a: Value) -> Value:
        return self.graph.node("Mul", [a, a], a.shape)

    def sqrt(self, a: Value) -> Value:
        return self.graph.node("Sqrt", [a], a.shape)

    def exp(self, a: Value) -> Value:
        return self.graph.node("Exp", [a], a.shape)

    def abs(self, a: Value) -> Value:
        return self.graph.node("Abs", [a], a.shape)

    def sign(self, a: Value) -> Value:
        return self.graph.node("Sign", [a], a.shape)

    def sum(self, a: Value) -> Value:
        return self.graph.node("ReduceSum", [a], (), keepdims=0)

    def broadcast(self, gradient: Value, like: Value) -> Value:
        return self.graph.expand(gradient, *like.shape)

    def one(self) -> Value:
        return self.graph.number(1.0)

    def _convolve(self, x: Value, weight: Value, *bias: Value) -> Value:
        """In the type of the weight; the result has that of x."""
        shape = (x.shape[0], weight.shape[0], *x.shape[2:])
        inputs = [self.graph.cast(x, weight.dtype), weight, *bias]
        y = self.graph.node("Conv", inputs, shape, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        return self.graph.cast(y, x.dtype)

    def _repeat(self, line: Value, dimension: int, times: int) -> Value:
        return self.graph.expand(line, *_resized(line.shape, dimension, times))

    def _total(self, a: Value, dimension: int) -> Value:
        shape = _resized(a.shape, dimension, 1)
        return self.graph.node("ReduceSum", [a, self.graph.integers(dimension)], shape, keepdims=1)

    def _flat(self, features: Value) -> Value:
        batch, channels, *size = features.shape
        return self.graph.reshape(features, batch, channels, math.prod(size))

    def _phase(self, x: Value, row: int, column: int) -> Value:
        """Element (row, column) of every 2x2 window."""
        shape = _pooled(x.shape)
        ends = self.graph.integers(2 * shape[2], 2 * shape[3])
        bounds = [
            self.graph.integers(row, column),
            ends,
            self.graph.integers(2, 3),
            self.graph.integers(2, 2),
        ]
        return self.graph.node("Slice", [x, *bounds], shape)

    def _interleave(self, phases: Sequence[Value], shape: tuple[int, ...]) -> Value:
        """The inverse of `_phase` for the four phases in row order."""
        batch, channels, height, width = phases[0].shape
        rows = []
        for left, right in (phases[:2], phases[2:]):
            pair = [self.graph.reshape(part, batch, channels, height, 1, width, 1) for part in (left, right)]
            rows.append(self.graph.node("Concat", pair, (batch, channels, height, 1, width, 2), axis=5))
        joined = self.graph.node("Concat", rows, (batch, channels, height, 2, width, 2), axis=3)
        return self.graph.pad_to(self.graph.reshape(joined, batch, channels, 2 * height, 2 * width), shape)


def _resized(shape: tuple[int, ...], dimension: int, size: int) -> tuple[int, ...]:
    return (*shape[:dimension], size, *shape[dimension + 1 :])


def _pooled(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:2], shape[2] // 2, shape[3] // 2)


def _dimension(axis: Axis) -> int:
    return 2 if axis == "height" else 3
