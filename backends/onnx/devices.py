"""Which devices ONNX Runtime can use here, and what works on them."""

from __future__ import annotations

import ctypes

import numpy as np
import onnxruntime as ort

from nst.backends.onnx.graph import Graph
from nst.backends.onnx.kernels import GraphKernels
from nst.backends.onnx.program import Program
from nst.backends.selection import parse_device
from nst.errors import BackendError


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
