"""Zip archives: a table of contents, read only if it is as short as that of a network; the tensors of an .npz."""

from __future__ import annotations

import io
import math
import os
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models.importers.names import Stored, Tensors

_MAX_TABLE = 1 << 18
"""Bytes: some 4000 entries, each of which costs time and memory before the first is looked at."""
_HEADER = 1 << 14  # bytes of a member in which its header ends; numpy itself takes no longer one


class _Cautious(io.FileIO):
    """A file of which nobody takes very much at once; `zipfile` takes the table of contents in one piece."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = os.fstat(self.fileno()).st_size - self.tell()
        if size > _MAX_TABLE:
            raise WeightsError("its table of contents is too large for a network")
        return super().read(size) or b""


def members(path: Path) -> dict[str, zipfile.ZipInfo]:
    """The entries of an archive by name.

    WeightsError: there are too many. zipfile.BadZipFile: the archive is damaged.
    """
    with _Cautious(path) as file, zipfile.ZipFile(file) as archive:
        return {entry.filename: entry for entry in archive.infolist()}


def read_npz(path: Path) -> Tensors:
    """Every member of an .npz archive by its name; pickled ones are never loaded."""
    names = [name for name in members(path) if name.endswith(".npy")]
    with zipfile.ZipFile(path) as archive:
        return {name.removesuffix(".npy"): _stored(path, archive, name) for name in names}


def _stored(path: Path, archive: zipfile.ZipFile, member: str) -> Stored:
    with archive.open(member) as file:
        head = io.BytesIO(file.read(_HEADER))
    version = np.lib.format.read_magic(head)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(head)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(head)
    if math.prod(shape) * dtype.itemsize > archive.getinfo(member).file_size:
        raise WeightsError(f"{member} says {dtype} of shape {shape}, the file holds less: it is truncated")

    def read() -> NDArray[np.generic]:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            array: NDArray[np.generic] = np.lib.format.read_array(file, allow_pickle=False)
            return array

    return Stored(shape, dtype, read)
