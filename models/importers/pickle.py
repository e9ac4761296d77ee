"""Tensors from a PyTorch file (zip or legacy) without PyTorch and without running anything in it.

A pickle is a program. This reader runs the few instructions that a dictionary of tensors needs: every
opcode is checked before the first one runs, and the only names that a file can reach are an ordered
dictionary, the storage types, and stand-ins for PyTorch's tensor constructors. Anything else is refused by
name. Sizes are compared with what the file holds before anything is allocated.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models.importers.names import Tensors

__all__ = ["LEGACY_MAGIC", "read_legacy", "read_zip"]

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_MAX_PICKLE = 8 << 20
_MAX_MEMO = 1 << 20
_DTYPES = {"Float": "f4", "Double": "f8", "Half": "f2", "BFloat16": "u2", "Long": "i8", "Int": "i4"}
_DTYPES |= {"Short": "i2", "Char": "i1", "Byte": "u1", "Bool": "?"}
_HARMLESS = """
PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT
BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINBYTES SHORT_BINBYTES
EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT DICT SETITEM SETITEMS GET
BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL REDUCE NEWOBJ BUILD BINPERSID
"""
_OPCODES = frozenset(_HARMLESS.split())


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


class _Rebuild:
    """Stands for torch._utils._rebuild_tensor and _rebuild_tensor_v2."""

    __slots__ = ()

    def __call__(self, storage: object, offset: object, size: object, stride: object, *_: object) -> _Tensor:
        if not isinstance(storage, _Storage) or not isinstance(offset, int):
            raise WeightsError("a tensor without a storage")
        return _Tensor(storage, offset, _counts(size), _counts(stride))


class _Parameter:
    """Stands for torch.nn.Parameter, which files of 2017 hold instead of plain tensors."""

    __slots__ = ("tensor",)

    tensor: object

    def __new__(cls, tensor: object = None, *_: object) -> _Parameter:
        parameter = super().__new__(cls)
        parameter.tensor = tensor
        return parameter

    def __setstate__(self, state: object) -> None:
        """Only whether it needs a gradient, which is of no interest here."""


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="utf-8")  # the names in files of Python 2 are byte strings
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name.removesuffix("Storage") in _DTYPES and name.endswith("Storage"):
            return _StorageType(name.removesuffix("Storage"))
        if (module, name) == ("torch", "Size"):
            return tuple
        if module == "torch._utils" and name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            return _Rebuild()
        if (module, name) in (("torch._utils", "_rebuild_parameter"), ("torch.nn.parameter", "Parameter")):
            return _Parameter
        raise WeightsError(f"it asks for {module}.{name}, which is refused: only tensors are read")

    def persistent_load(self, pid: object) -> _Storage:
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
            raise WeightsError("an unknown kind of external object is refused: only tensors are read")
        _, kind, key, _, elements = pid[:5]
        if not isinstance(kind, _StorageType) or not isinstance(elements, int) or elements < 0:
            raise WeightsError("a storage without a type or a size")
        if len(pid) == 6 and pid[5] is not None:
            raise WeightsError(
                "a view into another storage is refused: save the file again with a recent PyTorch"
            )
        return self.storages.setdefault(str(key), _Storage(kind, str(key), elements))


def read_zip(path: Path) -> Tensors:
    """The tensors of a file that `torch.save` wrote since PyTorch 1.6: an archive with `data.pkl` inside."""
    with zipfile.ZipFile(path) as archive:
        entry = next(name for name in archive.namelist() if name == "data.pkl" or name.endswith("/data.pkl"))
        if archive.getinfo(entry).file_size > _MAX_PICKLE:
            raise WeightsError("its table of contents is too large")
        contents, _ = _load(io.BytesIO(archive.read(entry)))
        folder = entry[: -len("data.pkl")]
        big_endian = (
            f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") == b"big"
        )

    def read(storage: _Storage) -> NDArray[np.generic]:
        name = f"{folder}data/{storage.key}"
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo(name) if name in archive.namelist() else None
            held = entry.file_size if entry and entry.compress_type == zipfile.ZIP_STORED else 0
            if held != storage.elements * _dtype(storage).itemsize:
                raise WeightsError(
                    f"storage {storage.key} holds {held} bytes, expected {storage.elements} numbers"
                )
            return np.frombuffer(archive.read(name), _dtype(storage).newbyteorder(">" if big_endian else "<"))

    return _tensors(contents, read)


def read_legacy(path: Path) -> Tensors:
    """The tensors of a file of the format before PyTorch 1.6: five pickles, then the raw storages."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = io.BytesIO(file.read(_MAX_PICKLE))
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
    start = stream.tell()
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name not in _OPCODES:
            raise WeightsError(f"pickle instruction {opcode.name} is refused: only tensors are read")
        if opcode.name.endswith("PUT") and int(argument or 0) > _MAX_MEMO:
            raise WeightsError("a pickle with an absurd number of objects is refused")
    end = stream.tell()
    stream.seek(start)
    unpickler = _Unpickler(stream)
    value = unpickler.load()
    stream.seek(end)
    return value, unpickler.storages


def _tensors(contents: Any, read: Callable[[_Storage], NDArray[np.generic]]) -> Tensors:
    if not isinstance(contents, dict):
        raise WeightsError("it holds no dictionary of tensors: save model.state_dict()")
    for wrapper in ("state_dict", "model", "params"):
        if isinstance(contents.get(wrapper), dict):
            contents = contents[wrapper]
    tensors = {}
    for name, value in contents.items():
        while isinstance(value, _Parameter):
            value = value.tensor
        if isinstance(value, _Tensor):
            tensors[str(name)] = _reader(value, read)
    return tensors


def _reader(
    tensor: _Tensor, read: Callable[[_Storage], NDArray[np.generic]]
) -> Callable[[], NDArray[np.generic]]:
    def materialise() -> NDArray[np.generic]:
        storage, offset, size, stride = tensor
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if len(size) > 4 or min(size, default=1) < 1 or offset < 0 or last >= storage.elements:
            raise WeightsError(
                f"a tensor of shape {size} does not fit its storage of {storage.elements} numbers"
            )
        if np.prod([float(n) for n in size]) > storage.elements:
            raise WeightsError(f"a tensor of shape {size} repeats its storage")
        flat = read(storage)
        if flat.size != storage.elements:
            raise WeightsError(f"the file is truncated in storage {storage.key}")
        if storage.type.name == "BFloat16":  # the upper half of a float32
            flat = (flat.astype(np.uint32) << 16).view(np.float32)
        strides = [step * flat.itemsize for step in stride]
        return np.lib.stride_tricks.as_strided(flat[offset:], size, strides, writeable=False)

    return materialise


def _counts(values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple) or not all(isinstance(n, int) and n >= 0 for n in values):
        raise WeightsError("a tensor without a proper shape")
    return tuple(values)


def _dtype(storage: _Storage) -> np.dtype[Any]:
    return np.dtype(_DTYPES[storage.type.name]).newbyteorder("<")
