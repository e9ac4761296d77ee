"""The optimiser's arithmetic on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NumpySpace"]

Array = NDArray[np.floating[Any]]


class NumpySpace:
    """See `nst.protocol.VectorSpace`; `dtype` is that of the sums, whatever the vectors are kept in."""

    def __init__(self, dtype: str = "float64") -> None:
        self._dtype = dtype

    def dots(self, pairs: Sequence[tuple[Array, Array]]) -> NDArray[np.float64]:
        return np.array([np.vdot(self._full(a), self._full(b)) for a, b in pairs], np.float64)

    def scalars(self, values: Sequence[Array]) -> NDArray[np.float64]:
        return np.array([float(value) for value in values], np.float64)

    def lincomb(self, coefficients: Sequence[float], vectors: Sequence[Array]) -> Array:
        total = np.zeros(vectors[0].shape, self._dtype)
        for coefficient, vector in zip(coefficients, vectors, strict=True):
            total += total.dtype.type(coefficient) * self._full(vector)
        return total

    def multiply(self, a: Array, b: Array) -> Array:
        return a * b

    def whiten(self, a: Array, b: Array, epsilon: float) -> Array:
        return a / (np.sqrt(b) + b.dtype.type(epsilon))

    def clip(self, a: Array, low: float, high: float) -> Array:
        return np.clip(a, low, high)

    def crop(self, a: Array, top: int, left: int, height: int, width: int) -> Array:
        return a[:, :, top : top + height, left : left + width].copy()

    def paste(self, total: Array, tile: Array, top: int, left: int) -> Array:
        height, width = tile.shape[2:]
        total[:, :, top : top + height, left : left + width] += tile
        return total

    def half(self, a: Array) -> Array:
        return a.astype(np.float16)

    def _full(self, a: Array) -> Array:
        return a.astype(self._dtype, copy=False)
