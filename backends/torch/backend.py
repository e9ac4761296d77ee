"""PyTorch: the network is a `torch.nn.Module`, gradients come from `torch.autograd.grad`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock

import numpy as np
import torch
from torch import Tensor, nn

from nst.backends.rounding import layer_precision, round_filters
from nst.backends.selection import parse_device, require_dtype, require_precision
from nst.backends.torch.cuda_graphs import GraphedObjective, record_on_cuda
from nst.backends.torch.network import VGG, TorchNetwork
from nst.backends.torch.ops import TorchOps
from nst.backends.torch.space import TorchSpace
from nst.backends.torch.winograd import WinogradConv2d, offered
from nst.errors import BackendError
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Capabilities, Costs, Evaluation, HostArray, LossFunction, Objective, TensorFunction


class CudnnSettings:
    """cuDNN's settings while nst computes: algorithms are chosen by trying, and float32 is not rounded to TF32.

    They belong to the process, and several threads may compute, each on its GPU. The first thread that comes in sets
    that, the last one that goes out puts back what was there before.
    """

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._before = (False, True)

    def __enter__(self) -> None:
        cudnn = torch.backends.cudnn
        with self._lock:
            if self._inside == 0:
                self._before = (cudnn.benchmark, cudnn.allow_tf32)
                cudnn.benchmark, cudnn.allow_tf32 = True, False
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        cudnn = torch.backends.cudnn
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                cudnn.benchmark, cudnn.allow_tf32 = self._before


cudnn_settings = CudnnSettings()


DTYPES = {name: getattr(torch, name) for name in ("float64", "float32", "bfloat16", "float16")}


WINOGRAD = {
    # weights: here, in the module, transformed there and back (four times each) where a map is large enough, and one
    # layer's in float64 meanwhile
    "float32": Costs(300 * 2**20, 12.0, 2.5, 0.9, 1.0),
    "bfloat16": Costs(300 * 2**20, 6.5, 2.9, 0.9, 1.0),
}
"""With transformed filters for both directions, and their tiles, by precision."""


class TorchObjective:
    """See `nst.protocol.Objective`. Uses `autograd.grad`, so that nobody's `.grad` changes."""

    def __init__(self, function: LossFunction[Tensor], ops: TorchOps, device: str) -> None:
        self._function = function
        self._ops = ops
        self._device = device

    def __call__(self, x: Tensor, constants: Mapping[str, Tensor]) -> Evaluation[Tensor]:
        with torch.enable_grad(), _undisturbed(self._device):
            # the optimiser's arithmetic may run in the caller's inference mode, whose tensors have no gradient
            variable = (x.clone() if x.is_inference() else x.detach()).requires_grad_()
            total, terms = self._function(self._ops, variable, constants)
            (gradient,) = torch.autograd.grad(total, variable)
        # autograd may lay it out otherwise than `from_numpy`, and sums over another order have other last bits
        gradient = _laid_out(gradient)
        return Evaluation(total.detach(), {name: term.detach() for name, term in terms.items()}, gradient)


class TorchBackend:
    """See `nst.protocol.Backend`. `cuda_graphs`: record objectives on a CUDA device as CUDA graphs."""

    name = "torch"
    capabilities = Capabilities(
        dtypes=("float32", "float64"),
        precisions=("bfloat16", "float16"),
        devices=("cpu", "cuda", "mps"),
        deterministic=True,
        costs=Costs(300 * 2**20, 2.8, 2.3, 0.9, 1.0),
    )
    ops = TorchOps()

    def __init__(
        self,
        device: str = "auto",
        dtype: str | None = None,
        precision: str | None = None,
        *,
        cuda_graphs: bool = True,
    ) -> None:
        self.device = _choose_device(device)
        self.dtype = require_dtype(self.name, self.capabilities, dtype)
        self.precision = require_precision(self.name, self.capabilities, self.dtype, precision)
        if self.precision == "bfloat16" and self.device.startswith("cuda") and not _has_bfloat16(self.device):
            raise BackendError(f"{self.device} is too old for bfloat16: use precision fp16 or fp32")
        if self.dtype == "float64" and self.device == "mps":
            raise BackendError("mps has no float64: use float32, or --device cpu")
        self._winograd = self.device == "cpu" and offered(self.precision)
        if self._winograd:
            self.capabilities = replace(self.capabilities, costs=WINOGRAD[self.precision])
        self._place = {"device": torch.device(self.device), "dtype": DTYPES[self.dtype]}
        self.space = TorchSpace(DTYPES[self.dtype])
        self._graphs = cuda_graphs and self.device.startswith("cuda")

    @staticmethod
    def versions() -> dict[str, str]:
        return {"torch": torch.__version__}

    @staticmethod
    def available_devices() -> list[str]:
        devices = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        return [*devices, "mps"] if torch.backends.mps.is_available() else devices

    def from_numpy(self, array: HostArray) -> Tensor:
        with torch.inference_mode(False):
            # torch has no negative strides
            return _laid_out(torch.tensor(np.asarray(array, order="C"), **self._place))

    def to_numpy(self, tensor: Tensor) -> HostArray:
        array: HostArray = tensor.detach().contiguous().cpu().numpy()  # a GPU is quicker at laying it out
        return array.copy()

    @torch.inference_mode(False)  # type: ignore[untyped-decorator]
    def network(self, weights: NetworkWeights, layers: Sequence[str], pooling: Pooling) -> TorchNetwork:
        weights.require(tuple(layers))
        module = VGG(weights, layers, pooling).to(**self._place, memory_format=torch.channels_last)
        if self.precision != self.dtype:
            for name, child in module.named_children():
                if isinstance(child, nn.Conv2d):
                    filters = round_filters(weights.convolutions[name][0], self.precision)
                    child.weight.copy_(torch.from_numpy(filters))
                    child.to(DTYPES[layer_precision(name, self.dtype, self.precision)])
        if self._winograd:
            for name, child in list(module.named_children()):
                if isinstance(child, nn.Conv2d) and WinogradConv2d.suits(child):
                    setattr(module, name, WinogradConv2d.like(child))
        return TorchNetwork(module)

    def evaluate(
        self, function: TensorFunction[Tensor], x: Tensor, constants: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        with torch.no_grad(), _undisturbed(self.device):
            found = function(self.ops, x, constants)
            # feature maps may be in half precision
            return {name: tensor.to(DTYPES[self.dtype]) for name, tensor in found.items()}

    def compile(
        self, function: LossFunction[Tensor], like: Tensor, constants: Mapping[str, Tensor]
    ) -> Objective[Tensor]:
        objective = TorchObjective(function, self.ops, self.device)
        if not self._graphs:
            return objective
        return GraphedObjective(objective, lambda run: record_on_cuda(run, self.device))


def _laid_out(tensor: Tensor) -> Tensor:
    """Pictures and maps channels last, for which cuDNN and oneDNN need no reordering."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


@contextmanager
def _undisturbed(device: str) -> Iterator[None]:
    """Whatever the caller's inference mode and autocast say, the network computes in its own precision.

    On CUDA besides: the fastest algorithm for a shape is found by trying, and float32 is not rounded to TF32.
    """
    kind, _ = parse_device(device)
    with torch.inference_mode(False), torch.autocast(kind, enabled=False):
        if kind == "cuda":
            with cudnn_settings:
                yield
        else:
            yield


def _has_bfloat16(device: str) -> bool:
    newer: bool = torch.cuda.get_device_capability(device) >= (8, 0)  # the chips before Ampere emulate it
    return newer


def _choose_device(device: str) -> str:
    kind, index = parse_device(device)
    cuda, mps = torch.cuda.device_count(), torch.backends.mps.is_available()
    if kind == "auto":
        return "cuda:0" if cuda else "mps" if mps else "cpu"
    if kind == "cuda":
        if not cuda:
            raise BackendError(
                "torch sees no CUDA device: use --device cpu, or install a CUDA build of torch and a driver"
            )
        if index >= cuda:
            raise BackendError(f"torch sees {cuda} CUDA device(s), cuda:{index} is not there: use cuda:0")
        return f"cuda:{index}"
    if kind == "mps" and not mps:
        raise BackendError("torch sees no Apple GPU (mps): use --device cpu")
    return kind
