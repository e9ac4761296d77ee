"""Compiled ONNX graphs, and vector arithmetic made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from nst.backends._onnx_graph import Graph, Value
from nst.backends._onnx_kernels import GraphKernels
from nst.backends._select import parse_device
from nst.protocol import HostArray

__all__ = ["OnnxSpace", "Program", "Tensor", "to_device", "to_host"]

Tensor = Any  # onnxruntime.OrtValue


class Program:
    """A compiled graph. Inputs and outputs are `OrtValue`s that stay on the device.

    Args:
        model: the graph.
        device: "cpu" or "cuda:N".
        threads: for one operator; 0 for as many as there are cores.
    """

    def __init__(self, model: onnx.ModelProto, device: str, threads: int = 0) -> None:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(model.SerializeToString(), options, _providers(device))
        self._device = parse_device(device)
        self._inputs = [value.name for value in self.session.get_inputs()]
        self._outputs = [value.name for value in self.session.get_outputs()]

    def __call__(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        # a new binding each time: one that is run again writes into the tensors that it returned before
        binding = self.session.io_binding()
        for name in self._inputs:
            binding.bind_ortvalue_input(name, feeds[name])
        for name in self._outputs:
            binding.bind_output(name, *self._device)
        self.session.run_with_iobinding(binding)
        return dict(zip(self._outputs, binding.get_outputs(), strict=True))


class OnnxSpace:
    """See `nst.protocol.VectorSpace`; each operation is a small graph, kept for its shapes."""

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
            products = [kernels.sum(kernels.multiply(vectors[i], vectors[j])) for i, j in indices]
            return graph.node("Concat", [graph.reshape(p, 1) for p in products], (len(products),), axis=0)

        return to_host(self._run(("dots", indices), build, distinct)).astype(np.float64)

    def scalars(self, values: Sequence[Tensor]) -> NDArray[np.float64]:
        return np.array([to_host(value) for value in values], np.float64)

    def lincomb(self, coefficients: Sequence[float], vectors: Sequence[Tensor]) -> Tensor:
        def build(kernels: GraphKernels, values: list[Value]) -> Value:
            *terms, factors = values
            total: Value | None = None
            for i, vector in enumerate(terms):
                index = kernels.graph.initializer(f"index {i}", np.array(i, np.int64))
                factor = kernels.graph.node("Gather", [factors, index], (), axis=0)
                part = kernels.multiply(vector, factor)
                total = part if total is None else kernels.add(total, part)
            assert total is not None
            return total

        factors = self._tensor(np.array(coefficients))
        return self._run(("lincomb", len(vectors)), build, [*vectors, factors])

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return self._run(("multiply",), lambda kernels, v: kernels.multiply(v[0], v[1]), [a, b])

    def whiten(self, a: Tensor, b: Tensor, epsilon: float) -> Tensor:
        def build(kernels: GraphKernels, v: list[Value]) -> Value:
            graph, shape = kernels.graph, v[0].shape
            root = graph.node("Sqrt", [v[1]], shape)
            return graph.node("Div", [v[0], graph.node("Add", [root, graph.number(epsilon)], shape)], shape)

        return self._run(("whiten", epsilon), build, [a, b])

    def clip(self, a: Tensor, low: float, high: float) -> Tensor:
        def build(kernels: GraphKernels, v: list[Value]) -> Value:
            bounds = [kernels.graph.number(low), kernels.graph.number(high)]
            return kernels.graph.node("Clip", [v[0], *bounds], v[0].shape)

        return self._run(("clip", low, high), build, [a])

    def _tensor(self, array: HostArray) -> Tensor:
        return to_device(array.astype(self._dtype), self._device)

    def _run(
        self,
        key: tuple[Any, ...],
        build: Callable[[GraphKernels, list[Value]], Value],
        tensors: Sequence[Tensor],
    ) -> Tensor:
        shapes = tuple(tuple(tensor.shape()) for tensor in tensors)
        program = self._programs.get((key, shapes))
        if program is None:
            graph = Graph(self._dtype)
            inputs = [graph.input(f"v{i}", shape) for i, shape in enumerate(shapes)]
            model = graph.model({"result": build(GraphKernels(graph), inputs)})
            program = self._programs[key, shapes] = Program(model, self._device, threads=1)
        return program({f"v{i}": tensor for i, tensor in enumerate(tensors)})["result"]


def to_host(tensor: Tensor) -> HostArray:
    """The tensor's numbers; on the CPU a view."""
    array: HostArray = tensor.numpy()
    return array


def to_device(array: HostArray, device: str) -> Tensor:
    """On the CPU the result is a view of `array`, which must be nobody else's."""
    return ort.OrtValue.ortvalue_from_numpy(array, *parse_device(device))


def _providers(device: str) -> list[Any]:
    kind, index = parse_device(device)
    cuda = [("CUDAExecutionProvider", {"device_id": index, "use_tf32": 0})] if kind == "cuda" else []
    return [*cuda, "CPUExecutionProvider"]
