"""Tensors from an ONNX model: the 3x3 convolutions in graph order, found without reading all of the file.

protobuf.dev, *Encoding*. A message is a row of fields, each with a number (those of onnx.proto) and a type. The library
of Protocol Buffers makes an object of every field before anybody sees the first: 20 MB of empty messages take 1.6 GB.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models import vgg
from nst.models.importers.names import Stored, Tensors, counted, widened

_MAX_FIELDS = 20_000
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_SHORT = 1 << 16
_GRAPH = 7  # of ModelProto
_NODE, _INITIALIZER = 1, 5  # of GraphProto
_INPUT, _OPERATOR = 1, 4  # of NodeProto
_DIMS, _TYPE, _FLOATS, _NAME, _RAW, _DOUBLES, _LOCATION = 1, 2, 4, 8, 9, 10, 14  # of TensorProto
_DTYPES = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 10: "<f2", 11: "<f8", 16: "<u2"}
_BFLOAT16, _OUTSIDE = 16, 1
_MAX_NODES = 1000


@dataclass(frozen=True)
class Field:
    """A field: its number, and its value, or where its bytes are."""

    number: int  # what it is, in its message
    value: int  # of an integer; 0 for bytes
    start: int  # of its bytes in the file
    size: int  # how many there are; 0 for an integer


class Message:
    """Reads the fields of messages in one file, and counts them."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size, self._count = file, size, 0

    def fields(self, start: int = 0, size: int | None = None) -> Iterator[Field]:
        """The fields of the message in these bytes, else in the whole file.

        WeightsError: not a message, one that is cut short, or too many fields.
        """
        at, end = start, self._size if size is None else start + size
        while at < end:
            self._count += 1
            if self._count > _MAX_FIELDS:
                raise WeightsError(f"more than {_MAX_FIELDS} fields are no VGG")
            tag, at = self._varint(at)
            number, kind = tag >> 3, tag & 7
            value = length = 0
            if kind == _VARINT:
                value, at = self._varint(at)
            elif kind == _BYTES:
                length, at = self._varint(at)
            elif kind in (_EIGHT, _FOUR):
                length = 8 if kind == _EIGHT else 4
            else:
                raise WeightsError("it is damaged: no message of Protocol Buffers")
            if at + length > end:
                raise WeightsError("the file is truncated")
            yield Field(number, value, at, length)
            at += length

    def text(self, field: Field) -> str:
        """A name; not more than 64 kB of it."""
        self._file.seek(field.start)
        return self._file.read(min(field.size, _SHORT)).decode("utf-8", "replace")

    def integers(self, field: Field) -> list[int]:
        """One integer, or several in one field."""
        if not field.size:
            return [field.value]
        numbers, at = [], field.start
        while at < field.start + min(field.size, _SHORT):
            number, at = self._varint(at)
            numbers.append(number)
        return numbers

    def _varint(self, at: int) -> tuple[int, int]:
        """(a number of 7 bits a byte, where it ends)."""
        self._file.seek(at)
        value = 0
        for place, byte in enumerate(self._file.read(10)):
            value |= (byte & 127) << 7 * place
            if byte < 128:
                return value, at + place + 1
        raise WeightsError("the file is truncated")


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
        if claimed.kind == _BFLOAT16:
            values = widened(values)
        return values.reshape(claimed.shape)

    dtype = np.dtype(_DTYPES.get(claimed.kind, "O"))
    return Stored(claimed.shape, np.dtype(np.float32) if claimed.kind == _BFLOAT16 else dtype, read)
