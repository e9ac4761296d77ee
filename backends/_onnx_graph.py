"""The primitives and their adjoints as ONNX nodes: a graph under construction.

ONNX Runtime has no autodiff, so `nst.tape` builds the backward pass from these as well. All shapes are
static. Operators follow ONNX opset 17.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nst.protocol import Axis

__all__ = ["OPSET", "GraphKernels", "Value", "make_model"]

OPSET = 17
IR_VERSION = 8
WINDOW = [(row, column) for row in range(2) for column in range(2)]  # in row order


@dataclass(frozen=True)
class Value:
    """A tensor in the graph: its name and static shape."""

    name: str
    shape: tuple[int, ...]


class GraphKernels:
    """See `nst.tape.Kernels`; each method appends nodes and returns the name of their result.

    Args:
        dtype: numpy name of the floating-point type of all tensors.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[Value] = []
        self._initializers: dict[str, onnx.TensorProto] = {}

    @property
    def initializers(self) -> list[onnx.TensorProto]:
        """Weights and small constants of the graph."""
        return list(self._initializers.values())

    def input(self, name: str, shape: Sequence[int]) -> Value:
        """A tensor that is fed in at each run."""
        value = Value(name, tuple(shape))
        self.inputs.append(value)
        return value

    def initializer(self, name: str, array: NDArray[Any]) -> Value:
        """A tensor that is part of the model; the same name is stored once."""
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return Value(name, array.shape)

    def _number(self, number: float) -> Value:
        return self.initializer(f"number {number!r}", np.array(number, self.dtype))

    def _integers(self, *numbers: int) -> Value:
        return self.initializer(f"integers {numbers}", np.array(numbers, np.int64))

    def _node(
        self, operator: str, inputs: Sequence[Value], shape: Sequence[int], **attributes: Any
    ) -> Value:
        result = Value(f"{operator}_{len(self.nodes)}", tuple(shape))
        names = [value.name for value in inputs]
        self.nodes.append(helper.make_node(operator, names, [result.name], **attributes))
        return result

    def _reshape(self, a: Value, *shape: int) -> Value:
        return self._node("Reshape", [a, self._integers(*shape)], shape)

    def _per_channel(self, a: Value) -> Value:
        return self._reshape(a, a.shape[0], 1, 1)

    def affine(self, x: Value, factor: Value, shift: Value) -> Value:
        scaled = self._node("Mul", [x, self._per_channel(factor)], x.shape)
        return self._node("Add", [scaled, self._per_channel(shift)], x.shape)

    def affine_adjoint(self, gradient: Value, factor: Value) -> Value:
        return self._node("Mul", [gradient, self._per_channel(factor)], gradient.shape)

    def conv2d(self, x: Value, weight: Value, bias: Value) -> Value:
        shape = (x.shape[0], weight.shape[0], *x.shape[2:])
        return self._node("Conv", [x, weight, bias], shape, kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    def conv2d_adjoint(self, gradient: Value, weight: Value) -> Value:
        # a convolution with the kernel turned by 180 degrees and its channels swapped is faster than
        # ConvTranspose; both steps are folded into a constant when the session is made
        out, channels, *_ = weight.shape
        swapped = self._node("Transpose", [weight], (channels, out, 3, 3), perm=[1, 0, 2, 3])
        bounds = [self._integers(-1, -1), self._integers(-4, -4), self._integers(2, 3), self._integers(-1, -1)]
        turned = self._node("Slice", [swapped, *bounds], swapped.shape)
        shape = (gradient.shape[0], channels, *gradient.shape[2:])
        return self._node("Conv", [gradient, turned], shape, kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    def relu(self, x: Value) -> Value:
        return self._node("Relu", [x], x.shape)

    def relu_adjoint(self, gradient: Value, output: Value) -> Value:
        return self._node("Mul", [gradient, self._node("Sign", [output], output.shape)], output.shape)

    def max_pool(self, x: Value) -> Value:
        window = {"kernel_shape": [2, 2], "strides": [2, 2]}
        largest = self._node("MaxPool", [x], _pooled(x.shape), **window)
        # MaxPool passes over a NaN, the mean of its window does not
        mean = self._node("AveragePool", [x], largest.shape, **window)
        return self._node("Where", [self._node("IsNaN", [mean], mean.shape), mean, largest], largest.shape)

    def max_pool_adjoint(self, gradient: Value, x: Value, output: Value) -> Value:
        # MaxUnpool runs on the CPU only, hence slices and comparisons
        parts, taken = [], None
        for i, j in WINDOW:
            wins = self._node("Equal", [self._phase(x, i, j), output], output.shape)
            if taken is not None:
                wins = self._node("And", [wins, self._node("Not", [taken], output.shape)], output.shape)
            taken = wins if taken is None else self._node("Or", [taken, wins], output.shape)
            parts.append(self._node("Where", [wins, gradient, self._number(0.0)], output.shape))
        return self._interleave(parts, x.shape)

    def avg_pool(self, x: Value) -> Value:
        return self._node("AveragePool", [x], _pooled(x.shape), kernel_shape=[2, 2], strides=[2, 2])

    def avg_pool_adjoint(self, gradient: Value, x: Value) -> Value:
        batch, channels, height, width = gradient.shape
        quarter = self.scale(gradient, 0.25)
        columns = self._reshape(quarter, batch, channels, height, 1, width, 1)
        shape = (batch, channels, height, 2, width, 2)
        spread = self._node("Expand", [columns, self._integers(*shape)], shape)
        return self._pad_to(self._reshape(spread, batch, channels, 2 * height, 2 * width), x.shape)

    def gram(self, features: Value) -> Value:
        flat = self._flat(features)
        batch, channels, positions = flat.shape
        turned = self._node("Transpose", [flat], (batch, positions, channels), perm=[0, 2, 1])
        return self._node("MatMul", [flat, turned], (batch, channels, channels))

    def gram_adjoint(self, gradient: Value, features: Value) -> Value:
        turned = self._node("Transpose", [gradient], gradient.shape, perm=[0, 2, 1])
        flat = self._flat(features)
        product = self._node("MatMul", [self.add(gradient, turned), flat], flat.shape)
        return self._reshape(product, *features.shape)

    def channel_sum(self, features: Value) -> Value:
        axes = self._integers(2, 3)
        return self._node("ReduceSum", [features, axes], features.shape[:2], keepdims=0)

    def diff(self, x: Value, axis: Axis) -> Value:
        dimension = _dimension(axis)
        size = x.shape[dimension]
        return self.sub(self._slice(x, dimension, 1, size), self._slice(x, dimension, 0, size - 1))

    def diff_adjoint(self, gradient: Value, axis: Axis) -> Value:
        dimension = _dimension(axis)
        later = self._pad(gradient, dimension, 1, 0)
        return self.sub(later, self._pad(gradient, dimension, 0, 1))

    def add(self, a: Value, b: Value) -> Value:
        return self._node("Add", [a, b], a.shape)

    def sub(self, a: Value, b: Value) -> Value:
        return self._node("Sub", [a, b], a.shape)

    def multiply(self, a: Value, b: Value) -> Value:
        return self._node("Mul", [a, b], a.shape)

    def scale(self, a: Value, factor: float) -> Value:
        return self._node("Mul", [a, self._number(float(factor))], a.shape)

    def square(self, a: Value) -> Value:
        return self._node("Mul", [a, a], a.shape)

    def abs(self, a: Value) -> Value:
        return self._node("Abs", [a], a.shape)

    def sign(self, a: Value) -> Value:
        return self._node("Sign", [a], a.shape)

    def sum(self, a: Value) -> Value:
        return self._node("ReduceSum", [a], (), keepdims=0)

    def broadcast(self, gradient: Value, like: Value) -> Value:
        spread = gradient if not gradient.shape else self._reshape(gradient, *gradient.shape, 1, 1)
        return self._node("Expand", [spread, self._integers(*like.shape)], like.shape)

    def one(self) -> Value:
        return self._number(1.0)

    def stack(self, scalars: Sequence[Value]) -> Value:
        """A vector of scalars."""
        return self._node("Concat", [self._reshape(s, 1) for s in scalars], (len(scalars),), axis=0)

    def element(self, vector: Value, index: int) -> Value:
        """One element of a vector, as a scalar."""
        chosen = self.initializer(f"index {index}", np.array(index, np.int64))
        return self._node("Gather", [vector, chosen], (), axis=0)

    def whiten(self, a: Value, b: Value, epsilon: float) -> Value:
        """`a / (sqrt(b) + epsilon)`."""
        root = self._node("Sqrt", [b], b.shape)
        return self._node("Div", [a, self._node("Add", [root, self._number(epsilon)], b.shape)], a.shape)

    def clip(self, a: Value, low: float, high: float) -> Value:
        """`a` limited to [low, high]."""
        return self._node("Clip", [a, self._number(low), self._number(high)], a.shape)

    def _flat(self, features: Value) -> Value:
        batch, channels, *size = features.shape
        return self._reshape(features, batch, channels, math.prod(size))

    def _slice(self, x: Value, dimension: int, start: int, stop: int) -> Value:
        shape = list(x.shape)
        shape[dimension] = stop - start
        bounds = [self._integers(start), self._integers(stop), self._integers(dimension)]
        return self._node("Slice", [x, *bounds], shape)

    def _pad(self, x: Value, dimension: int, before: int, after: int) -> Value:
        pads = [0] * 8
        pads[dimension], pads[dimension + 4] = before, after
        shape = list(x.shape)
        shape[dimension] += before + after
        return self._node("Pad", [x, self._integers(*pads)], shape)

    def _pad_to(self, x: Value, shape: tuple[int, ...]) -> Value:
        """Zeros below and to the right: what a dropped odd row or column gets."""
        for dimension in (2, 3):
            if x.shape[dimension] < shape[dimension]:
                x = self._pad(x, dimension, 0, shape[dimension] - x.shape[dimension])
        return x

    def _phase(self, x: Value, row: int, column: int) -> Value:
        """Element (row, column) of every 2x2 window."""
        shape = _pooled(x.shape)
        ends = self._integers(2 * shape[2], 2 * shape[3])
        bounds = [self._integers(row, column), ends, self._integers(2, 3), self._integers(2, 2)]
        return self._node("Slice", [x, *bounds], shape)

    def _interleave(self, phases: Sequence[Value], shape: tuple[int, ...]) -> Value:
        """The inverse of `_phase` for the four phases in row order."""
        batch, channels, height, width = phases[0].shape
        rows = []
        for left, right in (phases[:2], phases[2:]):
            pair = [self._reshape(part, batch, channels, height, 1, width, 1) for part in (left, right)]
            rows.append(self._node("Concat", pair, (batch, channels, height, 1, width, 2), axis=5))
        joined = self._node("Concat", rows, (batch, channels, height, 2, width, 2), axis=3)
        return self._pad_to(self._reshape(joined, batch, channels, 2 * height, 2 * width), shape)


def make_model(
    kernels: GraphKernels, outputs: Mapping[str, Value], any_size: bool = False
) -> onnx.ModelProto:
    """The finished graph as a model.

    Args:
        kernels: holds the nodes.
        outputs: the values to return, under these names.
        any_size: leave batch, height and width of pictures and feature maps open. The nodes must not
            depend on them.
    """
    element = helper.np_dtype_to_tensor_dtype(kernels.dtype)

    def describe(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
        open_shape = ["N", shape[1], f"height of {name}", f"width of {name}"] if any_size else shape
        return helper.make_tensor_value_info(name, element, open_shape)

    # an Identity for each output: one value may be asked for under two names, or be an input itself
    named = [helper.make_node("Identity", [value.name], [name]) for name, value in outputs.items()]
    graph = helper.make_graph(
        [*kernels.nodes, *named],
        "nst",
        [describe(value.name, value.shape) for value in kernels.inputs],
        [describe(name, value.shape) for name, value in outputs.items()],
        kernels.initializers,
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="nst"
    )


def _pooled(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:2], shape[2] // 2, shape[3] // 2)


def _dimension(axis: Axis) -> int:
    return 2 if axis == "height" else 3
