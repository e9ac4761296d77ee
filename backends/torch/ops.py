"""The primitives in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nst.backends.operators import OperatorOps
from nst.protocol import Axis, PadMode

HALF = (torch.bfloat16, torch.float16)

STRIP = 8192
"""Positions of a map in half precision that are widened at once: they stay in the processor's cache."""


class _Gram(torch.autograd.Function):  # type: ignore[misc]
    """F^T F of (N, M, C). One product takes the gradient back, where autograd makes one for each factor.

    Of maps in half precision it is summed in float32, as of any others. The gradient of maps in bfloat16 is a product
    in bfloat16, which it is going to be rounded to anyway.
    """

    @staticmethod
    def forward(ctx: Any, flat: Tensor) -> Tensor:
        ctx.save_for_backward(flat)
        if flat.dtype not in HALF:
            return flat.transpose(1, 2) @ flat
        number, positions, channels = flat.shape
        total = torch.zeros((number, channels, channels), dtype=torch.float32, device=flat.device)
        for part in flat.split(STRIP if flat.device.type == "cpu" else positions, 1):
            wide = part.float()
            total.baddbmm_(wide.transpose(1, 2), wide)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (flat,) = ctx.saved_tensors
        both = gradient + gradient.transpose(1, 2)
        if flat.dtype == torch.float16:  # whose range is too small for them
            return (flat.float() @ both).to(flat.dtype)
        return flat @ both.to(flat.dtype)


class TorchOps(OperatorOps):
    """See `nst.protocol.Ops`. Maps may be in half precision: all but `gram` and `modulate` widen them."""

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

    def modulate(self, x: Tensor, mask: Tensor) -> Tensor:
        """Maps in half precision stay so where the mask loses nothing by it, as one of 0 and 1."""
        if x.dtype in HALF and x.device.type == "cpu":  # elsewhere the comparison would wait for the device
            half = mask.to(x.dtype)
            if torch.equal(half.float(), mask.float()):
                return x * half
        return (x.float() if x.dtype in HALF else x) * mask

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


def _widening(method: Callable[..., Tensor]) -> Callable[..., Tensor]:
    @wraps(method)
    def widened(self: TorchOps, *arguments: Any, **named: Any) -> Tensor:
        wide = (a.float() if isinstance(a, Tensor) and a.dtype in HALF else a for a in arguments)
        return method(self, *wide, **named)

    return widened


for name in dir(TorchOps):
    if not name.startswith("_") and name not in ("gram", "modulate"):
        setattr(TorchOps, name, _widening(getattr(TorchOps, name)))
