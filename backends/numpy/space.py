"""The optimiser's arithmetic on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.backends.frequencies import cosine_filter

SLAB = 2**14
"""Products of so many numbers are added in the working precision, and their sums in float64."""

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

    def smooth(self, a: Array, power: float) -> Array:
        rows, columns, gains = (array.astype(a.dtype) for array in cosine_filter(*a.shape[2:], power))
        return a + rows.T @ (gains * (rows @ a @ columns.T)) @ columns

    def crop(self, a: Array, top: int, left: int, height: int, width: int) -> Array:
        return a[:, :, top : top + height, left : left + width].copy()

    def paste(self, total: Array, tile: Array, top: int, left: int) -> Array:
        height, width = tile.shape[2:]
        total[:, :, top : top + height, left : left + width] += tile
        return total

    def stack(self, rows: int, like: Array, half: bool) -> Array:
        return np.zeros((rows, *like.shape[1:]), np.float16 if half else self._dtype)

    def put(self, stack: Array, row: int, vector: Array, factor: float) -> Array:
        stack[row] = vector.dtype.type(factor) * vector[0]
        return stack

    def products(self, stack: Array, vectors: Sequence[Array]) -> NDArray[np.float64]:
        old, new = _rows(stack), np.concatenate([_rows(self._full(vector)) for vector in vectors])
        total = np.zeros((len(old) + len(new), len(new)))
        for first in range(0, new.shape[1], SLAB):
            slab = np.s_[:, first : first + SLAB]
            total[: len(old)] += self._full(old[slab]) @ new[slab].T
            total[len(old) :] += new[slab] @ new[slab].T
        return total

    def combine(self, coefficients: Sequence[float], stack: Array) -> Array:
        if stack.dtype != self._dtype:
            return self.lincomb(coefficients, np.split(stack, len(stack)))
        return (np.array([coefficients], self._dtype) @ _rows(stack)).reshape(1, *stack.shape[1:])

    def _full(self, a: Array) -> Array:
        return a.astype(self._dtype, copy=False)


def _rows(stack: Array) -> Array:
    """A vector (1, ...) or a stack (rows, ...) as a matrix."""
    return stack.reshape(len(stack), -1)
