"""The float64 reference: slow and plain on purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.backends.numpy.kernels import NumpyKernels
from nst.backends.numpy.network import NumpyNetwork
from nst.backends.numpy.space import NumpySpace
from nst.backends.selection import require_cpu, require_dtype, require_precision
from nst.backends.tape import Node, TapeOps
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Capabilities, Costs, Evaluation, HostArray, LossFunction, TensorFunction

Array = NDArray[np.floating[Any]]


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
        dtypes=("float64", "float32"),
        precisions=(),
        devices=("cpu",),
        deterministic=True,
        costs=Costs(64 * 2**20, 1.0, 3.6, history=1.0),
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
