"""Tensors from an ONNX model: the 3x3 convolutions in graph order.

The numbers of the fields are those of onnx.proto.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models import vgg
from nst.models.importers.names import Stored, Tensors, counted
from nst.models.importers.protobuf import Field, Message

_GRAPH = 7  # of ModelProto
_NODE, _INITIALIZER = 1, 5  # of GraphProto
_INPUT, _OPERATOR = 1, 4  # of NodeProto
_DIMS, _TYPE, _FLOATS, _NAME, _RAW, _DOUBLES, _LOCATION = 1, 2, 4, 8, 9, 10, 14  # of TensorProto
_DTYPES = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 10: "<f2", 11: "<f8", 16: "<u2"}
_BFLOAT16, _OUTSIDE = 16, 1
_MAX_NODES = 1000


@dataclass(frozen=True)
class _Initializer:
    """A TensorProto: its shape, the number of its type, where its numbers are (None: in another file or form)."""

    shape: tuple[int, ...]
    kind: int
    numbers: Field | None
    outside: bool


def read_onnx(path: Path) -> tuple[Tensors, str]:
    """(the tensors, the name of the input convention that their names suggest).

    WeightsError: damaged, or the graph is no VGG.
    """
    with path.open("rb") as file:
        message = Message(file, path.stat().st_size)
        graphs = [field for field in message.fields() if field.number == _GRAPH]
        parts = [part for graph in graphs for part in message.fields(graph.start, graph.size)]
        nodes = [part for part in parts if part.number == _NODE]
        if len(nodes) > _MAX_NODES:
            raise WeightsError(f"{len(nodes)} nodes are no VGG19")
        convolutions = [inputs for node in nodes if (inputs := _inputs(message, node))]
        if len(convolutions) > len(vgg.LAYER_NAMES):
            raise WeightsError(
                f"{len(convolutions)} convolutions are no VGG19, which has {len(vgg.LAYER_NAMES)}"
            )
        initializers = dict(_initializer(message, part) for part in parts if part.number == _INITIALIZER)
    tensors: dict[str, Stored] = {}
    for number, inputs in enumerate(convolutions):
        for part, name in zip(("weight", "bias"), inputs[1:3], strict=False):
            if name in initializers:
                tensors[counted(number, part)] = _stored(path, name, initializers[name])
    first = next((inputs[1] for inputs in convolutions if len(inputs) > 1), "")
    return tensors, "caffe" if first.startswith(("conv1_1", "block1_conv1")) else "torchvision"


def _inputs(message: Message, node: Field) -> list[str]:
    """The names of the inputs of a convolution; none for another operator."""
    fields = list(message.fields(node.start, node.size))
    operators = [message.text(field) for field in fields if field.number == _OPERATOR]
    return (
        [message.text(field) for field in fields if field.number == _INPUT] if operators == ["Conv"] else []
    )


def _initializer(message: Message, tensor: Field) -> tuple[str, _Initializer]:
    """(its name, what it is)."""
    name, kind, outside = "", 0, False
    shape: list[int] = []
    numbers = None
    for field in message.fields(tensor.start, tensor.size):
        if field.number == _NAME:
            name = message.text(field)
        elif field.number == _DIMS:
            shape += message.integers(field)
        elif field.number == _TYPE:
            kind = field.value
        elif field.number == _LOCATION:
            outside = field.value == _OUTSIDE
        elif field.number in (_RAW, _FLOATS, _DOUBLES):
            numbers = field
    return name, _Initializer(tuple(shape), kind, numbers, outside)


def _stored(path: Path, name: str, claimed: _Initializer) -> Stored:
    def read() -> NDArray[np.generic]:
        if claimed.outside:
            raise WeightsError(
                f"{name} lies in another file, which is refused: export with the weights inside"
            )
        size = math.prod(claimed.shape) * dtype.itemsize
        if claimed.numbers is None or claimed.numbers.size != size:
            raise WeightsError(f"{name} has shape {claimed.shape}, the file does not hold its numbers")
        with path.open("rb") as file:
            file.seek(claimed.numbers.start)
            values = np.frombuffer(file.read(size), dtype)
        if claimed.kind == _BFLOAT16:  # the upper half of a float32
            values = (values.astype(np.uint32) << 16).view(np.float32)
        return values.reshape(claimed.shape)

    dtype = np.dtype(_DTYPES.get(claimed.kind, "O"))
    return Stored(claimed.shape, np.dtype(np.float32) if claimed.kind == _BFLOAT16 else dtype, read)
