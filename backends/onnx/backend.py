"""ONNX Runtime: forward and backward pass as one ONNX graph, tensors as `OrtValue` on a device that works here."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import onnx
import onnxruntime as ort

from nst.backends.onnx.graph import Graph, Value
from nst.backends.onnx.kernels import GraphKernels
from nst.backends.onnx.network import OnnxNetwork
from nst.backends.onnx.program import Program, Tensor, to_device, to_host
from nst.backends.onnx.space import OnnxSpace
from nst.backends.selection import parse_device, require_dtype, require_precision
from nst.backends.tape import Node, TapeOps
from nst.errors import BackendError
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Capabilities, Costs, Evaluation, HostArray, LossFunction, TensorFunction


def cuda_devices() -> list[str]:
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


def choose_device(device: str) -> str:
    """What a request for a device means here: "cpu" or "cuda:N".

    BackendError: no such device, or its libraries do not load.
    """
    kind, index = parse_device(device)
    if kind == "mps":
        raise BackendError("backend onnx has no mps device: use --device cpu, or --backend torch")
    found = cuda_devices() if kind in ("auto", "cuda") else []
    if kind == "cuda" and f"cuda:{index}" not in found:
        raise BackendError(
            f"ONNX Runtime sees no device cuda:{index}: "
            "use --device cpu, or install onnxruntime-gpu and an NVIDIA driver"
        )
    if not found:
        return "cpu"
    wanted = f"cuda:{index}" if kind == "cuda" else found[0]
    if _cuda_works(wanted):
        return wanted
    if kind == "auto":
        return "cpu"
    raise BackendError(
        f"ONNX Runtime cannot use {wanted}: its CUDA and cuDNN libraries do not load; "
        "pip install 'onnxruntime-gpu[cuda,cudnn]', or use --device cpu"
    )


def _cuda_works(device: str) -> bool:
    if hasattr(ort, "preload_dlls"):  # finds the libraries that PyTorch or the nvidia packages bring
        ort.preload_dlls()
    graph = Graph("float32")
    text = graph.text({"y": GraphKernels(graph).relu(graph.input("x", (1,)))})
    return "CUDAExecutionProvider" in Program(text, device).session.get_providers()


def convolves(precision: str, device: str) -> bool:
    """Whether ONNX Runtime has a convolution in that data type on the device."""
    graph = Graph("float32")
    try:
        weight, bias = (
            graph.initializer(str(shape), np.zeros(shape, precision)) for shape in ((8, 8, 3, 3), (8,))
        )
        y = GraphKernels(graph).conv2d(graph.input("x", (1, 8, 4, 4)), weight, bias)
        Program(graph.text({"y": y}), device)
    except Exception:  # whatever numpy, onnx or ONNX Runtime raise for a type that they do not know
        return False
    return True


# a graph has one name space: the prefixes keep the caller's names apart from ours and from each other
TOTAL, GRADIENT, TERM, CONSTANT, OUTPUT = "total", "gradient", "term ", "constant ", "output "


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
    capabilities = Capabilities(
        dtypes=("float32",),
        precisions=("bfloat16", "float16"),
        devices=("cpu", "cuda"),
        deterministic=True,
        # weights: one here; as they came and packed, in the program of the targets and, both ways, in the objective
        costs=Costs(95 * 2**20, 8.0, 2.5, 1.4, 2.1, coarser=3.0),
    )

    def __init__(self, device: str = "auto", dtype: str | None = None, precision: str | None = None) -> None:
        self.device = choose_device(device)
        self.dtype = require_dtype(self.name, self.capabilities, dtype)
        self.precision = require_precision(self.name, self.capabilities, self.dtype, precision)
        if self.precision == "bfloat16" and not convolves(self.precision, self.device):
            raise BackendError(
                f"ONNX Runtime {ort.__version__} has no bfloat16 convolution on {self.device}: "
                "use precision fp16 or fp32"
            )
        self.space = OnnxSpace(self.device, self.dtype)
        # compiled `evaluate`s, for as long as their functions live: a tiled objective calls one for every window
        self._programs: WeakKeyDictionary[Any, dict[Any, Program]] = WeakKeyDictionary()

    @staticmethod
    def versions() -> dict[str, str]:
        return {"onnxruntime": ort.__version__, "onnx": onnx.__version__}

    @staticmethod
    def available_devices() -> list[str]:
        return ["cpu", *cuda_devices()]

    def from_numpy(self, array: HostArray) -> Tensor:
        return to_device(np.array(array, self.dtype, order="C"), self.device)

    def to_numpy(self, tensor: Tensor) -> HostArray:
        return to_host(tensor).copy()

    def network(self, weights: NetworkWeights, layers: Sequence[str], pooling: Pooling) -> OnnxNetwork:
        weights.require(tuple(layers))
        return OnnxNetwork(weights, layers, pooling, self.dtype, self.precision)

    def evaluate(
        self, function: TensorFunction[Any], x: Tensor, constants: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        shapes = tuple((name, tuple(t.shape())) for name, t in {"x": x, **constants}.items())
        programs = self._programs.setdefault(function, {})
        if shapes not in programs:
            programs[shapes] = self._program(function, x, constants)
        results = programs[shapes](_feeds(x, constants))
        return {name.removeprefix(OUTPUT): value for name, value in results.items()}

    def _program(self, function: TensorFunction[Any], x: Tensor, constants: Mapping[str, Tensor]) -> Program:
        graph = Graph(self.dtype)
        ops = TapeOps(GraphKernels(graph))
        variable = ops.constant(graph.input("x", x.shape()))
        outputs = function(ops, variable, _inputs(ops, graph, constants))
        text = graph.text({OUTPUT + name: node.value for name, node in outputs.items()})
        return Program(text, self.device)

    def compile(
        self, function: LossFunction[Any], like: Tensor, constants: Mapping[str, Tensor]
    ) -> OnnxObjective:
        graph = Graph(self.dtype)
        ops = TapeOps(GraphKernels(graph))
        variable = ops.variable(graph.input("x", like.shape()))
        total, terms = function(ops, variable, _inputs(ops, graph, constants))
        outputs = {TERM + name: term.value for name, term in terms.items()}
        outputs |= {TOTAL: total.value, GRADIENT: ops.gradient(total, variable)}
        return OnnxObjective(Program(graph.text(outputs), self.device), list(terms))


def _inputs(ops: TapeOps[Value], graph: Graph, constants: Mapping[str, Tensor]) -> dict[str, Node[Value]]:
    return {
        name: ops.constant(graph.input(CONSTANT + name, value.shape())) for name, value in constants.items()
    }


def _feeds(x: Tensor, constants: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {"x": x, **{CONSTANT + name: value for name, value in constants.items()}}
