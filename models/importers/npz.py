"""Tensors from an .npz archive, one member a tensor; pickled members are never loaded."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models.importers.layout import MAX_CHANNELS
from nst.models.importers.names import Tensors

__all__ = ["read_npz"]


def read_npz(path: Path) -> Tensors:
    """Name -> reader for every member of the archive."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".npy")]
    return {name[: -len(".npy")]: _reader(path, name) for name in names}


def _reader(path: Path, member: str) -> Callable[[], NDArray[np.generic]]:
    def read() -> NDArray[np.generic]:
        with zipfile.ZipFile(path) as archive:
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                header = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = header(file)
            size = math.prod(shape) * dtype.itemsize
            if dtype.hasobject or max(shape, default=0) > MAX_CHANNELS:
                raise WeightsError(f"{member} is {dtype} of shape {shape}, not a filter")
            if size > archive.getinfo(member).file_size:
                raise WeightsError(f"{member} says {size} bytes, the file holds fewer: it is truncated")
            with archive.open(member) as file:
                array: NDArray[np.generic] = np.lib.format.read_array(file, allow_pickle=False)
                return array

    return read
