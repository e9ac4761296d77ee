"""The optimiser's arithmetic on tensors (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nst.backends.frequencies import cosine_filter

SLAB = {"float32": 2**16, "float64": 2**14}
"""Products of so many numbers are added in the working precision, and their sums in float64."""

Tensor = Any  # tf.Tensor


class TensorFlowSpace:
    """See `nst.protocol.VectorSpace`; `dtype` is that of the sums, whatever the vectors are kept in."""

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype

    def dots(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> NDArray[np.float64]:
        return self.scalars([tf.reduce_sum(self._full(a) * self._full(b)) for a, b in pairs])

    def scalars(self, values: Sequence[Tensor]) -> NDArray[np.float64]:
        array: NDArray[np.float64] = tf.stack(list(values)).numpy().astype(np.float64)
        return array

    def lincomb(self, coefficients: Sequence[float], vectors: Sequence[Tensor]) -> Tensor:
        total = coefficients[0] * self._full(vectors[0])
        for coefficient, vector in zip(coefficients[1:], vectors[1:], strict=True):
            total += coefficient * self._full(vector)
        return total

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b

    def whiten(self, a: Tensor, b: Tensor, epsilon: float) -> Tensor:
        return a / (tf.sqrt(b) + epsilon)

    def clip(self, a: Tensor, low: float, high: float) -> Tensor:
        return tf.clip_by_value(a, low, high)

    def smooth(self, a: Tensor, power: float) -> Tensor:
        rows, columns, gains = _cosine_filter(*a.shape[1:3], power, a.dtype, a.device)
        found = tf.einsum("lw,nkwc->nklc", columns, tf.einsum("kh,nhwc->nkwc", rows, a))
        found *= gains[:, :, None]
        return a + tf.einsum("kh,nkwc->nhwc", rows, tf.einsum("lw,nklc->nkwc", columns, found))

    def crop(self, a: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
        return a[:, top : top + height, left : left + width]

    def paste(self, total: Tensor, tile: Tensor, top: int, left: int) -> Tensor:
        bottom = total.shape[1] - top - tile.shape[1]
        right = total.shape[2] - left - tile.shape[2]
        return total + tf.pad(tile, ((0, 0), (top, bottom), (left, right), (0, 0)))

    def stack(self, rows: int, like: Tensor, half: bool) -> Tensor:
        with tf.device(like.device):
            zeros = tf.zeros((rows, *like.shape[1:]), tf.float16 if half else self._dtype)
            return tf.Variable(zeros, trainable=False)  # a tensor could not be written to

    def put(self, stack: Tensor, row: int, vector: Tensor, factor: float) -> Tensor:
        stack.scatter_update(tf.IndexedSlices(tf.cast(factor * vector, stack.dtype), [row]))
        return stack

    def products(self, stack: Tensor, vectors: Sequence[Tensor]) -> NDArray[np.float64]:
        old, new = _rows(stack), tf.concat([_rows(self._full(vector)) for vector in vectors], 0)
        parts, length = [], SLAB[self._dtype]
        for first in range(0, new.shape[1], length):
            slab = new[:, first : first + length]
            kept = self._full(old[:, first : first + length])
            parts.append(tf.concat([tf.matmul(rows, slab, transpose_b=True) for rows in (kept, slab)], 0))
        array: NDArray[np.float64] = tf.stack(parts).numpy().sum(0, np.float64)
        return array

    def combine(self, coefficients: Sequence[float], stack: Tensor) -> Tensor:
        if stack.dtype != self._dtype:
            return self.lincomb(coefficients, tf.split(stack, stack.shape[0]))
        factors = tf.constant([list(coefficients)], self._dtype)
        return tf.reshape(tf.matmul(factors, _rows(stack)), (1, *stack.shape[1:]))

    def _full(self, a: Tensor) -> Tensor:
        return tf.cast(a, self._dtype)


@lru_cache(maxsize=8)
def _cosine_filter(height: int, width: int, power: float, dtype: tf.DType, device: str) -> list[Tensor]:
    """On the device, where every step needs it."""
    with tf.device(device):
        return [tf.constant(array, dtype) for array in cosine_filter(height, width, power)]


def _rows(stack: Tensor) -> Tensor:
    """A vector (1, ...) or a stack (rows, ...) as a matrix."""
    return tf.reshape(stack, (stack.shape[0], -1))
