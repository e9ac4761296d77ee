"""The network: its weights, evaluated in primitives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.backends.tape import Node
from nst.backends.vgg import vgg_features
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights

Array = NDArray[np.floating[Any]]


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
