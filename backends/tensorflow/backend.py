"""TensorFlow and Keras: the network is a `keras.Model`, gradients come from `tf.GradientTape`.

Pictures and feature maps are stored as (N, H, W, C), in which TensorFlow's CPU kernels run, and converted at
the boundary alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nst.backends.selection import parse_device, require_dtype, require_precision
from nst.errors import BackendError
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Capabilities, Costs, Evaluation, HostArray, LossFunction, TensorFunction

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # information is not for users of a picture program
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow as tf

from nst.backends.tensorflow.network import TensorFlowNetwork, vgg_model
from nst.backends.tensorflow.ops import TensorFlowOps
from nst.backends.tensorflow.space import TensorFlowSpace

Tensor = Any  # tf.Tensor


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
        costs=Costs(760 * 2**20, 3.0, 2.0, 0.3, 2.8),
    )
    ops = TensorFlowOps()

    def __init__(self, device: str = "auto", dtype: str | None = None, precision: str | None = None) -> None:
        if keras.backend.backend() != "tensorflow":
            raise BackendError(
                f"Keras runs on {keras.backend.backend()} here: set KERAS_BACKEND=tensorflow before the import"
            )
        _require_eager()
        self.device = _choose_device(device)
        self.dtype = require_dtype(self.name, self.capabilities, dtype)
        self.precision = require_precision(self.name, self.capabilities, self.dtype, precision)
        self.space = TensorFlowSpace(self.dtype)
        kind, index = parse_device(self.device)
        self._device = f"/{'GPU' if kind == 'cuda' else 'CPU'}:{index}"
        if kind == "cuda":  # for the process: TensorFlow has no narrower way
            tf.config.experimental.enable_tensor_float_32_execution(False)

    @staticmethod
    def versions() -> dict[str, str]:
        return {"tensorflow": tf.__version__, "keras": keras.__version__}

    @staticmethod
    def available_devices() -> list[str]:
        return ["cpu", *(f"cuda:{i}" for i in range(len(tf.config.list_physical_devices("GPU"))))]

    def from_numpy(self, array: HostArray) -> Tensor:
        _require_eager()
        stored = array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
        with tf.device(self._device):
            # a constant may share the array's memory, a copy does not
            return tf.constant(np.array(stored, self.dtype, order="C"))

    def to_numpy(self, tensor: Tensor) -> HostArray:
        array: HostArray = tensor.numpy()
        return np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if array.ndim == 4 else array.copy()

    def network(self, weights: NetworkWeights, layers: Sequence[str], pooling: Pooling) -> TensorFlowNetwork:
        _require_eager()
        weights.require(tuple(layers))
        with tf.device(self._device):
            return TensorFlowNetwork(vgg_model(weights, layers, pooling, self.dtype, self.precision))

    def evaluate(
        self, function: TensorFunction[Tensor], x: Tensor, constants: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        with tf.device(self._device):
            return function(self.ops, x, constants)

    def compile(
        self, function: LossFunction[Tensor], like: Tensor, constants: Mapping[str, Tensor]
    ) -> TensorFlowObjective:
        return TensorFlowObjective(function, self.ops, self._device)


def _require_eager() -> None:
    if not tf.executing_eagerly():
        raise BackendError(
            "TensorFlow only builds a graph here (inside tf.function, a tf.Graph or with eager execution off): "
            "call nst outside of it, and leave eager execution on"
        )


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
