"""The optimiser's arithmetic on arrays: `nst.protocol.VectorSpace`."""

from __future__ import annotations

import numpy as np

from nst.backends.frequencies import cosine_filter


class Space:
    """The optimiser's arithmetic; see `nst.protocol.VectorSpace`."""

    def dots(self, pairs):
        return np.array([np.sum(np.multiply(a, b, dtype=np.float32), dtype=np.float64) for a, b in pairs])

    def scalars(self, values):
        return np.array([float(value) for value in values])

    def lincomb(self, coefficients, vectors):
        return sum(np.float32(c) * v.astype(np.float32) for c, v in zip(coefficients, vectors, strict=True))

    def multiply(self, a, b):
        return a * b

    def whiten(self, a, b, epsilon):
        return a / (np.sqrt(b) + np.float32(epsilon))

    def clip(self, a, low, high):
        return np.clip(a, low, high)

    def smooth(self, a, power):
        rows, columns, gains = (array.astype(np.float32) for array in cosine_filter(*a.shape[2:], power))
        return a + rows.T @ (gains * (rows @ a @ columns.T)) @ columns

    def crop(self, a, top, left, height, width):
        return a[:, :, top : top + height, left : left + width].copy()

    def paste(self, total, tile, top, left):
        height, width = tile.shape[2:]
        total[:, :, top : top + height, left : left + width] += tile
        return total

    def stack(self, rows, like, half):
        return np.zeros((rows, *like.shape[1:]), np.float16 if half else np.float32)

    def put(self, stack, row, vector, factor):
        stack[row] = np.float32(factor) * vector[0]
        return stack

    def products(self, stack, vectors):
        rows = [*stack.astype(np.float32), *(vector[0] for vector in vectors)]
        return np.array([self.dots([(row, vector[0]) for vector in vectors]) for row in rows])

    def combine(self, coefficients, stack):
        return self.lincomb(coefficients, np.split(stack, len(stack)))
