"""A graph as a file: small, with words about its tensors, or as two files, the large tensors in one of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from nst.backends.onnx.graph import Graph, Value
from nst.errors import NSTError, WeightsError
from nst.files import write_atomically
from nst.models.weights import split

LEAST = 1024
"""Numbers below which a tensor is kept as it is: the table would take most of what is saved."""

LARGE = 1024  # bytes from which a tensor goes into the file beside the graph


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
            index, table = split(array)
        except WeightsError:  # more than 256 values
            return super().initializer(name, array)
        indices = super().initializer(f"{name}.index", index)
        wide = self.cast(indices, "int32")  # operator Gather takes no uint8
        return self.node("Gather", [super().initializer(f"{name}.table", table), wide], array.shape, axis=0)


def describe(model: onnx.ModelProto, about: Mapping[str, str], metadata: Mapping[str, str]) -> None:
    """Say in the model what its inputs and outputs are, a sentence each, and what else there is to know; then check it.

    onnx.checker.ValidationError: it is not a valid model, which is a fault of ours.
    """
    for value in (*model.graph.input, *model.graph.output):
        value.doc_string = about[value.name]
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)


def write_model(model: onnx.ModelProto, path: Path, weights: Path | None = None) -> None:
    """Write the model; its large tensors leave it if they go to a file of their own in the same folder, `weights`.

    One that is there already must hold the same: NSTError if not, or in another folder. OSError: a file cannot be
    written.
    """
    if weights is not None:
        if weights.resolve().parent != path.resolve().parent:
            raise NSTError(f"{weights} must be in the folder of {path}: ONNX looks for it there")
        data = _taken_out(model, weights.name)
        if weights.exists() and weights.read_bytes() != data:
            raise NSTError(f"{weights} holds other weights: choose another file, or remove it")
        write_atomically(weights, data)
    write_atomically(path, model.SerializeToString())


def read_metadata(path: Path) -> dict[str, str]:
    """The texts that `describe` put into a file; NSTError if it cannot be read as a model."""
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # whatever protobuf raises
        raise NSTError(f"{path} cannot be read as an ONNX model") from error
    return {entry.key: entry.value for entry in model.metadata_props}


def _taken_out(model: onnx.ModelProto, name: str) -> bytes:
    """The bytes of the large tensors of the network, in order, which the model then says are in the file `name`.

    What depends on the size of the picture stays, so that graphs of all sizes share the file.
    """
    parts, offset = [], 0
    for tensor in model.graph.initializer:
        if not tensor.name.startswith("conv") or len(tensor.raw_data) < LARGE:
            continue
        data = tensor.raw_data
        onnx.external_data_helper.set_external_data(tensor, name, offset, len(data))
        tensor.ClearField("raw_data")
        parts.append(data)
        offset += len(data)
    return b"".join(parts)
