"""An ONNX graph under construction: values, nodes, constants, and the finished model.

All shapes are static. Operators follow ONNX opset 17, or 22 where a convolution in bfloat16 needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

OPSET, OPSET_BFLOAT16 = 17, 22
IR_VERSION, IR_VERSION_BFLOAT16 = 8, 10
FLOATS = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True)
class Value:
    """A tensor in the graph."""

    name: str  # unique in the graph
    shape: tuple[int, ...]  # static
    dtype: str  # numpy's name; a comparison has the type of what it compares here


class Graph:
    """Nodes are appended one by one; each gives a `Value` for the next.

    `dtype` is numpy's name for the floating-point type of all tensors that do not say otherwise. `any_size` leaves
    batch, height and width of pictures and feature maps open: the nodes must not depend on them.
    """

    def __init__(self, dtype: str, any_size: bool = False) -> None:
        self.dtype, self.any_size = np.dtype(dtype), any_size
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[Value] = []
        self._initializers: dict[str, onnx.TensorProto] = {}

    @property
    def newer(self) -> bool:
        """Whether it has numbers in bfloat16, and the later opset for them."""
        return any(tensor.data_type == onnx.TensorProto.BFLOAT16 for tensor in self._initializers.values())

    def input(self, name: str, shape: Sequence[int], dtype: str | None = None) -> Value:
        """A tensor that is fed in at each run."""
        value = Value(name, tuple(shape), dtype or self.dtype.name)
        self._inputs.append(value)
        return value

    def initializer(self, name: str, array: NDArray[Any]) -> Value:
        """A tensor that is part of the model; the same name is stored once."""
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return Value(name, array.shape, array.dtype.name)

    def number(self, number: float, like: Value | None = None) -> Value:
        """A scalar that is part of the model, of the type of `like` or of the graph."""
        dtype = like.dtype if like else self.dtype.name
        return self.initializer(f"{dtype} {number!r}", np.array(number, dtype))

    def integers(self, *numbers: int) -> Value:
        """A vector of integers: shapes, axes, bounds."""
        return self.initializer(f"integers {numbers}", np.array(numbers, np.int64))

    def node(self, operator: str, inputs: Sequence[Value], shape: Sequence[int], **attributes: Any) -> Value:
        """Append an operator with one output of this shape, of the type of its first floating-point input."""
        dtype = next((value.dtype for value in inputs if value.dtype in FLOATS), self.dtype.name)
        result = Value(f"{operator}_{len(self._nodes)}", tuple(shape), dtype)
        names = [value.name for value in inputs]
        self._nodes.append(helper.make_node(operator, names, [result.name], **attributes))
        return result

    def cast(self, a: Value, dtype: str) -> Value:
        """The same numbers in another type."""
        if a.dtype == dtype:
            return a
        result = self.node("Cast", [a], a.shape, to=_element(dtype))
        return Value(result.name, result.shape, dtype)

    def reshape(self, a: Value, *shape: int) -> Value:
        """The same elements in another shape."""
        return self.node("Reshape", [a, self.integers(*shape)], shape)

    def expand(self, a: Value, *shape: int) -> Value:
        """The same elements again along dimensions of size 1."""
        return self.node("Expand", [a, self.integers(*shape)], shape)

    def slice(self, x: Value, dimension: int, start: int, stop: int) -> Value:
        """`x[start:stop]` along one dimension."""
        shape = list(x.shape)
        shape[dimension] = stop - start
        bounds = [self.integers(start), self.integers(stop), self.integers(dimension)]
        return self.node("Slice", [x, *bounds], shape)

    def pad(self, x: Value, dimension: int, before: int, after: int) -> Value:
        """Zeros before and after, along one dimension of a 4-D tensor."""
        pads = [0] * 8
        pads[dimension], pads[dimension + 4] = before, after
        shape = list(x.shape)
        shape[dimension] += before + after
        return self.node("Pad", [x, self.integers(*pads)], shape)

    def pad_to(self, x: Value, shape: tuple[int, ...]) -> Value:
        """Zeros below and to the right: what a dropped odd row or column gets."""
        for dimension in (2, 3):
            if x.shape[dimension] < shape[dimension]:
                x = self.pad(x, dimension, 0, shape[dimension] - x.shape[dimension])
        return x

    def text(self, outputs: Mapping[str, Value]) -> bytes:
        """The finished graph for `Program`. Nothing of it is left here: each copy of the filters counts."""
        model = self.model(outputs)
        self._initializers.clear()
        return bytes(model.SerializeToString())

    def model(self, outputs: Mapping[str, Value]) -> onnx.ModelProto:
        """The finished graph as a model that returns these values under these names."""

        def describe(name: str, value: Value) -> onnx.ValueInfoProto:
            shape = value.shape
            open_shape = ["N", shape[1], f"height of {name}", f"width of {name}"] if self.any_size else shape
            return helper.make_tensor_value_info(name, _element(value.dtype), open_shape)

        # an Identity for each output: one value may be asked for under two names, or be an input itself
        named = [helper.make_node("Identity", [value.name], [name]) for name, value in outputs.items()]
        graph = helper.make_graph(
            [*self._nodes, *named],
            "nst",
            [describe(value.name, value) for value in self._inputs],
            [describe(name, value) for name, value in outputs.items()],
            list(self._initializers.values()),
        )
        newer = self.newer
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET_BFLOAT16 if newer else OPSET)],
            ir_version=IR_VERSION_BFLOAT16 if newer else IR_VERSION,
            producer_name="nst",
        )


def _element(dtype: str) -> int:
    element: int = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return element
