"""The network as an ONNX model, and as nodes of a larger graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from nst.backends.onnx.graph import Graph, Value
from nst.backends.onnx.kernels import GraphKernels
from nst.backends.rounding import layer_precision, round_filters
from nst.backends.tape import Node, TapeOps
from nst.backends.vgg import vgg_features
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights


class OnnxNetwork:
    """See `nst.protocol.Network`. The graph of an objective is built from the same nodes as `native`."""

    def __init__(
        self, weights: NetworkWeights, layers: Sequence[str], pooling: Pooling, dtype: str, precision: str
    ) -> None:
        self._weights = weights
        self._layers = tuple(layers)
        self._pooling: Pooling = pooling
        self._dtype = dtype
        self._precision = precision
        # of bfloat16 kernels ONNX Runtime has hardly more than the convolution
        self._activations = dtype if precision == "bfloat16" else precision

    def __call__(self, ops: Any, x: Node[Value]) -> dict[str, Node[Value]]:
        graph: Graph = ops.kernels.graph

        def constant(name: str, array: NDArray[np.float32]) -> Node[Value]:
            layer, _, _ = name.partition(".")
            dtype = self._dtype if layer == "input" else layer_precision(layer, self._dtype, self._precision)
            array = round_filters(array, self._precision) if array.ndim == 4 else array
            node: Node[Value] = ops.constant(graph.initializer(name, array.astype(dtype)))
            return node

        def change(dtype: str, back: str) -> Callable[[Node[Value]], Node[Value]]:
            return lambda a: ops.transform(a, lambda v: graph.cast(v, dtype), lambda g: graph.cast(g, back))

        enter, leave = change(self._activations, self._dtype), change(self._dtype, self._activations)
        return vgg_features(ops, x, self._weights, self._layers, self._pooling, constant, enter, leave)

    @cached_property
    def native(self) -> onnx.ModelProto:
        """The network as an ONNX model: input `x` (N, 3, H, W) in sRGB [0, 1], one output a layer."""
        graph = Graph(self._dtype, any_size=True)
        ops: TapeOps[Value] = TapeOps(GraphKernels(graph))
        x = ops.constant(graph.input("x", (1, 3, 256, 256)))
        outputs = {name: node.value for name, node in self(ops, x).items()}
        return graph.model(outputs)
