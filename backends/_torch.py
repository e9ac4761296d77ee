"""PyTorch: the network is a `torch.nn.Module`, gradients come from `torch.autograd.grad`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nst.backends._select import parse_device, require_dtype
from nst.errors import BackendError
from nst.models import vgg
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Axis, Capabilities, Evaluation, HostArray, LossFunction, Ops, TensorFunction

__all__ = ["VGG19", "TorchBackend"]

DTYPES = {"float32": torch.float32, "float64": torch.float64}


class VGG19(nn.Module):  # type: ignore[misc]  # torch is not followed by the type checker
    """VGG19 down to the deepest of `layers`, a plain module that works without nst.

    `forward` takes pictures (N, 3, H, W) in sRGB [0, 1] and returns a dictionary of feature maps by layer
    name, after the ReLU. The parameters are frozen and named conv1_1.weight, conv1_1.bias, ...
    """

    def __init__(self, weights: NetworkWeights, layers: Sequence[str], pooling: Pooling = "avg") -> None:
        super().__init__()
        self.layers = tuple(layers)
        factor, shift = (torch.from_numpy(array).reshape(1, 3, 1, 1) for array in weights.input_affine)
        self.register_buffer("input_factor", factor)
        self.register_buffer("input_shift", shift)
        for layer in vgg.layers_up_to(layers):
            if isinstance(layer, vgg.Pool):
                self.add_module(layer.name, nn.AvgPool2d(2) if pooling == "avg" else nn.MaxPool2d(2))
                continue
            weight, bias = weights.convolutions[layer.name]
            convolution = nn.utils.skip_init(nn.Conv2d, weight.shape[1], weight.shape[0], 3, padding=1)
            convolution.weight.data = torch.from_numpy(weight.copy())
            convolution.bias.data = torch.from_numpy(bias.copy())
            self.add_module(layer.name, convolution)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = x * self.input_factor + self.input_shift
        features = {}
        for name, module in self.named_children():
            x = module(x)
            if isinstance(module, nn.Conv2d):
                x = functional.relu(x)
            if name in self.layers:
                features[name] = x
        return features


class TorchOps:
    """See `nst.protocol.Ops`."""

    def affine(self, x: Tensor, factor: Tensor, shift: Tensor) -> Tensor:
        return x * factor[:, None, None] + shift[:, None, None]

    def conv2d(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return functional.conv2d(x, weight, bias, padding=1)

    def relu(self, x: Tensor) -> Tensor:
        return functional.relu(x)

    def max_pool(self, x: Tensor) -> Tensor:
        return functional.max_pool2d(x, 2)

    def avg_pool(self, x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, 2)

    def gram(self, features: Tensor) -> Tensor:
        flat = features.movedim(1, 3).flatten(1, 2)  # (N, M, C): a view, channels being last in memory
        return flat.transpose(1, 2) @ flat

    def channel_sum(self, features: Tensor) -> Tensor:
        return features.sum((2, 3))

    def diff(self, x: Tensor, axis: Axis) -> Tensor:
        return torch.diff(x, dim=2 if axis == "height" else 3)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b

    def sub(self, a: Tensor, b: Tensor) -> Tensor:
        return a - b

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b

    def scale(self, a: Tensor, factor: float) -> Tensor:
        return a * factor

    def square(self, a: Tensor) -> Tensor:
        return a.square()

    def abs(self, a: Tensor) -> Tensor:
        return a.abs()

    def sum(self, a: Tensor) -> Tensor:
        return a.sum()


class TorchSpace:
    """See `nst.protocol.VectorSpace`."""

    def dots(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> NDArray[np.float64]:
        return self.scalars([torch.sum(a * b) for a, b in pairs])

    def scalars(self, values: Sequence[Tensor]) -> NDArray[np.float64]:
        stacked: NDArray[np.float64] = torch.stack(list(values)).double().cpu().numpy()
        return stacked

    def lincomb(self, coefficients: Sequence[float], vectors: Sequence[Tensor]) -> Tensor:
        total = coefficients[0] * vectors[0]
        for coefficient, vector in zip(coefficients[1:], vectors[1:], strict=True):
            total.add_(vector, alpha=coefficient)
        return total

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b

    def whiten(self, a: Tensor, b: Tensor, epsilon: float) -> Tensor:
        return a / b.sqrt().add_(epsilon)

    def clip(self, a: Tensor, low: float, high: float) -> Tensor:
        return a.clamp(low, high)


class TorchNetwork:
    """See `nst.protocol.Network`; `native` is a `VGG19` module."""

    def __init__(self, native: VGG19) -> None:
        self.native = native

    def __call__(self, ops: Ops[Tensor], x: Tensor) -> dict[str, Tensor]:
        features: dict[str, Tensor] = self.native(x)
        return features


class TorchObjective:
    """See `nst.protocol.Objective`. Uses `autograd.grad`, so that nobody's `.grad` changes."""

    def __init__(self, function: LossFunction[Tensor], ops: TorchOps) -> None:
        self._function = function
        self._ops = ops

    def __call__(self, x: Tensor, constants: Mapping[str, Tensor]) -> Evaluation[Tensor]:
        variable = x.detach().requires_grad_()
        with torch.enable_grad():
            total, terms = self._function(self._ops, variable, constants)
            (gradient,) = torch.autograd.grad(total, variable)
        return Evaluation(total.detach(), {name: term.detach() for name, term in terms.items()}, gradient)


class TorchBackend:
    """See `nst.protocol.Backend`."""

    name = "torch"
    capabilities = Capabilities(
        dtypes=("float32", "float64"), devices=("cpu", "cuda", "mps"), deterministic=True
    )
    ops = TorchOps()
    space = TorchSpace()

    def __init__(self, device: str = "auto", dtype: str | None = None) -> None:
        self.device = _choose_device(device)
        self.dtype = require_dtype(self.name, self.capabilities, dtype)
        if self.dtype == "float64" and self.device == "mps":
            raise BackendError("mps has no float64: use float32, or --device cpu")
        self._place = {"device": torch.device(self.device), "dtype": DTYPES[self.dtype]}

    @staticmethod
    def versions() -> dict[str, str]:
        return {"torch": torch.__version__}

    @staticmethod
    def available_devices() -> list[str]:
        devices = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        return [*devices, "mps"] if torch.backends.mps.is_available() else devices

    def from_numpy(self, array: HostArray) -> Tensor:
        tensor = torch.tensor(np.asarray(array, order="C"), **self._place)  # torch has no negative strides
        # cuDNN and oneDNN run channels-last convolutions without reordering
        return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor

    def to_numpy(self, tensor: Tensor) -> HostArray:
        array: HostArray = tensor.detach().cpu().contiguous().numpy()
        return array.copy()

    def network(self, weights: NetworkWeights, layers: Sequence[str], pooling: Pooling) -> TorchNetwork:
        weights.require(tuple(layers))
        module = VGG19(weights, layers, pooling)
        return TorchNetwork(module.to(**self._place, memory_format=torch.channels_last))

    def evaluate(
        self, function: TensorFunction[Tensor], x: Tensor, constants: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        with torch.no_grad():
            return function(self.ops, x, constants)

    def compile(
        self, function: LossFunction[Tensor], like: Tensor, constants: Mapping[str, Tensor]
    ) -> TorchObjective:
        return TorchObjective(function, self.ops)


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
