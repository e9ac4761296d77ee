"""Tensors from an .npz archive, one member a tensor; pickled members are never loaded."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models.importers.archive import members
from nst.models.importers.names import Stored, Tensors

_HEADER = 1 << 14  # bytes of a member in which its header ends; numpy itself takes no longer one


def read_npz(path: Path) -> Tensors:
    """Every member of the archive by its name."""
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
