"""Tensors from a MatConvNet .mat file (imagenet-vgg-verydeep-19.mat, old or new layout), and how such a file is read.

MathWorks, *MAT-File Format*, chapter 1, versions 5 to 7: the numeric arrays, texts, cells and structures of which a
network consists. A file is a header and a row of elements, each with a tag that says its type and its bytes; a matrix
is an element of elements. Everything is read once from front to back, and no further than an element says that it
reaches. What nobody asks for is passed over: 500 MB of classifier are never in memory.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models.importers.layout import CONVENTIONS, Convention
from nst.models.importers.names import Stored, Tensors
from nst.models.limits import MAX_CHANNELS, MAX_FILE, MAX_NUMBERS

_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCTURE, _TEXT = 1, 2, 4
_DEPTH = 8  # of matrices in matrices; a filter is in a cell in a structure in a cell
_MATRICES = 20_000  # a VGG19 with the names of its thousand classes has 2 thousand
_SHORT = 1 << 16  # bytes of a name or a text
_PIECE = 1 << 20
_RATIO, _SLACK = 50, 1 << 26  # how much more than itself deflated data may give, once it is more than 64 MB
_NAME = re.compile(r"conv[1-5]_[1-4]")
_VARIABLES = ("layers", "normalization", "meta")
_FIELDS = ("name", "weights", "filters", "biases", "normalization", "averageImage")

Structure: TypeAlias = dict[str, Any]
"""One element of a structure array, by the names of its fields."""


class _Inflated(io.RawIOBase):
    """What `size` bytes of a file unpack to."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left = file, size
        self._inflate, self._waiting = zlib.decompressobj(), b""
        self._given, self._most = 0, min(MAX_FILE, max(_SLACK, _RATIO * size))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = b""
        while not data and not self._inflate.eof:
            if not self._waiting:
                self._waiting = self._file.read(min(self._left, _PIECE))
                self._left -= len(self._waiting)
                if not self._waiting:
                    break
            data = self._inflate.decompress(self._waiting, len(buffer))
            self._waiting = self._inflate.unconsumed_tail
        self._given += len(data)
        if self._given > self._most:
            raise WeightsError("its compressed data unpack to absurdly much, which is refused")
        buffer[: len(data)] = data
        return len(data)


class _Reader:
    """Reads matrices from a stream that knows no way back, after the tag of a matrix; of structures `fields`."""

    def __init__(self, stream: BinaryIO, order: str, fields: Collection[str]) -> None:
        self._stream, self._order, self._fields = stream, order, fields
        self._at = self._matrices = self._numbers = 0

    def variable(self, size: int, wanted: Collection[str]) -> tuple[str, Any]:
        """The name of the variable in these bytes, and its value if it is one of those that are wanted."""
        end = self._at + size
        kind, shape, name = self._head()
        return name, self._body(kind, shape, end, 1) if name in wanted else None

    def _matrix(self, depth: int) -> Any:
        kind, size, _ = self._tag()
        if kind != _MATRIX:
            raise WeightsError(f"an element of type {kind} where a matrix has to be")
        if not size:  # an empty matrix may be nothing but its tag
            return None
        end = self._at + size
        kind, shape, _ = self._head()
        return self._body(kind, shape, end, depth)

    def _head(self) -> tuple[int, tuple[int, ...], str]:
        """(class, shape, name) of a matrix, in front of what it holds."""
        self._matrices += 1
        if self._matrices > _MATRICES:
            raise WeightsError(f"more than {_MATRICES} matrices are no network")
        flags = self._numeric()
        shape = tuple(int(side) for side in self._numeric())
        if not flags.size or min(shape, default=-1) < 0 or len(shape) > 8:
            raise WeightsError("a matrix without a proper shape")
        return int(flags[0]) & 0xFF, shape, self._text()

    def _body(self, kind: int, shape: tuple[int, ...], end: int, depth: int) -> Any:
        """What a matrix holds; None for what is no part of a network. The stream then stands at `end`."""
        if depth > _DEPTH:
            raise WeightsError(f"matrices nested more than {_DEPTH} deep are no network")
        value: Any = None
        if kind == _CELL:
            value = [self._matrix(depth + 1) for _ in range(self._count(shape))]
        elif kind == _STRUCTURE:
            value = self._structures(self._count(shape), depth)
        elif kind == _TEXT:
            value = self._text()
        elif kind in _CLASSES and max(shape) <= MAX_CHANNELS:
            value = self._array(shape, _CLASSES[kind])
        self._pass_over(end - self._at)
        return value

    def _structures(self, count: int, depth: int) -> list[Structure]:
        (length,) = (int(number) for number in self._numeric())
        data = self._short(*self._tag())
        if not 0 < length <= 64 or len(data) % length:
            raise WeightsError("a structure whose fields have no proper names")
        names = [
            data[at : at + length].split(b"\0")[0].decode("latin-1") for at in range(0, len(data), length)
        ]
        return [
            {name: value for name in names if (value := self._field(name, depth)) is not None}
            for _ in range(count)
        ]

    def _field(self, name: str, depth: int) -> Any:
        if name in self._fields:
            return self._matrix(depth + 1)
        _, size, data = self._tag()
        if data is None:
            self._pass_over(size)
        return None

    def _array(self, shape: tuple[int, ...], kind: str) -> NDArray[np.generic]:
        """The real part; whole numbers may be stored in fewer bytes than their class has."""
        count = math.prod(shape)
        self._numbers += count
        if self._numbers > MAX_NUMBERS:
            raise WeightsError(
                f"its matrices have more numbers than any VGG19: at most {MAX_NUMBERS} are read"
            )
        stored, size, data = self._tag()
        if stored not in _TYPES or size != count * np.dtype(_TYPES[stored]).itemsize:
            raise WeightsError(f"a matrix of shape {shape} does not have the bytes that it needs")
        values = np.frombuffer(self._padded(size) if data is None else data, self._order + _TYPES[stored])
        return values.astype(kind, copy=False).reshape(shape, order="F")

    def _count(self, shape: tuple[int, ...]) -> int:
        if math.prod(shape) > _MATRICES:
            raise WeightsError(f"more than {_MATRICES} matrices are no network")
        return math.prod(shape)

    def _numeric(self) -> NDArray[np.generic]:
        """The numbers of a short element."""
        kind, size, data = self._tag()
        if kind not in _TYPES or size % np.dtype(_TYPES[kind]).itemsize:
            raise WeightsError(f"an element of type {kind} where numbers have to be")
        return np.frombuffer(self._short(kind, size, data), self._order + _TYPES[kind])

    def _text(self) -> str:
        kind, size, data = self._tag()
        if kind not in _TEXTS:
            raise WeightsError(f"an element of type {kind} where a text has to be")
        wide = _TEXTS[kind] in ("utf-16", "utf-32")
        encoding = _TEXTS[kind] + ("-le" if self._order == "<" else "-be") * wide
        return self._short(kind, size, data).decode(encoding, "replace")

    def _short(self, kind: int, size: int, data: bytes | None) -> bytes:
        if data is not None:
            return data
        if size > _SHORT:
            raise WeightsError(f"a name or text of {size} bytes is refused")
        return self._padded(size)

    def _tag(self) -> tuple[int, int, bytes | None]:
        """(type, bytes, data) of the next element; at most four bytes of data stand in the tag itself."""
        raw = self._take(8)
        kind, size = struct.unpack(self._order + "II", raw)
        if kind >> 16 == 0:
            return kind, size, None
        if kind >> 16 > 4:
            raise WeightsError(f"an element of type {kind} is none")
        return kind & 0xFFFF, kind >> 16, raw[4 : 4 + (kind >> 16)]

    def _padded(self, size: int) -> bytes:
        data = self._take(size)
        self._pass_over(-size % 8)
        return data

    def _take(self, size: int) -> bytes:
        pieces = []
        while size > 0:  # in pieces, so that what only claims to be there costs nothing
            piece = self._stream.read(min(size, _PIECE))
            if not piece:
                raise WeightsError("the file is truncated")
            pieces.append(piece)
            self._at, size = self._at + len(piece), size - len(piece)
        return b"".join(pieces)

    def _pass_over(self, size: int) -> None:
        if size < 0:
            raise WeightsError("a matrix holds more than it says")
        while size > 0:
            piece = self._stream.read(min(size, _PIECE))
            if not piece:
                raise WeightsError("the file is truncated")
            self._at, size = self._at + len(piece), size - len(piece)


def read_matfile(path: Path, variables: Collection[str], fields: Collection[str]) -> dict[str, Any]:
    """Some variables of a file that begins with "MATLAB 5.0", by name; of all structures the named fields alone.

    Arrays as they are; texts as `str`; cells as lists; structures as lists of `Structure`, with the fields that are
    there. None, or no field, for arrays with a side above `MAX_CHANNELS` and for all that is no part of a network.
    WeightsError: damaged, truncated, or larger than any VGG19. zlib.error: damaged where it is compressed.
    """
    found: dict[str, Any] = {}
    with path.open("rb") as file:
        order = "<" if file.read(128)[126:] == b"IM" else ">"
        while tag := file.read(8):
            if len(tag) < 8:
                raise WeightsError("the file is truncated")
            kind, size = struct.unpack(order + "II", tag)
            end = file.tell() + size
            stream: BinaryIO = file
            if kind == _COMPRESSED:
                stream = io.BufferedReader(_Inflated(file, size), _PIECE)
                kind, size = struct.unpack(order + "II", stream.read(8).ljust(8, b"\0"))
            if kind == _MATRIX:
                name, value = _Reader(stream, order, fields).variable(size, variables)
                if value is not None:
                    found[name] = value
                    if stream is not file and stream.read(1):  # the last bytes are checked by their sum
                        raise WeightsError("a matrix has more bytes than it says")
            file.seek(end)
    return found


def read_matlab(path: Path) -> tuple[Tensors, Convention]:
    """(conv1_1.weight ..., the input's convention); weights are (3, 3, in, out), rows first.

    WeightsError: the file is damaged, or it is not a MatConvNet network.
    """
    content = read_matfile(path, _VARIABLES, _FIELDS)
    if not isinstance(content.get("layers"), list):
        raise WeightsError("conv1_1.weight is missing: no MatConvNet network, it has no variable 'layers'")
    tensors: dict[str, Stored] = {}
    for cell in content["layers"]:
        layer = _one(cell)
        name = layer.get("name")
        if isinstance(name, str) and _NAME.fullmatch(name):
            weight, bias = _parameters(layer, name)
            tensors[f"{name}.weight"] = _stored(weight)
            tensors[f"{name}.bias"] = _stored(bias.reshape(-1))
    return tensors, _convention(content)


def _one(value: Any) -> Mapping[str, Any]:
    """A structure out of the arrays of one that MATLAB wraps it into; without fields where it is none."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) else {}


def _parameters(layer: Mapping[str, Any], name: str) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    parts = layer.get("weights", [layer.get("filters"), layer.get("biases")])
    if not isinstance(parts, list) or len(parts) != 2:
        raise WeightsError(f"{name}.bias is missing")
    weight, bias = parts
    if not isinstance(weight, np.ndarray) or not isinstance(bias, np.ndarray):
        raise WeightsError(f"{name} has no filters and biases of a VGG")
    # MATLAB drops trailing dimensions of size 1
    return weight.reshape(weight.shape + (1,) * (4 - weight.ndim)), bias


def _convention(content: Mapping[str, Any]) -> Convention:
    """MatConvNet reads pictures as RGB, 0 to 255; the mean is in the file."""
    fixed = CONVENTIONS["caffe-rgb"]
    holder = _one(content.get("normalization")) or _one(_one(content.get("meta")).get("normalization"))
    average = holder.get("averageImage")
    if not isinstance(average, np.ndarray) or not average.size or average.size % 3:
        return fixed
    red, green, blue = (float(value) for value in average.astype(np.float64).reshape(-1, 3).mean(axis=0))
    return Convention(fixed.order, fixed.scale, (red, green, blue))


def _stored(array: NDArray[np.generic]) -> Stored:
    return Stored(array.shape, array.dtype, lambda: array)
