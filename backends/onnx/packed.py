"""A graph for a file: tensors of few different values are kept as 8-bit indices and a table of the values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.backends.onnx.graph import Graph, Value
from nst.errors import WeightsError
from nst.models import clustered

__all__ = ["PackedGraph"]

LEAST = 1024
"""Numbers below which a tensor is kept as it is: the table would take most of what is saved."""


class PackedGraph(Graph):
    """A graph whose float32 initializers of at most 256 different values take a quarter of the space.

    A Gather from the table puts the numbers together, which ONNX Runtime does once, when the session is made. Not
    DequantizeLinear: it has evenly spaced values only, and ONNX Runtime would compute it at every run.
    """

    def __init__(self, dtype: str) -> None:
        super().__init__(dtype)
        self._packed: dict[str, Value] = {}

    def initializer(self, name: str, array: NDArray[Any]) -> Value:
        if name not in self._packed:
            self._packed[name] = self._store(name, array)
        return self._packed[name]

    def _store(self, name: str, array: NDArray[Any]) -> Value:
        if array.dtype != np.float32 or array.size < LEAST:
            return super().initializer(name, array)
        try:
            index, table = clustered.split(array)
        except WeightsError:  # more than 256 values
            return super().initializer(name, array)
        indices = super().initializer(f"{name}.index", index)
        wide = self.cast(indices, "int32")  # operator Gather takes no uint8
        return self.node("Gather", [super().initializer(f"{name}.table", table), wide], array.shape, axis=0)
