"""The network as a `keras.Model`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from nst.backends.rounding import layer_precision, round_filters
from nst.models import vgg
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Ops

Tensor = Any  # tf.Tensor


def vgg_model(
    weights: NetworkWeights,
    layers: Sequence[str],
    pooling: Pooling = "avg",
    dtype: str = "float32",
    precision: str | None = None,
) -> keras.Model:
    """VGG19 or VGG16, as the weights are, down to the deepest of `layers`: a functional model that works without nst.

    Takes pictures (N, H, W, 3) in sRGB [0, 1] of any size; returns a dictionary of feature maps (N, H_l, W_l, N_l)
    by layer name, after the ReLU. Its layers are named conv1_1, conv1_2, ..., and are not trainable. They compute
    in `precision`, None for `dtype`, which pictures and feature maps have, and in which the first one computes.
    """
    precision = precision or dtype
    factor, shift = weights.input_affine
    picture = x = keras.Input((None, None, 3), dtype=dtype, name="x")
    axes = (
        1,
        1,
        3,
    )  # of which Keras makes no (3, 1, 1), as it would of (3,) where it is set to channels first
    affine = factor.reshape(axes).tolist(), shift.reshape(axes).tolist()
    x = keras.layers.Rescaling(*affine, dtype=dtype, name="input")(x)
    pool = keras.layers.AveragePooling2D if pooling == "avg" else keras.layers.MaxPooling2D
    last = "channels_last"  # whatever Keras is set to
    features, kernels = {}, {}
    for layer in vgg.layers_up_to(layers, weights.layer_names):
        if isinstance(layer, vgg.Pool):
            x = pool(2, data_format=last, dtype=precision, name=layer.name)(x)
            continue
        weight, bias = weights.convolutions[layer.name]
        own = layer_precision(layer.name, dtype, precision)
        convolution = keras.layers.Conv2D(
            len(bias), 3, padding="same", data_format=last, activation="relu", dtype=own, name=layer.name
        )
        x = convolution(x)
        kernels[convolution] = [round_filters(weight, precision).transpose(2, 3, 1, 0), bias]
        if layer.name in layers:
            features[layer.name] = x if own == dtype else keras.ops.cast(x, dtype)
    name = re.sub(r"[^A-Za-z0-9.]+", "-", weights.name).strip("-")  # a scope's name admits no more
    model = keras.Model(picture, features, name=name or "network")
    for convolution, values in kernels.items():
        convolution.set_weights(values)
    model.trainable = False
    return model


class TensorFlowNetwork:
    """See `nst.protocol.Network`; `native` is a `keras.Model`."""

    def __init__(self, native: keras.Model) -> None:
        self.native = native

    def __call__(self, ops: Ops[Tensor], x: Tensor) -> dict[str, Tensor]:
        # kernels that fuse convolution and ReLU, and max pooling, turn a NaN into a number: it is put back
        lost = tf.where(tf.math.is_nan(x), x, tf.zeros_like(x))
        lost = tf.stop_gradient(tf.reduce_sum(lost, (1, 2, 3), keepdims=True))  # 0 or NaN for each picture
        return {name: features + lost for name, features in self.native(x, training=False).items()}
