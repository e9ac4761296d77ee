"""The float64 reference: slow and plain on purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.backends._numpy_kernels import NumpyKernels
from nst.backends._select import require_cpu, require_dtype, require_precision
from nst.backends._vgg import vgg_features
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Capabilities, Evaluation, HostArray, LossFunction, TensorFunction
from nst.tape import Node, TapeOps

__all__ = ["NumpyBackend"]

Array = NDArray[np.floating[Any]]


class NumpySpace:
    """See `nst.protocol.VectorSpace`; `dtype` is that of the sums, whatever the vectors are kept in."""

    def __init__(self, dtype: str = "float64") -> None:
        self._dtype = dtype

    def dots(self, pairs: Sequence[tuple[Array, Array]]) -> NDArray[np.float64]:
        return np.array([np.vdot(self._full(a), self._full(b)) for a, b in pairs], np.float64)

    def scalars(self, values: Sequence[Array]) -> NDArray[np.float64]:
        return np.array([float(value) for value in values], np.float64)

    def lincomb(self, coefficients: Sequence[float], vectors: Sequence[Array]) -> Array:
        total = np.zeros(vectors[0].shape, self._dtype)
        for coefficient, vector in zip(coefficients, vectors, strict=True):
            total += total.dtype.type(coefficient) * self._full(vector)
        return total

    def multiply(self, a: Array, b: Array) -> Array:
        return a * b

    def whiten(self, a: Array, b: Array, epsilon: float) -> Array:
        return a / (np.sqrt(b) + b.dtype.type(epsilon))

    def clip(self, a: Array, low: float, high: float) -> Array:
        return np.clip(a, low, high)

    def crop(self, a: Array, top: int, left: int, height: int, width: int) -> Array:
        return a[:, :, top : top + height, left : left + width].copy()

    def paste(self, total: Array, tile: Array, top: int, left: int) -> Array:
        height, width = tile.shape[2:]
        total[:, :, top : top + height, left : left + width] += tile
        return total

    def half(self, a: Array) -> Array:
        return a.astype(np.float16)

    def _full(self, a: Array) -> Array:
        return a.astype(self._dtype, copy=False)


@dataclass(frozen=True)
class NumpyNetwork:
    """See `nst.protocol.Network`; `native` is the weights themselves."""

    native: NetworkWeights
    layers: tuple[str, ...]
    pooling: Pooling
    dtype: str

    def __call__(self, ops: Any, x: Node[Array]) -> dict[str, Node[Array]]:
        return vgg_features(
            ops,
            x,
            self.native,
            self.layers,
            self.pooling,
            lambda _, array: ops.constant(array.astype(self.dtype)),
        )


class NumpyObjective:
    """See `nst.protocol.Objective`."""

    def __init__(self, function: LossFunction[Any], kernels: NumpyKernels) -> None:
        self._function = function
        self._kernels = kernels

    def __call__(self, x: Array, constants: Mapping[str, Array]) -> Evaluation[Array]:
        ops = TapeOps(self._kernels)
        variable = ops.variable(x)
        total, terms = self._function(ops, variable, _constants(ops, constants))
        gradient = np.array(ops.gradient(total, variable), x.dtype)
        return Evaluation(total.value, {name: term.value for name, term in terms.items()}, gradient)


class NumpyBackend:
    """See `nst.protocol.Backend`."""

    name = "numpy"
    capabilities = Capabilities(
        dtypes=("float64", "float32"), precisions=(), devices=("cpu",), deterministic=True
    )
    kernels = NumpyKernels()

    def __init__(self, device: str = "auto", dtype: str | None = None, precision: str | None = None) -> None:
        self.device = require_cpu(self.name, device)
        self.dtype = require_dtype(self.name, self.capabilities, dtype)
        self.precision = require_precision(self.name, self.capabilities, self.dtype, precision)
        self.space = NumpySpace(self.dtype)

    @staticmethod
    def versions() -> dict[str, str]:
        return {"numpy": np.__version__}

    @staticmethod
    def available_devices() -> list[str]:
        return ["cpu"]

    def from_numpy(self, array: HostArray) -> Array:
        return np.array(array, self.dtype)

    def to_numpy(self, tensor: Array) -> HostArray:
        return np.array(tensor)

    def network(self, weights: NetworkWeights, layers: Sequence[str], pooling: Pooling) -> NumpyNetwork:
        weights.require(tuple(layers))
        return NumpyNetwork(weights, tuple(layers), pooling, self.dtype)

    def evaluate(
        self, function: TensorFunction[Any], x: Array, constants: Mapping[str, Array]
    ) -> dict[str, Array]:
        ops = TapeOps(self.kernels)
        outputs = function(ops, ops.constant(x), _constants(ops, constants))
        return {name: node.value for name, node in outputs.items()}

    def compile(
        self, function: LossFunction[Any], like: Array, constants: Mapping[str, Array]
    ) -> NumpyObjective:
        return NumpyObjective(function, self.kernels)


def _constants(ops: TapeOps[Array], constants: Mapping[str, Array]) -> dict[str, Node[Array]]:
    return {name: ops.constant(value) for name, value in constants.items()}
