"""The primitives in PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nst.protocol import Axis, PadMode

__all__ = ["TorchOps"]


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
        return features.sum((2, 3), keepdim=True)

    def modulate(self, x: Tensor, mask: Tensor) -> Tensor:
        return x * mask

    def pad(self, x: Tensor, margin: int, mode: PadMode) -> Tensor:
        return functional.pad(x, (margin,) * 4, mode)

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b

    def transpose(self, a: Tensor) -> Tensor:
        return a.transpose(1, 2)

    def diff(self, x: Tensor, axis: Axis) -> Tensor:
        return torch.diff(x, dim=2 if axis == "height" else 3)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b

    def sub(self, a: Tensor, b: Tensor) -> Tensor:
        return a - b

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b

    def divide(self, a: Tensor, b: Tensor) -> Tensor:
        return a / b

    def scale(self, a: Tensor, factor: float) -> Tensor:
        return a * factor

    def scale_by(self, a: Tensor, factor: Tensor) -> Tensor:
        return a * factor

    def square(self, a: Tensor) -> Tensor:
        return a.square()

    def sqrt(self, a: Tensor) -> Tensor:
        return a.sqrt()

    def exp(self, a: Tensor) -> Tensor:
        return a.exp()

    def abs(self, a: Tensor) -> Tensor:
        return a.abs()

    def sum(self, a: Tensor) -> Tensor:
        return a.sum()
