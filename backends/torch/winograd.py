"""3x3 convolutions on a CPU by Winograd's minimal filtering: F(4x4, 3x3), a quarter of the multiplications.

A tile of 6x6 numbers of the input gives 4x4 of the output,

    Y = A^T [ (G w G^T) * (B^T d B) ] A    (* element by element, summed over the input channels),

36 multiplications where the definition has 144 (Lavin and Gray 2016, *Fast Algorithms for Convolutional Neural
Networks*, eq. 8 and section 4.3). The sums over channels are 36 matrix products. In float32 the error is some five
times that of oneDNN's convolution and stays within the limits of the conformance suite.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["WinogradConv2d", "transformed", "winograd"]

NARROWEST = 128
"""Channels on either side below which the transforms cost more than they save."""

FEWEST = 12
"""Tiles: reading the filters, which are four times as large, costs more than it saves for fewer."""

STRIP = 8_000_000
"""Bytes of the tiles that are worked on at once: they stay in the processor's cache, and memory does not grow."""

B_T = (
    (4.0, 0.0, -5.0, 0.0, 1.0, 0.0),
    (0.0, -4.0, -4.0, 1.0, 1.0, 0.0),
    (0.0, 4.0, -4.0, -1.0, 1.0, 0.0),
    (0.0, -2.0, -1.0, 2.0, 1.0, 0.0),
    (0.0, 2.0, -1.0, -2.0, 1.0, 0.0),
    (0.0, 4.0, 0.0, -5.0, 0.0, 1.0),
)
G = (
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)
A_T = (
    (1.0, 1.0, 1.0, 1.0, 1.0, 0.0),
    (0.0, 1.0, -1.0, 2.0, -2.0, 0.0),
    (0.0, 1.0, 1.0, 4.0, 4.0, 0.0),
    (0.0, 1.0, -1.0, 8.0, -8.0, 1.0),
)


def transformed(weight: Tensor) -> Tensor:
    """G w G^T of filters (O, C, 3, 3) as 36 matrices (36, C, O)."""
    g = torch.tensor(G, dtype=weight.dtype)
    return torch.einsum("ij,ocjk,lk->ilco", g, weight, g).flatten(0, 1).contiguous()


def winograd(x: Tensor, filters: Tensor) -> Tensor:
    """The convolution of x (N, C, H, W) with one zero of padding a side; (N, O, H, W), channels last in memory.

    Args:
        x: on the CPU.
        filters: of `transformed`, of the same dtype.
    """
    number, channels, height, width = x.shape
    rows, columns, outputs = -(-height // 4), -(-width // 4), filters.shape[2]
    before, after = _both_axes(B_T, x.dtype), _both_axes(A_T, x.dtype)
    margins = (0, 0, 1, 4 * columns + 1 - width, 1, 4 * rows + 1 - height)
    padded = functional.pad(x.permute(0, 2, 3, 1), margins)
    result = torch.empty((number, height, width, outputs), dtype=x.dtype)
    strip = max(1, STRIP // (36 * x.element_size() * columns * max(channels, outputs)))
    for picture, whole in zip(padded, result, strict=True):
        for top in range(0, rows, strip):
            count = min(strip, rows - top)
            tiles = picture[4 * top : 4 * (top + count) + 2].unfold(0, 6, 4).unfold(1, 6, 4)
            tiles = before @ tiles.permute(3, 4, 0, 1, 2).reshape(36, -1)
            products = torch.bmm(tiles.view(36, count * columns, channels), filters)
            blocks = (after @ products.view(36, -1)).view(4, 4, count, columns, outputs)
            lines = blocks.permute(2, 0, 3, 1, 4).reshape(4 * count, 4 * columns, outputs)
            part = whole[4 * top : 4 * (top + count)]
            part.copy_(lines[: len(part), :width])
    return result.permute(0, 3, 1, 2)


class WinogradConv2d(nn.Conv2d):  # type: ignore[misc]
    """A frozen 3x3 convolution with one zero of padding, the same parameters and the same result up to rounding.

    Wherever Winograd does not apply (another device or dtype, filters that are trained, a module that is being compiled
    or exported, a small picture), it is an ordinary `nn.Conv2d`.
    """

    _kept: tuple[Any, Tensor, Tensor] | None = None

    @staticmethod
    def suits(convolution: nn.Conv2d) -> bool:
        """Whether there is anything to gain."""
        return min(convolution.in_channels, convolution.out_channels) >= NARROWEST

    @classmethod
    def like(cls, convolution: nn.Conv2d) -> WinogradConv2d:
        """With the very parameters of an ordinary one."""
        channels, outputs = convolution.in_channels, convolution.out_channels
        own: WinogradConv2d = nn.utils.skip_init(cls, channels, outputs, 3, padding=1)
        own.weight, own.bias = convolution.weight, convolution.bias
        return own

    def forward(self, x: Tensor) -> Tensor:
        if not self._applies(x):
            return super().forward(x)
        y: Tensor = _Convolution.apply(x, *self._filters())
        return y + self.bias.view(1, -1, 1, 1)

    def _applies(self, x: Tensor) -> bool:
        plain = x.device.type == "cpu" and x.dtype == self.weight.dtype == torch.float32
        frozen = not self.weight.requires_grad and not self.bias.requires_grad
        followed = torch.compiler.is_compiling()
        height, width = x.shape[2:]
        tiles = -(-height // 4) * -(-width // 4)
        fits = tiles >= FEWEST and 16 * tiles <= 1.5 * height * width
        return plain and frozen and not followed and fits

    def _filters(self) -> tuple[Tensor, Tensor]:
        """Transformed, for this convolution and for its adjoint: made once for as long as the weights are the same."""
        version = (self.weight.data_ptr(), self.weight._version)
        if self._kept is None or self._kept[0] != version:
            weight = self.weight.detach()
            turned = weight.flip(2, 3).transpose(0, 1)
            self._kept = version, transformed(weight), transformed(turned)
        return self._kept[1:]


class _Convolution(torch.autograd.Function):  # type: ignore[misc]
    """The adjoint of a convolution is a convolution with the turned filters; nothing of the input is kept for it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, filters: Tensor, turned: Tensor) -> Tensor:
        ctx.save_for_backward(filters, turned)
        return winograd(x, filters)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        filters, turned = ctx.saved_tensors
        return _Convolution.apply(gradient, turned, filters), None, None


def _both_axes(matrix: Any, dtype: torch.dtype) -> Tensor:
    """The transform of rows and columns of a tile as one matrix, on the tile's elements in row order."""
    one = torch.tensor(matrix, dtype=dtype)
    return torch.kron(one, one)
