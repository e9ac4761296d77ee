"""The primitives in TensorFlow, on tensors (N, H, W, C)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nst.backends.operators import OperatorOps
from nst.protocol import Axis, PadMode

Tensor = Any  # tf.Tensor


class TensorFlowOps(OperatorOps):
    """See `nst.protocol.Ops`."""

    def affine(self, x: Tensor, factor: Tensor, shift: Tensor) -> Tensor:
        return x * factor + shift

    def conv2d(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        kernel = tf.transpose(weight, (1, 2, 3, 0))  # stored like a picture: (O, 3, 3, C)
        return tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), bias)

    def relu(self, x: Tensor) -> Tensor:
        return tf.nn.relu(x)

    def max_pool(self, x: Tensor) -> Tensor:
        mean = tf.nn.avg_pool2d(x, 2, 2, "VALID")
        # max_pool2d passes over a NaN, the mean of its window does not
        return tf.where(tf.math.is_nan(mean), mean, tf.nn.max_pool2d(x, 2, 2, "VALID"))

    def avg_pool(self, x: Tensor) -> Tensor:
        return tf.nn.avg_pool2d(x, 2, 2, "VALID")

    def gram(self, features: Tensor) -> Tensor:
        shape = tf.shape(features)
        flat = tf.reshape(features, (shape[0], shape[1] * shape[2], shape[3]))
        return tf.matmul(flat, flat, transpose_a=True)

    def channel_sum(self, features: Tensor) -> Tensor:
        return tf.reduce_sum(features, (1, 2), keepdims=True)

    def pad(self, x: Tensor, margin: int, mode: PadMode) -> Tensor:
        for axis in (1, 2):
            size = x.shape[axis]
            if mode == "circular":
                before, after = _take(x, axis, size - margin, size), _take(x, axis, 0, margin)
            else:
                times = [margin if i == axis else 1 for i in range(4)]
                first, last = _take(x, axis, 0, 1), _take(x, axis, size - 1, size)
                before, after = tf.tile(first, times), tf.tile(last, times)
            x = tf.concat([before, x, after], axis)
        return x

    def transpose(self, a: Tensor) -> Tensor:
        return tf.transpose(a, (0, 2, 1))

    def diff(self, x: Tensor, axis: Axis) -> Tensor:
        return x[:, 1:] - x[:, :-1] if axis == "height" else x[:, :, 1:] - x[:, :, :-1]

    def square(self, a: Tensor) -> Tensor:
        return tf.square(a)

    def sqrt(self, a: Tensor) -> Tensor:
        return tf.sqrt(a)

    def exp(self, a: Tensor) -> Tensor:
        return tf.exp(a)

    def sum(self, a: Tensor) -> Tensor:
        return tf.reduce_sum(a)


def _take(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """Rows (axis 1) or columns (axis 2) `start` to `stop`."""
    return x[:, start:stop] if axis == 1 else x[:, :, start:stop]
