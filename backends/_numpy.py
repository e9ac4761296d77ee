"""The float64 reference: loops over the kernel's taps and einsum, slow and plain on purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.backends._select import require_cpu, require_dtype
from nst.backends._vgg import vgg_features
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Axis, Capabilities, Evaluation, HostArray, LossFunction, TensorFunction
from nst.tape import Node, TapeOps

__all__ = ["NumpyBackend"]

Array = NDArray[np.floating[Any]]
TAPS = [(row, column) for row in range(3) for column in range(3)]
WINDOW = [(row, column) for row in range(2) for column in range(2)]  # in row order


class NumpyKernels:
    """Primitives and adjoints on arrays; see `nst.protocol.Ops` and `nst.tape.Kernels`."""

    def affine(self, x: Array, factor: Array, shift: Array) -> Array:
        return x * factor[:, None, None] + shift[:, None, None]

    def affine_adjoint(self, gradient: Array, factor: Array) -> Array:
        return gradient * factor[:, None, None]

    def conv2d(self, x: Array, weight: Array, bias: Array) -> Array:
        _, _, height, width = x.shape
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        y = np.zeros((x.shape[0], weight.shape[0], height, width), x.dtype)
        for i, j in TAPS:
            shifted = padded[:, :, i : i + height, j : j + width]
            y += np.einsum("oc,nchw->nohw", weight[:, :, i, j], shifted, optimize=True)
        return y + bias[:, None, None]

    def conv2d_adjoint(self, gradient: Array, weight: Array) -> Array:
        batch, _, height, width = gradient.shape
        padded = np.zeros((batch, weight.shape[1], height + 2, width + 2), gradient.dtype)
        for i, j in TAPS:
            padded[:, :, i : i + height, j : j + width] += np.einsum(
                "oc,nohw->nchw", weight[:, :, i, j], gradient, optimize=True
            )
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
        return np.einsum("nik,njk->nij", flat, flat, optimize=True)

    def gram_adjoint(self, gradient: Array, features: Array) -> Array:
        flat = features.reshape(*features.shape[:2], -1)
        symmetric = gradient + gradient.transpose(0, 2, 1)
        return np.einsum("nij,njk->nik", symmetric, flat, optimize=True).reshape(features.shape)

    def channel_sum(self, features: Array) -> Array:
        return np.sum(features, axis=(2, 3))

    def diff(self, x: Array, axis: Axis) -> Array:
        return np.diff(x, axis=_axis(axis))

    def diff_adjoint(self, gradient: Array, axis: Axis) -> Array:
        return -np.diff(gradient, axis=_axis(axis), prepend=0, append=0)

    def add(self, a: Array, b: Array) -> Array:
        return a + b

    def sub(self, a: Array, b: Array) -> Array:
        return a - b

    def multiply(self, a: Array, b: Array) -> Array:
        return a * b

    def scale(self, a: Array, factor: float) -> Array:
        return a * a.dtype.type(factor)

    def square(self, a: Array) -> Array:
        return a * a

    def abs(self, a: Array) -> Array:
        return np.abs(a)

    def sign(self, a: Array) -> Array:
        return np.sign(a)

    def sum(self, a: Array) -> Array:
        return np.asarray(np.sum(a))

    def broadcast(self, gradient: Array, like: Array) -> Array:
        spread = gradient if gradient.ndim == 0 else gradient[:, :, None, None]
        return np.broadcast_to(spread, like.shape)

    def one(self) -> Array:
        return np.ones(())


class NumpySpace:
    """See `nst.protocol.VectorSpace`."""

    def dots(self, pairs: Sequence[tuple[Array, Array]]) -> NDArray[np.float64]:
        return np.array([np.vdot(a, b) for a, b in pairs], np.float64)

    def scalars(self, values: Sequence[Array]) -> NDArray[np.float64]:
        return np.array([float(value) for value in values], np.float64)

    def lincomb(self, coefficients: Sequence[float], vectors: Sequence[Array]) -> Array:
        total = np.zeros_like(vectors[0])
        for coefficient, vector in zip(coefficients, vectors, strict=True):
            total += vector.dtype.type(coefficient) * vector
        return total

    def multiply(self, a: Array, b: Array) -> Array:
        return a * b

    def whiten(self, a: Array, b: Array, epsilon: float) -> Array:
        return a / (np.sqrt(b) + b.dtype.type(epsilon))

    def clip(self, a: Array, low: float, high: float) -> Array:
        return np.clip(a, low, high)


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
    capabilities = Capabilities(dtypes=("float64", "float32"), devices=("cpu",), deterministic=True)
    kernels = NumpyKernels()
    space = NumpySpace()

    def __init__(self, device: str = "auto", dtype: str | None = None) -> None:
        self.device = require_cpu(self.name, device)
        self.dtype = require_dtype(self.name, self.capabilities, dtype)

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


def _axis(axis: Axis) -> int:
    return 2 if axis == "height" else 3


def _phase(x: Array, row: int, column: int) -> Array:
    """Element (row, column) of every 2x2 window; a view."""
    height, width = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
    return x[:, :, row:height:2, column:width:2]


def _windows(x: Array) -> Array:
    return np.stack([_phase(x, i, j) for i, j in WINDOW])
