"""ONNX Runtime: forward and backward pass as one ONNX graph, tensors as `OrtValue` on the device."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from nst.backends._onnx_graph import GraphKernels, Value, make_model
from nst.backends._select import parse_device, require_dtype
from nst.backends._vgg import vgg_features
from nst.errors import BackendError
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Capabilities, Evaluation, HostArray, LossFunction, TensorFunction
from nst.tape import Node, TapeOps

__all__ = ["OnnxBackend"]

Tensor = Any  # onnxruntime.OrtValue
# a graph has one name space: the prefixes keep the caller's names apart from ours and from each other
TOTAL, GRADIENT, TERM, CONSTANT, OUTPUT = "total", "gradient", "term ", "constant ", "output "


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
        # the CPU arena grows by doubling: a third more memory at 512x384, for no time saved
        options.enable_cpu_mem_arena = False
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
            products = [kernels.sum(kernels.multiply(vectors[i], vectors[j])) for i, j in indices]
            return kernels.stack(products)

        return _host(self._run(("dots", indices), build, distinct)).astype(np.float64)

    def scalars(self, values: Sequence[Tensor]) -> NDArray[np.float64]:
        return np.array([_host(value) for value in values], np.float64)

    def lincomb(self, coefficients: Sequence[float], vectors: Sequence[Tensor]) -> Tensor:
        def build(kernels: GraphKernels, values: list[Value]) -> Value:
            *terms, factors = values
            total: Value | None = None
            for i, vector in enumerate(terms):
                part = kernels.multiply(vector, kernels.element(factors, i))
                total = part if total is None else kernels.add(total, part)
            assert total is not None
            return total

        factors = self._tensor(np.array(coefficients))
        return self._run(("lincomb", len(vectors)), build, [*vectors, factors])

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return self._run(("multiply",), lambda kernels, v: kernels.multiply(v[0], v[1]), [a, b])

    def whiten(self, a: Tensor, b: Tensor, epsilon: float) -> Tensor:
        return self._run(("whiten", epsilon), lambda kernels, v: kernels.whiten(v[0], v[1], epsilon), [a, b])

    def clip(self, a: Tensor, low: float, high: float) -> Tensor:
        return self._run(("clip", low, high), lambda kernels, v: kernels.clip(v[0], low, high), [a])

    def _tensor(self, array: HostArray) -> Tensor:
        return _to_device(array.astype(self._dtype), self._device)

    def _run(
        self,
        key: tuple[Any, ...],
        build: Callable[[GraphKernels, list[Value]], Value],
        tensors: Sequence[Tensor],
    ) -> Tensor:
        shapes = tuple(tuple(tensor.shape()) for tensor in tensors)
        program = self._programs.get((key, shapes))
        if program is None:
            kernels = GraphKernels(self._dtype)
            inputs = [kernels.input(f"v{i}", shape) for i, shape in enumerate(shapes)]
            model = make_model(kernels, {"result": build(kernels, inputs)})
            program = self._programs[key, shapes] = Program(model, self._device, threads=1)
        return program({f"v{i}": tensor for i, tensor in enumerate(tensors)})["result"]


class OnnxNetwork:
    """See `nst.protocol.Network`. The graph of an objective is built from the same nodes as `native`."""

    def __init__(
        self, weights: NetworkWeights, layers: Sequence[str], pooling: Pooling, dtype: str
    ) -> None:
        self._weights = weights
        self._layers = tuple(layers)
        self._pooling: Pooling = pooling
        self._dtype = dtype

    def __call__(self, ops: Any, x: Node[Value]) -> dict[str, Node[Value]]:
        kernels = ops.kernels
        assert isinstance(kernels, GraphKernels)

        def constant(name: str, array: NDArray[np.float32]) -> Node[Value]:
            return ops.constant(kernels.initializer(name, array.astype(self._dtype)))

        return vgg_features(ops, x, self._weights, self._layers, self._pooling, constant)

    @cached_property
    def native(self) -> onnx.ModelProto:
        """The network as an ONNX model: input `x` (N, 3, H, W) in sRGB [0, 1], one output a layer."""
        kernels = GraphKernels(self._dtype)
        ops: TapeOps[Value] = TapeOps(kernels)
        x = ops.constant(kernels.input("x", (1, 3, 256, 256)))
        outputs = {name: node.value for name, node in self(ops, x).items()}
        return make_model(kernels, outputs, any_size=True)


class OnnxObjective:
    """See `nst.protocol.Objective`."""

    def __init__(self, program: Program, terms: Sequence[str]) -> None:
        self._program = program
        self.session = program.session
        self._terms = tuple(terms)

    def __call__(self, x: Tensor, constants: Mapping[str, Tensor]) -> Evaluation[Tensor]:
        results = self._program(_feeds(x, constants))
        terms = {name: results[TERM + name] for name in self._terms}
        return Evaluation(results[TOTAL], terms, results[GRADIENT])


class OnnxBackend:
    """See `nst.protocol.Backend`."""

    name = "onnx"
    capabilities = Capabilities(dtypes=("float32",), devices=("cpu", "cuda"), deterministic=True)

    def __init__(self, device: str = "auto", dtype: str | None = None) -> None:
        self.device = _choose_device(device)
        self.dtype = require_dtype(self.name, self.capabilities, dtype)
        self.space = OnnxSpace(self.device, self.dtype)

    @staticmethod
    def versions() -> dict[str, str]:
        return {"onnxruntime": ort.__version__, "onnx": onnx.__version__}

    @staticmethod
    def available_devices() -> list[str]:
        return ["cpu", *_cuda_devices()]

    def from_numpy(self, array: HostArray) -> Tensor:
        return _to_device(np.array(array, self.dtype, order="C"), self.device)

    def to_numpy(self, tensor: Tensor) -> HostArray:
        return _host(tensor).copy()

    def network(self, weights: NetworkWeights, layers: Sequence[str], pooling: Pooling) -> OnnxNetwork:
        weights.require(tuple(layers))
        return OnnxNetwork(weights, layers, pooling, self.dtype)

    def evaluate(
        self, function: TensorFunction[Any], x: Tensor, constants: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        kernels = GraphKernels(self.dtype)
        ops = TapeOps(kernels)
        variable = ops.constant(kernels.input("x", x.shape()))
        outputs = function(ops, variable, _inputs(ops, kernels, constants))
        model = make_model(kernels, {OUTPUT + name: node.value for name, node in outputs.items()})
        results = Program(model, self.device)(_feeds(x, constants))
        return {name: results[OUTPUT + name] for name in outputs}

    def compile(
        self, function: LossFunction[Any], like: Tensor, constants: Mapping[str, Tensor]
    ) -> OnnxObjective:
        kernels = GraphKernels(self.dtype)
        ops = TapeOps(kernels)
        variable = ops.variable(kernels.input("x", like.shape()))
        total, terms = function(ops, variable, _inputs(ops, kernels, constants))
        outputs = {TERM + name: term.value for name, term in terms.items()}
        outputs |= {TOTAL: total.value, GRADIENT: ops.gradient(total, variable)}
        return OnnxObjective(Program(make_model(kernels, outputs), self.device), list(terms))


def _inputs(
    ops: TapeOps[Value], kernels: GraphKernels, constants: Mapping[str, Tensor]
) -> dict[str, Node[Value]]:
    return {
        name: ops.constant(kernels.input(CONSTANT + name, value.shape())) for name, value in constants.items()
    }


def _feeds(x: Tensor, constants: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {"x": x, **{CONSTANT + name: value for name, value in constants.items()}}


def _host(tensor: Tensor) -> HostArray:
    array: HostArray = tensor.numpy()
    return array


def _to_device(array: HostArray, device: str) -> Tensor:
    """On the CPU the result is a view of `array`, which must be nobody else's."""
    return ort.OrtValue.ortvalue_from_numpy(array, *parse_device(device))


def _providers(device: str) -> list[Any]:
    kind, index = parse_device(device)
    cuda = [("CUDAExecutionProvider", {"device_id": index, "use_tf32": 0})] if kind == "cuda" else []
    return [*cuda, "CPUExecutionProvider"]


def _cuda_devices() -> list[str]:
    """CUDA devices of the machine, if this build of ONNX Runtime has the provider at all.

    Asks the driver, since a session that fails to load CUDA falls back to the CPU and writes to stderr.
    """
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return []
    count = ctypes.c_int(0)
    for library in ("libcuda.so.1", "nvcuda.dll"):
        try:
            driver = ctypes.CDLL(library)
        except OSError:
            continue
        if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0:
            break
    return [f"cuda:{i}" for i in range(count.value)]


def _choose_device(device: str) -> str:
    kind, index = parse_device(device)
    if kind == "mps":
        raise BackendError("backend onnx has no mps device: use --device cpu, or --backend torch")
    found = _cuda_devices() if kind in ("auto", "cuda") else []
    if kind == "cuda" and f"cuda:{index}" not in found:
        raise BackendError(
            f"ONNX Runtime sees no device cuda:{index}: use --device cpu, or install onnxruntime-gpu and an NVIDIA driver"
        )
    if not found:
        return "cpu"
    wanted = f"cuda:{index}" if kind == "cuda" else found[0]
    if _cuda_works(wanted):
        return wanted
    if kind == "auto":
        return "cpu"
    raise BackendError(
        f"ONNX Runtime cannot use {wanted}: its CUDA and cuDNN libraries do not load; pip install 'onnxruntime-gpu[cuda,cudnn]'"
    )


def _cuda_works(device: str) -> bool:
    if hasattr(ort, "preload_dlls"):  # finds the libraries that PyTorch or the nvidia packages bring
        ort.preload_dlls()
    kernels = GraphKernels("float32")
    model = make_model(kernels, {"y": kernels.relu(kernels.input("x", (1,)))})
    return "CUDAExecutionProvider" in Program(model, device).session.get_providers()
