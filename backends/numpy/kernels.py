"""The primitives and their adjoints in numpy: loops over the kernel's taps and matrix products, plain on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.backends.operators import OperatorOps
from nst.protocol import Axis, PadMode

Array = NDArray[np.floating[Any]]
TAPS = [(row, column) for row in range(3) for column in range(3)]
WINDOW = [(row, column) for row in range(2) for column in range(2)]  # in row order


class NumpyKernels(OperatorOps):
    """Primitives and adjoints on arrays; see `nst.protocol.Ops` and `nst.backends.tape.Kernels`."""

    def affine_adjoint(self, gradient: Array, factor: Array) -> Array:
        return gradient * factor[:, None, None]

    def conv2d(self, x: Array, weight: Array, bias: Array) -> Array:
        batch, channels, height, width = x.shape
        padded = np.zeros((batch, channels, height + 2, width + 2), x.dtype)
        padded[:, :, 1:-1, 1:-1] = x
        y = np.zeros((batch, len(weight), height * width), x.dtype)
        for (i, j), filters in _taps(weight):
            shifted = padded[:, :, i : i + height, j : j + width]
            y += filters @ shifted.reshape(batch, channels, height * width)
        return y.reshape(batch, len(weight), height, width) + bias[:, None, None]

    def conv2d_adjoint(self, gradient: Array, weight: Array) -> Array:
        batch, _, height, width = gradient.shape
        flat = gradient.reshape(batch, len(weight), height * width)
        padded = np.zeros((batch, weight.shape[1], height + 2, width + 2), gradient.dtype)
        for (i, j), filters in _taps(weight):
            part = filters.T @ flat
            padded[:, :, i : i + height, j : j + width] += part.reshape(batch, weight.shape[1], height, width)
        return padded[:, :, 1:-1, 1:-1]

    def relu(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def relu_adjoint(self, gradient: Array, output: Array) -> Array:
        return np.where(output > 0, gradient, 0)

    def max_pool(self, x: Array) -> Array:
        return np.max(_windows(x), axis=0)

    def max_pool_adjoint(self, gradient: Array, x: Array, output: Array) -> Array:
        result = np.zeros_like(x)
        first = np.argmax(_windows(x), axis=0)  # argmax gives the first of equals
        for k, (i, j) in enumerate(WINDOW):
            _phase(result, i, j)[...] = np.where(first == k, gradient, 0)
        return result

    def avg_pool(self, x: Array) -> Array:
        return np.mean(_windows(x), axis=0)

    def avg_pool_adjoint(self, gradient: Array, x: Array) -> Array:
        result = np.zeros_like(x)
        for i, j in WINDOW:
            _phase(result, i, j)[...] = gradient / 4
        return result

    def gram(self, features: Array) -> Array:
        flat = features.reshape(*features.shape[:2], -1)
        return flat @ flat.transpose(0, 2, 1)

    def gram_adjoint(self, gradient: Array, features: Array) -> Array:
        flat = features.reshape(*features.shape[:2], -1)
        symmetric = gradient + gradient.transpose(0, 2, 1)
        return (symmetric @ flat).reshape(features.shape)

    def channel_sum(self, features: Array) -> Array:
        return np.sum(features, axis=(2, 3), keepdims=True)

    def pad(self, x: Array, margin: int, mode: PadMode) -> Array:
        rows, columns = (_copied_from(size, margin, mode) for size in x.shape[2:])
        return x[:, :, rows[:, None], columns]

    def pad_adjoint(self, gradient: Array, margin: int, mode: PadMode) -> Array:
        height, width = (size - 2 * margin for size in gradient.shape[2:])
        folded = np.zeros((*gradient.shape[:2], height, width + 2 * margin), gradient.dtype)
        for i, row in enumerate(_copied_from(height, margin, mode)):
            folded[:, :, row] += gradient[:, :, i]
        result = np.zeros((*gradient.shape[:2], height, width), gradient.dtype)
        for j, column in enumerate(_copied_from(width, margin, mode)):
            result[:, :, :, column] += folded[:, :, :, j]
        return result

    def matmul(self, a: Array, b: Array) -> Array:
        return a @ b

    def transpose(self, a: Array) -> Array:
        return a.transpose(0, 2, 1)

    def diff(self, x: Array, axis: Axis) -> Array:
        return np.diff(x, axis=_axis(axis))

    def diff_adjoint(self, gradient: Array, axis: Axis) -> Array:
        return -np.diff(gradient, axis=_axis(axis), prepend=0, append=0)

    def scale(self, a: Array, factor: float) -> Array:
        return a * a.dtype.type(factor)

    def sqrt(self, a: Array) -> Array:
        return np.sqrt(a)

    def exp(self, a: Array) -> Array:
        return np.exp(a)

    def sign(self, a: Array) -> Array:
        return np.sign(a)

    def sum(self, a: Array) -> Array:
        return np.asarray(np.sum(a))

    def broadcast(self, gradient: Array, like: Array) -> Array:
        return np.broadcast_to(gradient, like.shape)

    def one(self) -> Array:
        return np.ones(())


def _taps(weight: Array) -> Iterator[tuple[tuple[int, int], Array]]:
    """Row and column of each tap of a kernel, and its filters (O, C)."""
    filters = np.ascontiguousarray(weight.transpose(2, 3, 0, 1))
    return ((tap, filters[tap]) for tap in TAPS)


def _axis(axis: Axis) -> int:
    return 2 if axis == "height" else 3


def _copied_from(size: int, margin: int, mode: PadMode) -> NDArray[np.intp]:
    """Index of the row or column that each one of a padded picture repeats."""
    positions = np.arange(-margin, size + margin)
    return positions % size if mode == "circular" else np.clip(positions, 0, size - 1)


def _phase(x: Array, row: int, column: int) -> Array:
    """Element (row, column) of every 2x2 window; a view."""
    height, width = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
    return x[:, :, row:height:2, column:width:2]


def _windows(x: Array) -> Array:
    return np.stack([_phase(x, i, j) for i, j in WINDOW])
