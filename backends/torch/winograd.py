"""3x3 convolutions on a CPU by Winograd's minimal filtering, a quarter or four ninths of the multiplications.

F(4x4, 3x3): a tile of 6x6 numbers of the input gives 4x4 of the output,

    Y = A^T [ (G w G^T) * (B^T d B) ] A    (* element by element, summed over the input channels),

36 multiplications where the definition has 144 (Lavin and Gray 2016, *Fast Algorithms for Convolutional Neural
Networks*, eq. 8 and section 4.3). The sums over channels are 36 matrix products. In float32 the error is some five
times that of oneDNN's convolution and stays within the limits of the conformance suite.

In bfloat16 it is F(2x2, 3x3), 16 multiplications for 36 (section 4.1), with twice the error of oneDNN's convolution;
F(4x4, 3x3) would have eighteen times as much. Of a feature map that matters in the upper layers, through which
everything passes: the gradient of a picture that is nearly done is a small difference of large terms. So the forward
pass has it from conv4_2 on. The backward pass, whose error is one of that small difference, has it wherever it pays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Tiling:
    """F(m x m, 3x3) with m = `side`."""

    b: tuple[tuple[float, ...], ...]  # B^T, of the input
    g: tuple[tuple[float, ...], ...]  # G, of the filters
    a: tuple[tuple[float, ...], ...]  # A^T, of the products
    narrowest: int  # input times output channels, below which the transforms cost more than they save
    fewest: int  # positions of a map, below which the filters, which are larger, cost more than they save

    @property
    def side(self) -> int:
        """Of a tile's output."""
        return len(self.a)

    @property
    def square(self) -> int:
        """Multiplications a tile."""
        return len(self.b) ** 2

    def suits(self, channels: int, outputs: int) -> bool:
        """Whether a convolution is wide enough."""
        return channels * outputs >= self.narrowest

    def pays(self, height: int, width: int) -> bool:
        """Whether a map is large enough, and most of its tiles are full."""
        covered = -(-height // self.side) * -(-width // self.side) * self.side**2
        return self.fewest <= covered <= 1.5 * height * width


F2 = Tiling(
    b=((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
    g=((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
    a=((1, 1, 1, 0), (0, 1, -1, -1)),
    narrowest=128 * 256,
    fewest=400,
)
F4 = Tiling(
    b=(
        (4, 0, -5, 0, 1, 0),
        (0, -4, -4, 1, 1, 0),
        (0, 4, -4, -1, 1, 0),
        (0, -2, -1, 2, 1, 0),
        (0, 2, -1, -2, 1, 0),
        (0, 4, 0, -5, 0, 1),
    ),
    g=(
        (1 / 4, 0, 0),
        (-1 / 6, -1 / 6, -1 / 6),
        (-1 / 6, 1 / 6, -1 / 6),
        (1 / 24, 1 / 12, 1 / 6),
        (1 / 24, -1 / 12, 1 / 6),
        (0, 0, 1),
    ),
    a=((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1)),
    narrowest=128 * 128,
    fewest=192,
)
FORWARD = {torch.bfloat16: replace(F2, narrowest=512 * 512), torch.float32: F4}
BACK = {torch.bfloat16: F2, torch.float32: F4}  # by the type of the filters

TILINGS = {tiling.square: tiling for tiling in (F2, F4)}
"""By the number of multiplications, which is that of a convolution's matrices."""

STRIP = (2_000_000, 8_000_000)
"""Bytes of the tiles that are worked on at once, least and most: they stay in the processor's cache beside the filters,
whose size they have, and memory does not grow."""


def transformed(weight: Tensor, tiling: Tiling) -> Tensor:
    """G w G^T of filters (O, C, 3, 3) as matrices (36 or 16, C, O)."""
    both = _both_axes(tiling.g, torch.float64).to(weight.device)
    made = both @ weight.double().permute(2, 3, 1, 0).reshape(9, -1)
    return made.to(weight.dtype).view(tiling.square, weight.shape[1], weight.shape[0])


def winograd(x: Tensor, filters: Tensor, bias: Tensor | None = None) -> Tensor:
    """The convolution of x (N, C, H, W) with one zero of padding a side; (N, O, H, W), channels last in memory.

    On the CPU; the filters are those of `transformed`, of the same dtype.
    """
    number, channels, height, width = x.shape
    square = len(filters)
    tiling = TILINGS[square]
    side = tiling.side
    rows, columns, outputs = -(-height // side), -(-width // side), filters.shape[2]
    before, after = _both_axes(tiling.b, x.dtype), _both_axes(tiling.a, x.dtype)
    margins = (0, 0, 1, side * columns + 1 - width, 1, side * rows + 1 - height)
    padded = functional.pad(x.permute(0, 2, 3, 1), margins)
    # no view of another tensor, which autograd lets nobody change in place
    like = {"dtype": x.dtype, "device": x.device, "memory_format": torch.channels_last}
    result = torch.empty((number, outputs, height, width), **like)
    least, most = STRIP
    wanted = min(most, max(least, filters.nbytes))
    strip = max(1, wanted // (square * x.element_size() * columns * max(channels, outputs)))
    for picture, whole in zip(padded, result.permute(0, 2, 3, 1), strict=True):
        for top in range(0, rows, strip):
            count = min(strip, rows - top)
            lines = picture[side * top : side * (top + count) + 2]
            tiles = lines.unfold(0, side + 2, side).unfold(1, side + 2, side)
            tiles = before @ tiles.permute(3, 4, 0, 1, 2).reshape(square, -1)
            products = torch.bmm(tiles.view(square, count * columns, channels), filters)
            blocks = (after @ products.view(square, -1)).view(side, side, count, columns, outputs)
            lines = blocks.permute(2, 0, 3, 1, 4).reshape(side * count, side * columns, outputs)
            part = whole[side * top : side * (top + count)]
            lines = lines[: len(part), :width]
            if bias is None:
                part.copy_(lines)
            else:
                torch.add(lines, bias, out=part)
    return result


def offered(precision: str) -> bool:
    """Whether this processor gains by it in "float32", "bfloat16", ...

    In bfloat16 it does if it multiplies vectors of it; a matrix unit (AMX) leaves too little to save.
    """
    if precision != "bfloat16":
        return precision == "float32"
    vectors, matrices = (
        getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile")
    )
    return bool(vectors and matrices and vectors() and not matrices())


class WinogradConv2d(nn.Conv2d):  # type: ignore[misc]
    """A frozen 3x3 convolution with one zero of padding, the same parameters and the same result up to rounding.

    Wherever Winograd does not apply (another device or dtype, filters that are trained, a module that is being compiled
    or exported, a small picture), it is an ordinary `nn.Conv2d`.
    """

    _kept: tuple[Any, dict[bool, Tensor]] | None = None

    @staticmethod
    def suits(convolution: nn.Conv2d) -> bool:
        """Whether there is anything to gain, where it is `offered`."""
        channels, outputs = convolution.in_channels, convolution.out_channels
        tilings = (by_type.get(convolution.weight.dtype) for by_type in (FORWARD, BACK))
        return any(tiling is not None and tiling.suits(channels, outputs) for tiling in tilings)

    @classmethod
    def like(cls, convolution: nn.Conv2d) -> WinogradConv2d:
        """With the very parameters of an ordinary one."""
        channels, outputs = convolution.in_channels, convolution.out_channels
        own: WinogradConv2d = nn.utils.skip_init(cls, channels, outputs, 3, padding=1)
        own.weight, own.bias = convolution.weight, convolution.bias
        return own

    def forward(self, x: Tensor) -> Tensor:
        if self._applies(x):
            there, back = self._way(x, FORWARD, False), self._way(x, BACK, True)
            if there.filters is not None or back.filters is not None:
                y: Tensor = _Convolution.apply(x, there, back, self.bias)
                return y
        return super().forward(x)

    def _applies(self, x: Tensor) -> bool:
        plain = x.device.type == "cpu" and x.dtype == self.weight.dtype and x.dtype in FORWARD
        frozen = not self.weight.requires_grad and not self.bias.requires_grad
        return plain and frozen and not torch.compiler.is_compiling()

    def _way(self, x: Tensor, tilings: Mapping[torch.dtype, Tiling], turned: bool) -> Way:
        """Forward or the adjoint; filters are transformed when a map is large enough, once for the same weights."""
        weight, tiling = self.weight.detach(), tilings[x.dtype]
        if not (tiling.suits(*weight.shape[:2]) and tiling.pays(*x.shape[2:])):
            return Way(weight, turned, None)
        version = (weight.data_ptr(), weight._version)
        if self._kept is None or self._kept[0] != version:
            self._kept = version, {}
        kept = self._kept[1]
        if turned not in kept:
            kept[turned] = transformed(_turned(weight) if turned else weight, tiling)
        return Way(weight, turned, kept[turned])


class Way(NamedTuple):
    """A convolution, or its adjoint, which is a convolution with the turned filters."""

    weight: Tensor  # (O, C, 3, 3) of the convolution
    turned: bool  # it is the adjoint
    filters: Tensor | None  # transformed; None where the definition is as quick

    def __call__(self, x: Tensor, bias: Tensor | None) -> Tensor:
        if self.filters is not None:
            return winograd(x, self.filters, bias)
        return functional.conv2d(x, _turned(self.weight) if self.turned else self.weight, bias, padding=1)


class _Convolution(torch.autograd.Function):  # type: ignore[misc]
    """Nothing of the input is kept for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, there: Way, back: Way, bias: Tensor | None) -> Tensor:
        ctx.ways = there, back
        return there(x, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        there, back = ctx.ways
        return _Convolution.apply(gradient, back, there, None), None, None, None


def _turned(weight: Tensor) -> Tensor:
    return weight.flip(2, 3).transpose(0, 1)


def _both_axes(matrix: Any, dtype: torch.dtype) -> Tensor:
    """The transform of rows and columns of a tile as one matrix, on the tile's elements in row order."""
    one = torch.tensor(matrix, dtype=dtype, device="cpu")  # whatever the default is
    return torch.kron(one, one)
