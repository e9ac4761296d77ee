"""A backend for nst in float32 on arrays: convolutions as one matrix product over all 3x3 patches.

It uses public names of nst alone. The primitives and their adjoints are in `kernels.py`; reverse-mode
differentiation comes from `nst.backends.tape`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nst.backends.tape import TapeOps
from nst.errors import BackendError
from nst.models import vgg
from nst.models.weights import NetworkWeights
from nst.protocol import Capabilities, Evaluation
from nst_mine.kernels import Kernels

__all__ = ["MineBackend"]


class Space:
    """The optimiser's arithmetic; see `nst.protocol.VectorSpace`."""

    def dots(self, pairs):
        return np.array([np.sum(np.multiply(a, b, dtype=np.float32), dtype=np.float64) for a, b in pairs])

    def scalars(self, values):
        return np.array([float(value) for value in values])

    def lincomb(self, coefficients, vectors):
        return sum(np.float32(c) * v.astype(np.float32) for c, v in zip(coefficients, vectors, strict=True))

    def multiply(self, a, b):
        return a * b

    def whiten(self, a, b, epsilon):
        return a / (np.sqrt(b) + np.float32(epsilon))

    def clip(self, a, low, high):
        return np.clip(a, low, high)

    def crop(self, a, top, left, height, width):
        return a[:, :, top : top + height, left : left + width].copy()

    def paste(self, total, tile, top, left):
        height, width = tile.shape[2:]
        total[:, :, top : top + height, left : left + width] += tile
        return total

    def stack(self, rows, like, half):
        return np.zeros((rows, *like.shape[1:]), np.float16 if half else np.float32)

    def put(self, stack, row, vector, factor):
        stack[row] = np.float32(factor) * vector[0]
        return stack

    def products(self, stack, vectors):
        rows = [*stack.astype(np.float32), *(vector[0] for vector in vectors)]
        return np.array([self.dots([(row, vector[0]) for vector in vectors]) for row in rows])

    def combine(self, coefficients, stack):
        return self.lincomb(coefficients, np.split(stack, len(stack)))


@dataclass(frozen=True)
class Network:
    """See `nst.protocol.Network`."""

    native: NetworkWeights
    layers: tuple[str, ...]
    pooling: vgg.Pooling

    def __call__(self, ops: Any, x: Any) -> dict[str, Any]:
        factor, shift = self.native.input_affine
        x = ops.affine(x, ops.constant(factor), ops.constant(shift))
        features = {}
        for layer in vgg.layers_up_to(self.layers, self.native.layer_names):
            if isinstance(layer, vgg.Pool):
                x = ops.avg_pool(x) if self.pooling == "avg" else ops.max_pool(x)
                continue
            weight, bias = self.native.convolutions[layer.name]
            x = ops.relu(ops.conv2d(x, ops.constant(weight), ops.constant(bias)))
            if layer.name in self.layers:
                features[layer.name] = x
        return features


class MineBackend:
    """See `nst.protocol.Backend`."""

    name = "mine"
    capabilities = Capabilities(dtypes=("float32",), precisions=(), devices=("cpu",), deterministic=True)
    space = Space()

    def __init__(self, device: str = "auto", dtype: str | None = None, precision: str | None = None) -> None:
        if device not in ("auto", "cpu"):
            raise BackendError(f"backend mine has no device {device!r}: use --device cpu")
        if dtype not in (None, "float32"):
            raise BackendError(f"backend mine does not compute in {dtype!r}: choose float32")
        if precision not in (None, "float32", "fp32"):
            raise BackendError(f"backend mine has no networks in {precision!r}: use precision fp32")
        self.device, self.dtype, self.precision = "cpu", "float32", "float32"

    @staticmethod
    def versions() -> dict[str, str]:
        return {"numpy": np.__version__}

    @staticmethod
    def available_devices() -> list[str]:
        return ["cpu"]

    def from_numpy(self, array):
        return np.array(array, np.float32)

    def to_numpy(self, tensor):
        return np.array(tensor)

    def network(self, weights: NetworkWeights, layers: Sequence[str], pooling: vgg.Pooling) -> Network:
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


def nodes(ops: TapeOps[Any], constants: Mapping[str, Any]) -> dict[str, Any]:
    """Constants as nodes of the tape."""
    return {name: ops.constant(value) for name, value in constants.items()}
