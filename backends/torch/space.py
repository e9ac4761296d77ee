"""The optimiser's arithmetic on tensors."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nst.backends.frequencies import cosine_filter

SLAB = {torch.float32: 2**18, torch.float64: 2**14}
"""Products of so many numbers are added in the working precision, and their sums in float64."""


class TorchSpace:
    """See `nst.protocol.VectorSpace`; `dtype` is that of the sums, whatever the vectors are kept in."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype

    def dots(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> NDArray[np.float64]:
        return self.scalars([torch.sum(a.to(self._dtype) * b) for a, b in pairs])

    def scalars(self, values: Sequence[Tensor]) -> NDArray[np.float64]:
        stacked: NDArray[np.float64] = torch.stack(list(values)).cpu().double().numpy()
        return stacked

    def lincomb(self, coefficients: Sequence[float], vectors: Sequence[Tensor]) -> Tensor:
        total = coefficients[0] * vectors[0].to(self._dtype)
        for coefficient, vector in zip(coefficients[1:], vectors[1:], strict=True):
            total.add_(vector, alpha=coefficient)
        return total

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b

    def whiten(self, a: Tensor, b: Tensor, epsilon: float) -> Tensor:
        return a / b.sqrt().add_(epsilon)

    def clip(self, a: Tensor, low: float, high: float) -> Tensor:
        return a.clamp(low, high)

    def smooth(self, a: Tensor, power: float) -> Tensor:
        rows, columns, gains = _cosine_filter(*a.shape[2:], power, self._dtype, a.device)
        with _exact(a):
            return a + rows.T @ (gains * (rows @ a @ columns.T)) @ columns

    def crop(self, a: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
        window = a[:, :, top : top + height, left : left + width]
        return window.clone(memory_format=torch.channels_last)

    def paste(self, total: Tensor, tile: Tensor, top: int, left: int) -> Tensor:
        height, width = tile.shape[2:]
        total[:, :, top : top + height, left : left + width] += tile
        return total

    def stack(self, rows: int, like: Tensor, half: bool) -> Tensor:
        layout = torch.channels_last if like.ndim == 4 else torch.contiguous_format
        dtype = torch.float16 if half else self._dtype
        with torch.inference_mode(False):  # autograd takes it, whatever mode the caller is in
            empty = torch.empty(
                (rows, *like.shape[1:]), dtype=dtype, device=like.device, memory_format=layout
            )
            return empty.zero_()

    def put(self, stack: Tensor, row: int, vector: Tensor, factor: float) -> Tensor:
        stack[row : row + 1] = factor * vector
        return stack

    def products(self, stack: Tensor, vectors: Sequence[Tensor]) -> NDArray[np.float64]:
        columns = torch.cat([_rows(vector) for vector in vectors])
        slab = SLAB[self._dtype]
        slabs = zip(_rows(stack).split(slab, 1), columns.split(slab, 1), strict=True)
        with _exact(stack):
            parts = [torch.cat([old.to(self._dtype) @ new.T, new @ new.T]) for old, new in slabs]
        total: NDArray[np.float64] = torch.stack(parts).cpu().double().sum(0).numpy()
        return total

    def combine(self, coefficients: Sequence[float], stack: Tensor) -> Tensor:
        if stack.dtype != self._dtype:
            return self.lincomb(coefficients, stack.split(1))
        factors = torch.tensor([list(coefficients)], dtype=self._dtype, device=stack.device)
        with _exact(stack):
            found = factors @ _rows(stack)
        if stack.ndim != 4:
            return found.view(1, *stack.shape[1:])
        _, channels, height, width = stack.shape
        return found.view(1, height, width, channels).permute(0, 3, 1, 2)


@lru_cache(maxsize=8)
def _cosine_filter(
    height: int, width: int, power: float, dtype: torch.dtype, device: torch.device
) -> list[Tensor]:
    return [torch.from_numpy(array).to(device, dtype) for array in cosine_filter(height, width, power)]


def _exact(stack: Tensor) -> AbstractContextManager[None]:
    """Matrix products are in their own precision, whatever autocast region the caller is in."""
    region: AbstractContextManager[None] = torch.autocast(stack.device.type, enabled=False)
    return region


def _rows(stack: Tensor) -> Tensor:
    """(N, C, H, W) as a matrix (N, C H W), without a copy where it is laid out channels last."""
    return (stack.permute(0, 2, 3, 1) if stack.ndim == 4 else stack).flatten(1)
