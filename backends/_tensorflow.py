"""TensorFlow and Keras: the network is a `keras.Model`, gradients come from `tf.GradientTape`.

Pictures and feature maps are stored as (N, H, W, C), in which TensorFlow's CPU kernels run, and converted at
the boundary alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.backends._select import parse_device, require_dtype
from nst.errors import BackendError
from nst.models import vgg
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Axis, Capabilities, Evaluation, HostArray, LossFunction, Ops, TensorFunction

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # information is not for users of a picture program
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow as tf

__all__ = ["TensorFlowBackend", "vgg19"]

Tensor = Any  # tf.Tensor


def vgg19(
    weights: NetworkWeights, layers: Sequence[str], pooling: Pooling = "avg", dtype: str = "float32"
) -> keras.Model:
    """VGG19 down to the deepest of `layers`, a plain functional model that works without nst.

    Takes pictures (N, H, W, 3) in sRGB [0, 1] of any size; returns a dictionary of feature maps (N, H_l, W_l, N_l)
    by layer name, after the ReLU. Its layers are named conv1_1, conv1_2, ..., and are not trainable.
    """
    factor, shift = weights.input_affine
    picture = x = keras.Input((None, None, 3), dtype=dtype, name="x")
    x = keras.layers.Rescaling(factor.tolist(), shift.tolist(), dtype=dtype, name="input")(x)
    pool = keras.layers.AveragePooling2D if pooling == "avg" else keras.layers.MaxPooling2D
    features, kernels = {}, {}
    for layer in vgg.layers_up_to(layers):
        if isinstance(layer, vgg.Pool):
            x = pool(2, dtype=dtype, name=layer.name)(x)
            continue
        weight, bias = weights.convolutions[layer.name]
        convolution = keras.layers.Conv2D(
            len(bias), 3, padding="same", activation="relu", dtype=dtype, name=layer.name
        )
        x = convolution(x)
        kernels[convolution] = [weight.transpose(2, 3, 1, 0), bias]
        if layer.name in layers:
            features[layer.name] = x
    model = keras.Model(picture, features, name=weights.name.replace("/", "-"))
    for convolution, values in kernels.items():
        convolution.set_weights(values)
    model.trainable = False
    return model


class TensorFlowOps:
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
        return tf.reduce_sum(features, (1, 2))

    def diff(self, x: Tensor, axis: Axis) -> Tensor:
        return x[:, 1:] - x[:, :-1] if axis == "height" else x[:, :, 1:] - x[:, :, :-1]

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b

    def sub(self, a: Tensor, b: Tensor) -> Tensor:
        return a - b

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b

    def scale(self, a: Tensor, factor: float) -> Tensor:
        return a * tf.constant(factor, a.dtype)

    def square(self, a: Tensor) -> Tensor:
        return tf.square(a)

    def abs(self, a: Tensor) -> Tensor:
        return tf.abs(a)

    def sum(self, a: Tensor) -> Tensor:
        return tf.reduce_sum(a)


class TensorFlowSpace:
    """See `nst.protocol.VectorSpace`."""

    def dots(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> NDArray[np.float64]:
        return self.scalars([tf.reduce_sum(a * b) for a, b in pairs])

    def scalars(self, values: Sequence[Tensor]) -> NDArray[np.float64]:
        array: NDArray[np.float64] = tf.stack(list(values)).numpy().astype(np.float64)
        return array

    def lincomb(self, coefficients: Sequence[float], vectors: Sequence[Tensor]) -> Tensor:
        total = coefficients[0] * vectors[0]
        for coefficient, vector in zip(coefficients[1:], vectors[1:], strict=True):
            total += coefficient * vector
        return total

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b

    def whiten(self, a: Tensor, b: Tensor, epsilon: float) -> Tensor:
        return a / (tf.sqrt(b) + epsilon)

    def clip(self, a: Tensor, low: float, high: float) -> Tensor:
        return tf.clip_by_value(a, low, high)


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
    capabilities = Capabilities(dtypes=("float32", "float64"), devices=("cpu", "cuda"), deterministic=True)
    ops = TensorFlowOps()
    space = TensorFlowSpace()

    def __init__(self, device: str = "auto", dtype: str | None = None) -> None:
        if keras.backend.backend() != "tensorflow":
            raise BackendError(
                f"Keras runs on {keras.backend.backend()} here: set KERAS_BACKEND=tensorflow before the import"
            )
        self.device = _choose_device(device)
        self.dtype = require_dtype(self.name, self.capabilities, dtype)
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
            return TensorFlowNetwork(vgg19(weights, layers, pooling, self.dtype))

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
