"""Tensors from a PyTorch file (zip or legacy) without PyTorch and without running anything in it.

A pickle is a program. `machine` runs the few instructions that a dictionary of tensors needs, and the only names that
a file can reach are here: an ordered dictionary, the storage types, and stand-ins for PyTorch's tensor constructors.
Anything else is refused by name. Sizes are compared with what the file holds before anything is allocated.
"""

from __future__ import annotations

import io
import itertools
import math
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models.importers import machine
from nst.models.importers.archive import members
from nst.models.importers.names import Stored, Tensors, find, widened
from nst.models.limits import MAX_CONTENTS, MAX_NUMBERS

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_MOST = 100  # dictionaries that are looked into
_DTYPES = {"Float": "f4", "Double": "f8", "Half": "f2", "BFloat16": "u2", "Long": "i8", "Int": "i4"}
_DTYPES |= {"Short": "i2", "Char": "i1", "Byte": "u1", "Bool": "?"}
_Function: TypeAlias = Literal["dictionary", "tuple", "tensor", "parameter"]
_FUNCTIONS: dict[tuple[str, str], _Function] = {
    ("collections", "OrderedDict"): "dictionary",
    ("torch", "Size"): "tuple",
    ("torch._utils", "_rebuild_tensor"): "tensor",
    ("torch._utils", "_rebuild_tensor_v2"): "tensor",
    ("torch._utils", "_rebuild_parameter"): "parameter",
    ("torch.nn.parameter", "Parameter"): "parameter",  # in files of 2017
}
"""What a file can call."""


class _StorageType(NamedTuple):
    name: str


class _Storage(NamedTuple):
    type: _StorageType
    key: str
    elements: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def _find(module: str, name: str) -> Any:
    if (module, name) in _FUNCTIONS:
        return _FUNCTIONS[module, name]
    if module == "torch" and name.removesuffix("Storage") in _DTYPES and name.endswith("Storage"):
        return _StorageType(name.removesuffix("Storage"))
    if name == "_rebuild_tensor_v3":
        raise WeightsError(
            "its numbers are of a kind that is not read, such as 8-bit floats: convert it to float32"
        )
    raise WeightsError(f"it asks for {module[:99]}.{name[:99]}, which is refused: only tensors are read")


def _call(function: Any, arguments: Any) -> Any:
    if not isinstance(function, str) or not isinstance(arguments, tuple):
        raise WeightsError("a call of what is no function is refused")
    match function:
        case "dictionary":  # Python 2 gives it its items, Python 3 fills it afterwards
            return machine.filled(*arguments) if arguments else {}
        case "tuple":
            return tuple(*arguments)
        case "parameter":
            return arguments[0]
        case "tensor":
            storage, offset, size, stride = arguments[:4]
            if not isinstance(storage, _Storage) or not isinstance(offset, int):
                raise WeightsError("a tensor without a storage")
            return _Tensor(storage, offset, _counts(size), _counts(stride))
    raise WeightsError("a call of what is no function is refused")


def _storage(pid: object) -> _Storage:
    if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
        raise WeightsError("an unknown kind of external object is refused: only tensors are read")
    _, kind, key, _, elements = pid[:5]
    if not isinstance(kind, _StorageType) or not isinstance(elements, int) or elements < 0:
        raise WeightsError("a storage without a type or a size")
    if not isinstance(key, str | int):
        raise WeightsError("a storage without a name")
    if len(pid) == 6 and pid[5] is not None:
        raise WeightsError(
            "a view into another storage is refused: save the file again with a recent PyTorch"
        )
    return _Storage(kind, str(key), elements)


def read_zip(path: Path) -> Tensors:
    """The tensors of a file that `torch.save` wrote since PyTorch 1.6: an archive with `data.pkl` inside."""
    entries = members(path)
    entry = next(name for name in entries if name == "data.pkl" or name.endswith("/data.pkl"))
    with zipfile.ZipFile(path) as archive:
        if entries[entry].file_size > MAX_CONTENTS:
            raise WeightsError("its table of contents is too large")
        contents, _ = _load(io.BytesIO(archive.read(entry)))
        folder = entry.removesuffix("data.pkl")
        order = b"little"
        if f"{folder}byteorder" in entries:
            with archive.open(f"{folder}byteorder") as file:
                order = file.read(7)
        if order not in (b"little", b"big"):
            raise WeightsError("its byte order is neither little nor big")

    def read(storage: _Storage) -> NDArray[np.generic]:
        name = f"{folder}data/{storage.key}"
        entry = entries.get(name)
        held = entry.file_size if entry and entry.compress_type == zipfile.ZIP_STORED else 0
        if held != storage.elements * _dtype(storage).itemsize:
            raise WeightsError(
                f"storage {storage.key} holds {held} bytes, expected {storage.elements} numbers"
            )
        with zipfile.ZipFile(path) as archive:
            data = archive.read(name)
        return np.frombuffer(data, _dtype(storage).newbyteorder(">" if order == b"big" else "<"))

    return _tensors(contents, read)


def read_legacy(path: Path) -> Tensors:
    """The tensors of a file of the format before PyTorch 1.6: five pickles, then the raw storages."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = io.BytesIO(file.read(MAX_CONTENTS))
        magic, _ = _load(head)
        protocol, _ = _load(head)
        if magic != LEGACY_MAGIC or protocol != _PROTOCOL:
            raise WeightsError("a pickle, but not one that PyTorch wrote")
        _load(head)  # the byte order and word sizes of the writer; every PyTorch writes little-endian
        contents, storages = _load(head)
        keys, _ = _load(head)
        positions = _legacy_positions(file, head.tell(), size, keys, storages)

    def read(storage: _Storage) -> NDArray[np.generic]:
        position = positions[storage.key]
        with path.open("rb") as file:
            file.seek(position)
            return np.frombuffer(file.read(storage.elements * _dtype(storage).itemsize), _dtype(storage))

    return _tensors(contents, read)


def _legacy_positions(
    file: BinaryIO, start: int, size: int, keys: object, storages: dict[str, _Storage]
) -> dict[str, int]:
    """Where each storage begins: a count of 8 bytes comes before each of them, in the order of `keys`."""
    positions = {}
    for key in keys if isinstance(keys, list) else []:
        storage = storages.get(str(key))
        if storage is None:
            raise WeightsError(f"storage {key} belongs to no tensor")
        file.seek(start)
        counted = file.read(8)
        end = start + 8 + storage.elements * _dtype(storage).itemsize
        if end > size or len(counted) < 8:
            raise WeightsError(f"the file is truncated: it has {size} bytes, storage {key} ends at {end}")
        if struct.unpack("<q", counted)[0] != storage.elements:
            raise WeightsError(f"storage {key} has another size than its tensor says")
        positions[storage.key] = start + 8
        start = end
    return positions


def _load(stream: io.BytesIO) -> tuple[Any, dict[str, _Storage]]:
    """(the object of the pickle that starts here, its storages by key); the stream then stands after it."""
    storages: dict[str, _Storage] = {}

    def load(pid: object) -> _Storage:
        storage = _storage(pid)
        return storages.setdefault(storage.key, storage)

    return machine.run(stream, _find, _call, load), storages


def _tensors(contents: Any, read: Callable[[_Storage], NDArray[np.generic]]) -> Tensors:
    if not isinstance(contents, dict):
        raise WeightsError("it holds no dictionary of tensors: save model.state_dict()")
    found: Tensors = {}
    for inside in itertools.islice(_dictionaries(contents), _MOST):
        tensors = {
            name: _stored(value, read)
            for name, value in inside.items()
            if isinstance(name, str) and isinstance(value, _Tensor)
        }
        found = found or tensors
        with suppress(WeightsError):  # the state of an optimiser, or another network
            find(tensors)
            return tensors
    return found


def _dictionaries(contents: dict[Any, Any], depth: int = 3) -> Iterator[dict[Any, Any]]:
    """A dictionary and those inside it, as training programs keep them: {"epoch": 3, "model_state_dict": {...}}."""
    yield contents
    for value in contents.values():
        if isinstance(value, dict) and depth:
            yield from _dictionaries(value, depth - 1)


def _stored(tensor: _Tensor, read: Callable[[_Storage], NDArray[np.generic]]) -> Stored:
    def materialise() -> NDArray[np.generic]:
        storage, offset, size, stride = tensor
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if min(size, default=1) < 1 or offset < 0 or last >= storage.elements:
            raise WeightsError(
                f"a tensor of shape {size} does not fit its storage of {storage.elements} numbers"
            )
        if math.prod(size) > storage.elements:
            raise WeightsError(f"a tensor of shape {size} repeats its storage")
        if storage.elements > MAX_NUMBERS:
            raise WeightsError(
                f"a storage of {storage.elements} numbers is refused: at most {MAX_NUMBERS} are read"
            )
        flat = read(storage)
        if flat.size != storage.elements:
            raise WeightsError(f"the file is truncated in storage {storage.key}")
        if storage.type.name == "BFloat16":
            flat = widened(flat)
        strides = [step * flat.itemsize for step in stride]
        return np.lib.stride_tricks.as_strided(flat[offset:], size, strides, writeable=False)

    kind = np.dtype(np.float32) if tensor.storage.type.name == "BFloat16" else _dtype(tensor.storage)
    return Stored(tensor.size, kind, materialise)


def _counts(values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple) or not all(isinstance(n, int) and n >= 0 for n in values):
        raise WeightsError("a tensor without a proper shape")
    return tuple(values)


def _dtype(storage: _Storage) -> np.dtype[Any]:
    return np.dtype(_DTYPES[storage.type.name]).newbyteorder("<")
