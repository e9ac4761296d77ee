"""An ONNX graph under construction: values, nodes, constants, and the finished model.

All shapes are static. Operators follow ONNX opset 17.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

__all__ = ["Graph", "Value"]

OPSET = 17
IR_VERSION = 8


@dataclass(frozen=True)
class Value:
    """A tensor in the graph: its name and static shape."""

    name: str
    shape: tuple[int, ...]


class Graph:
    """Nodes are appended one by one; each gives a `Value` for the next.

    Args:
        dtype: numpy name of the floating-point type of all tensors.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[Value] = []
        self._initializers: dict[str, onnx.TensorProto] = {}

    def input(self, name: str, shape: Sequence[int]) -> Value:
        """A tensor that is fed in at each run."""
        value = Value(name, tuple(shape))
        self._inputs.append(value)
        return value

    def initializer(self, name: str, array: NDArray[Any]) -> Value:
        """A tensor that is part of the model; the same name is stored once."""
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return Value(name, array.shape)

    def number(self, number: float) -> Value:
        """A scalar that is part of the model."""
        return self.initializer(f"number {number!r}", np.array(number, self.dtype))

    def integers(self, *numbers: int) -> Value:
        """A vector of integers: shapes, axes, bounds."""
        return self.initializer(f"integers {numbers}", np.array(numbers, np.int64))

    def node(self, operator: str, inputs: Sequence[Value], shape: Sequence[int], **attributes: Any) -> Value:
        """Append an operator with one output of this shape."""
        result = Value(f"{operator}_{len(self._nodes)}", tuple(shape))
        names = [value.name for value in inputs]
        self._nodes.append(helper.make_node(operator, names, [result.name], **attributes))
        return result

    def reshape(self, a: Value, *shape: int) -> Value:
        """The same elements in another shape."""
        return self.node("Reshape", [a, self.integers(*shape)], shape)

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

    def model(self, outputs: Mapping[str, Value], any_size: bool = False) -> onnx.ModelProto:
        """The finished graph as a model.

        Args:
            outputs: the values to return, under these names.
            any_size: leave batch, height and width of pictures and feature maps open. The nodes must not
                depend on them.
        """
        element = helper.np_dtype_to_tensor_dtype(self.dtype)

        def describe(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
            open_shape = ["N", shape[1], f"height of {name}", f"width of {name}"] if any_size else shape
            return helper.make_tensor_value_info(name, element, open_shape)

        # an Identity for each output: one value may be asked for under two names, or be an input itself
        named = [helper.make_node("Identity", [value.name], [name]) for name, value in outputs.items()]
        graph = helper.make_graph(
            [*self._nodes, *named],
            "nst",
            [describe(value.name, value.shape) for value in self._inputs],
            [describe(name, value.shape) for name, value in outputs.items()],
            list(self._initializers.values()),
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="nst"
        )
