"""The optimiser's arithmetic on tensors (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

__all__ = ["TensorFlowSpace"]

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

    def crop(self, a: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
        return a[:, top : top + height, left : left + width]

    def paste(self, total: Tensor, tile: Tensor, top: int, left: int) -> Tensor:
        bottom = total.shape[1] - top - tile.shape[1]
        right = total.shape[2] - left - tile.shape[2]
        return total + tf.pad(tile, ((0, 0), (top, bottom), (left, right), (0, 0)))

    def half(self, a: Tensor) -> Tensor:
        return tf.cast(a, tf.float16)

    def _full(self, a: Tensor) -> Tensor:
        return tf.cast(a, self._dtype)
