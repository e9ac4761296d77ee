"""TensorFlow and Keras: the network is a `keras.Model`, gradients come from `tf.GradientTape`.

Pictures and feature maps are stored as (N, H, W, C), in which TensorFlow's CPU kernels run, and converted at
the boundary alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nst.backends._rounding import round_filters
from nst.backends._select import parse_device, require_dtype, require_precision
from nst.errors import BackendError
from nst.models import vgg
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Capabilities, Evaluation, HostArray, LossFunction, Ops, TensorFunction

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # information is not for users of a picture program
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow as tf

from nst.backends._tensorflow_ops import TensorFlowOps, TensorFlowSpace

__all__ = ["TensorFlowBackend", "vgg19"]

Tensor = Any  # tf.Tensor


def vgg19(
    weights: NetworkWeights,
    layers: Sequence[str],
    pooling: Pooling = "avg",
    dtype: str = "float32",
    precision: str | None = None,
) -> keras.Model:
    """VGG19 or VGG16, as the weights are, down to the deepest of `layers`: a functional model that works without nst.

    Takes pictures (N, H, W, 3) in sRGB [0, 1] of any size; returns a dictionary of feature maps (N, H_l, W_l, N_l)
    by layer name, after the ReLU. Its layers are named conv1_1, conv1_2, ..., and are not trainable. They compute
    in `precision`, None for `dtype`, which pictures and feature maps have.
    """
    precision = precision or dtype
    factor, shift = weights.input_affine
    picture = x = keras.Input((None, None, 3), dtype=dtype, name="x")
    x = keras.layers.Rescaling(factor.tolist(), shift.tolist(), dtype=dtype, name="input")(x)
    pool = keras.layers.AveragePooling2D if pooling == "avg" else keras.layers.MaxPooling2D
    features, kernels = {}, {}
    for layer in vgg.layers_up_to(layers, weights.layer_names):
        if isinstance(layer, vgg.Pool):
            x = pool(2, dtype=precision, name=layer.name)(x)
            continue
        weight, bias = weights.convolutions[layer.name]
        convolution = keras.layers.Conv2D(
            len(bias), 3, padding="same", activation="relu", dtype=precision, name=layer.name
        )
        x = convolution(x)
        kernels[convolution] = [round_filters(weight, precision).transpose(2, 3, 1, 0), bias]
        if layer.name in layers:
            features[layer.name] = x if precision == dtype else keras.ops.cast(x, dtype)
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


class TensorFlowObjective:
    """See `nst.protocol.Objective`; one traced `tf.function`."""

    def __init__(self, function: LossFunction[Tensor], ops: TensorFlowOps, device: str) -> None:
        def differentiate(x: Tensor, constants: Mapping[str, Tensor]) -> tuple[Any, ...]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(x)
                total, terms = function(ops, x, constants)
            gradient = tape.gradient(total, x)
            if gradient is None:
                raise ValueError("the loss does not depend on the picture")
            return total, terms, gradient

        self._differentiate = tf.function(differentiate, autograph=False)
        self._device = device

    def __call__(self, x: Tensor, constants: Mapping[str, Tensor]) -> Evaluation[Tensor]:
        with tf.device(self._device):
            return Evaluation(*self._differentiate(x, dict(constants)))


class TensorFlowBackend:
    """See `nst.protocol.Backend`."""

    name = "tf"
    capabilities = Capabilities(
        dtypes=("float32", "float64"),
        precisions=("bfloat16", "float16"),
        devices=("cpu", "cuda"),
        deterministic=True,
    )
    ops = TensorFlowOps()

    def __init__(self, device: str = "auto", dtype: str | None = None, precision: str | None = None) -> None:
        if keras.backend.backend() != "tensorflow":
            raise BackendError(
                f"Keras runs on {keras.backend.backend()} here: set KERAS_BACKEND=tensorflow before the import"
            )
        self.device = _choose_device(device)
        self.dtype = require_dtype(self.name, self.capabilities, dtype)
        self.precision = require_precision(self.name, self.capabilities, self.dtype, precision)
        self.space = TensorFlowSpace(self.dtype)
        kind, index = parse_device(self.device)
        self._device = f"/{'GPU' if kind == 'cuda' else 'CPU'}:{index}"

    @staticmethod
    def versions() -> dict[str, str]:
        return {"tensorflow": tf.__version__, "keras": keras.__version__}

    @staticmethod
    def available_devices() -> list[str]:
        return ["cpu", *(f"cuda:{i}" for i in range(len(tf.config.list_physical_devices("GPU"))))]

    def from_numpy(self, array: HostArray) -> Tensor:
        stored = array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
        with tf.device(self._device):
            # a constant may share the array's memory, a copy does not
            return tf.constant(np.array(stored, self.dtype, order="C"))

    def to_numpy(self, tensor: Tensor) -> HostArray:
        array: HostArray = tensor.numpy()
        return np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if array.ndim == 4 else array.copy()

    def network(self, weights: NetworkWeights, layers: Sequence[str], pooling: Pooling) -> TensorFlowNetwork:
        weights.require(tuple(layers))
        with tf.device(self._device):
            return TensorFlowNetwork(vgg19(weights, layers, pooling, self.dtype, self.precision))

    def evaluate(
        self, function: TensorFunction[Tensor], x: Tensor, constants: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        with tf.device(self._device):
            return function(self.ops, x, constants)

    def compile(
        self, function: LossFunction[Tensor], like: Tensor, constants: Mapping[str, Tensor]
    ) -> TensorFlowObjective:
        return TensorFlowObjective(function, self.ops, self._device)


def _choose_device(device: str) -> str:
    kind, index = parse_device(device)
    gpus = tf.config.list_physical_devices("GPU")
    if kind == "mps":
        raise BackendError("backend tf has no mps device: use --device cpu, or --backend torch")
    if kind == "cuda" and index >= len(gpus):
        raise BackendError(
            f"TensorFlow sees {len(gpus)} CUDA device(s), cuda:{index} is not there: "
            "use --device cpu, or pip install 'tensorflow[and-cuda]'"
        )
    if kind == "cpu" or not gpus:
        return "cpu"
    for gpu in gpus:  # the default is to take all memory of every GPU
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:  # somebody has used TensorFlow in this process and has settled this
            break
    return f"cuda:{index}"
