"""JAX on one device in one data type."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, proxy

import numpy as np

from nst.backends.rounding import layer_precision, round_filters
from nst.backends.selection import parse_device, require_dtype, require_precision
from nst.errors import BackendError
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Capabilities, Costs, HostArray, LossFunction, TensorFunction

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the default is most of a GPU's memory

import jax

from nst_jax.network import JaxNetwork
from nst_jax.program import JaxObjective, Program
from nst_jax.space import JaxSpace

__all__ = ["JaxBackend"]

Constants = Mapping[str, jax.Array]


class JaxBackend:
    """See `nst.protocol.Backend`."""

    name = "jax"
    capabilities = Capabilities(
        dtypes=("float32", "float64"),
        precisions=("bfloat16", "float16"),
        devices=("cpu", "cuda"),
        deterministic=True,
        costs=Costs(
            470 * 2**20, 2.0, 2.2
        ),  # benchmarks/run.py memory, VGG19 at 256 and 512 px; pass_1 is the guess
    )

    def __init__(self, device: str = "auto", dtype: str | None = None, precision: str | None = None) -> None:
        self.device, self._place = _choose_device(device)
        self.dtype = require_dtype(self.name, self.capabilities, dtype)
        self.precision = require_precision(self.name, self.capabilities, self.dtype, precision)
        # without it JAX turns float64 into float32, with a warning at most
        self._wide = partial(jax.enable_x64, self.dtype == "float64")
        self.space = JaxSpace(self.dtype, self._wide)
        # of `evaluate`, for as long as their functions live: a run in windows calls one for every window
        self._programs: WeakKeyDictionary[Any, Program] = WeakKeyDictionary()

    @staticmethod
    def versions() -> dict[str, str]:
        return {"jax": jax.__version__}

    @staticmethod
    def available_devices() -> list[str]:
        return ["cpu", *(f"cuda:{i}" for i in range(len(_gpus())))]

    def from_numpy(self, array: HostArray) -> jax.Array:
        stored = array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
        with self._wide():
            # JAX may go on using the memory that it is given
            return jax.device_put(np.array(stored, self.dtype, order="C"), self._place)

    def to_numpy(self, tensor: jax.Array) -> HostArray:
        array = np.array(tensor)
        return np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if array.ndim == 4 else array

    def network(self, weights: NetworkWeights, layers: Sequence[str], pooling: Pooling) -> JaxNetwork:
        weights.require(tuple(layers))
        factor, shift = weights.input_affine
        native = {"input.factor": self.from_numpy(factor), "input.shift": self.from_numpy(shift)}
        for name, (weight, bias) in weights.convolutions.items():
            precision = layer_precision(name, self.dtype, self.precision)
            filters = round_filters(weight, self.precision)
            for kind, array in (("weight", filters), ("bias", bias)):
                with self._wide():
                    native[f"{name}.{kind}"] = self.from_numpy(array).astype(precision)
        return JaxNetwork(native, weights, tuple(layers), pooling, self.dtype, self.precision)

    def evaluate(
        self, function: TensorFunction[jax.Array], x: jax.Array, constants: Constants
    ) -> dict[str, jax.Array]:
        if function not in self._programs:
            self._programs[function] = Program(proxy(function), self._wide)
        return self._programs[function](x, constants)

    def compile(
        self, function: LossFunction[jax.Array], like: jax.Array, constants: Constants
    ) -> JaxObjective:
        return JaxObjective(function, self._wide, like, constants)


def _gpus() -> list[Any]:
    try:
        return jax.local_devices(backend="cuda")
    except RuntimeError:  # no such platform
        return []


def _choose_device(device: str) -> tuple[str, Any]:
    """The name of the device, and JAX's object for it."""
    kind, index = parse_device(device)
    if kind == "mps":
        raise BackendError("backend jax has no mps device: use --device cpu")
    gpus = _gpus() if kind != "cpu" else []
    if kind == "cuda" and index >= len(gpus):
        raise BackendError(
            f"JAX sees {len(gpus)} CUDA device(s), {device} is not there: use --device cpu, or install 'jax[cuda12]'"
        )
    if not gpus:
        return "cpu", jax.local_devices(backend="cpu")[0]
    return f"cuda:{index}", gpus[index]
