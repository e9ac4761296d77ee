"""The primitives on float32 arrays (N, C, H, W), and the adjoints: `nst.protocol.Ops`, `nst.backends.tape.Kernels`."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from nst.backends.operators import OperatorOps

AXES = {"height": 2, "width": 3}


class Kernels(OperatorOps):
    """One method a primitive, one a adjoint."""

    def affine_adjoint(self, gradient, factor):
        return gradient * factor[:, None, None]

    def conv2d(self, x, weight, bias):
        batch, channels, height, width = x.shape
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        patches = sliding_window_view(padded, (3, 3), axis=(2, 3))  # (N, C, H, W, 3, 3), a view
        columns = patches.transpose(0, 1, 4, 5, 2, 3).reshape(batch, channels * 9, height * width)
        y = weight.reshape(len(weight), -1) @ columns
        return y.reshape(batch, len(weight), height, width) + bias[:, None, None]

    def conv2d_adjoint(self, gradient, weight):
        turned = weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
        return self.conv2d(gradient, turned, np.zeros(len(turned), np.float32))

    def relu(self, x):
        return np.maximum(x, 0)

    def relu_adjoint(self, gradient, output):
        return gradient * (output > 0)

    def max_pool(self, x):
        return windows(x).max(axis=-1)

    def max_pool_adjoint(self, gradient, x, output):
        first = windows(x).argmax(axis=-1)[..., None] == np.arange(4)  # argmax takes the first of equals
        return spread(first * gradient[..., None], x.shape)

    def avg_pool(self, x):
        return windows(x).mean(axis=-1)

    def avg_pool_adjoint(self, gradient, x):
        return spread(np.repeat(gradient[..., None] / 4, 4, axis=-1), x.shape)

    def gram(self, features):
        flat = features.reshape(*features.shape[:2], -1)
        return flat @ flat.transpose(0, 2, 1)

    def gram_adjoint(self, gradient, features):
        flat = features.reshape(*features.shape[:2], -1)
        return ((gradient + gradient.transpose(0, 2, 1)) @ flat).reshape(features.shape)

    def channel_sum(self, features):
        return features.sum(axis=(2, 3), keepdims=True)

    def pad(self, x, margin, mode):
        margins = ((0, 0), (0, 0), (margin, margin), (margin, margin))
        return np.pad(x, margins, mode="wrap" if mode == "circular" else "edge")

    def pad_adjoint(self, gradient, margin, mode):
        for axis in (2, 3):
            before, inner, after = np.split(gradient, [margin, gradient.shape[axis] - margin], axis)
            gradient, size = inner.copy(), inner.shape[axis]
            lines = gradient.swapaxes(2, axis)  # a view: rows or columns first
            if mode == "circular":
                lines[:, :, size - margin :] += before.swapaxes(2, axis)
                lines[:, :, :margin] += after.swapaxes(2, axis)
            else:
                lines[:, :, :1] += before.sum(axis, keepdims=True).swapaxes(2, axis)
                lines[:, :, -1:] += after.sum(axis, keepdims=True).swapaxes(2, axis)
        return gradient

    def transpose(self, a):
        return a.transpose(0, 2, 1)

    def diff(self, x, axis):
        return np.diff(x, axis=AXES[axis])

    def diff_adjoint(self, gradient, axis):
        return -np.diff(gradient, axis=AXES[axis], prepend=np.float32(0), append=np.float32(0))

    def scale(self, a, factor):
        return a * np.float32(factor)

    def sqrt(self, a):
        return np.sqrt(a)

    def exp(self, a):
        return np.exp(a)

    def sign(self, a):
        return np.sign(a)

    def sum(self, a):
        return np.asarray(a.sum())

    def broadcast(self, gradient, like):
        return np.broadcast_to(gradient, like.shape)

    def one(self):
        return np.ones((), np.float32)


def windows(x):
    """The four elements of every 2x2 window in row order: (N, C, H // 2, W // 2, 4)."""
    batch, channels, height, width = x.shape
    even = x[:, :, : height // 2 * 2, : width // 2 * 2]
    blocks = even.reshape(batch, channels, height // 2, 2, width // 2, 2).transpose(0, 1, 2, 4, 3, 5)
    return blocks.reshape(batch, channels, height // 2, width // 2, 4)


def spread(parts, shape):
    """The inverse of `windows`; zeros in an odd last row or column."""
    batch, channels, rows, columns, _ = parts.shape
    blocks = parts.reshape(batch, channels, rows, columns, 2, 2).transpose(0, 1, 2, 4, 3, 5)
    result = np.zeros(shape, np.float32)
    result[:, :, : 2 * rows, : 2 * columns] = blocks.reshape(batch, channels, 2 * rows, 2 * columns)
    return result
