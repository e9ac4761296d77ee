"""The optimiser's arithmetic on tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["TorchSpace"]


class TorchSpace:
    """See `nst.protocol.VectorSpace`; `dtype` is that of the sums, whatever the vectors are kept in."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype

    def dots(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> NDArray[np.float64]:
        return self.scalars([torch.sum(a.to(self._dtype) * b) for a, b in pairs])

    def scalars(self, values: Sequence[Tensor]) -> NDArray[np.float64]:
        stacked: NDArray[np.float64] = torch.stack(list(values)).double().cpu().numpy()
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

    def crop(self, a: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
        window = a[:, :, top : top + height, left : left + width]
        return window.clone(memory_format=torch.channels_last)

    def paste(self, total: Tensor, tile: Tensor, top: int, left: int) -> Tensor:
        height, width = tile.shape[2:]
        total[:, :, top : top + height, left : left + width] += tile
        return total

    def half(self, a: Tensor) -> Tensor:
        return a.half()
