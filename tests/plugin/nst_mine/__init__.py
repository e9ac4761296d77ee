"""A backend for nst in float32 on arrays.

`kernels.py` has the primitives and their adjoints, `space.py` the optimiser's arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nst.backends.selection import require_cpu, require_dtype, require_precision
from nst.backends.tape import TapeOps
from nst.backends.vgg import vgg_features
from nst.models.weights import NetworkWeights
from nst.protocol import Capabilities, Evaluation
from nst_mine.kernels import Kernels
from nst_mine.space import Space

__all__ = ["MineBackend"]


@dataclass(frozen=True)
class Network:
    """See `nst.protocol.Network`; `native` is what a team can take away."""

    native: NetworkWeights
    layers: tuple[str, ...]
    pooling: str

    def __call__(self, ops, x):
        def constant(name, array):
            return ops.constant(array)

        return vgg_features(ops, x, self.native, self.layers, self.pooling, constant)


class MineBackend:
    """See `nst.protocol.Backend`."""

    name = "mine"
    capabilities = Capabilities(dtypes=("float32",), precisions=(), devices=("cpu",), deterministic=True)
    space = Space()

    def __init__(self, device="auto", dtype=None, precision=None):
        self.device = require_cpu(self.name, device)
        self.dtype = require_dtype(self.name, self.capabilities, dtype)
        self.precision = require_precision(self.name, self.capabilities, self.dtype, precision)

    @staticmethod
    def versions():
        return {"numpy": np.__version__}

    @staticmethod
    def available_devices():
        return ["cpu"]

    def from_numpy(self, array):
        return np.array(array, self.dtype)

    def to_numpy(self, tensor):
        return np.array(tensor)

    def network(self, weights, layers, pooling):
        weights.require(tuple(layers))
        return Network(weights, tuple(layers), pooling)

    def evaluate(self, function, x, constants):
        ops = TapeOps(Kernels())
        outputs = function(ops, ops.constant(x), nodes(ops, constants))
        return {name: node.value for name, node in outputs.items()}

    def compile(self, function, like, constants):
        def objective(x, constants):
            ops = TapeOps(Kernels())
            variable = ops.variable(x)
            total, terms = function(ops, variable, nodes(ops, constants))
            gradient = np.array(ops.gradient(total, variable))
            return Evaluation(total.value, {name: term.value for name, term in terms.items()}, gradient)

        return objective


def nodes(ops, constants):
    """Constants as nodes of the tape."""
    return {name: ops.constant(value) for name, value in constants.items()}
