"""The primitives in PyTorch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nst.backends.operators import OperatorOps
from nst.protocol import Axis, PadMode

__all__ = ["TorchOps"]


class _Gram(torch.autograd.Function):  # type: ignore[misc]
    """F^T F of (N, M, C). One product takes the gradient back, where autograd makes one for each factor."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor) -> Tensor:
        ctx.save_for_backward(flat)
        return flat.transpose(1, 2) @ flat

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (flat,) = ctx.saved_tensors
        return flat @ (gradient + gradient.transpose(1, 2))


class TorchOps(OperatorOps):
    """See `nst.protocol.Ops`."""

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
        gram: Tensor = _Gram.apply(flat)
        return gram

    def channel_sum(self, features: Tensor) -> Tensor:
        return features.sum((2, 3), keepdim=True)

    def pad(self, x: Tensor, margin: int, mode: PadMode) -> Tensor:
        return functional.pad(x, (margin,) * 4, mode)

    def transpose(self, a: Tensor) -> Tensor:
        return a.transpose(1, 2)

    def diff(self, x: Tensor, axis: Axis) -> Tensor:
        return torch.diff(x, dim=2 if axis == "height" else 3)

    def square(self, a: Tensor) -> Tensor:
        return a.square()

    def sqrt(self, a: Tensor) -> Tensor:
        return a.sqrt()

    def exp(self, a: Tensor) -> Tensor:
        return a.exp()

    def sum(self, a: Tensor) -> Tensor:
        return a.sum()
