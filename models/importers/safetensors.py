"""Tensors from a safetensors file with foreign names (timm, Hugging Face); nst's own go to `load_weights`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from nst.models.importers.names import Stored, Tensors, widened
from nst.models.limits import check_header

_DTYPES = {"F64": "f8", "F32": "f4", "F16": "f2", "BF16": "f4", "U8": "u1"}


def is_own(path: Path) -> bool:
    """Whether `save_weights` wrote the file: its metadata say what the input must look like."""
    check_header(path)
    with safe_open(path, framework="numpy") as file:
        return "mean" in (file.metadata() or {})


def read_safetensors(path: Path) -> Tensors:
    """Every tensor of the file whose numbers numpy knows, by name."""
    check_header(path)
    with safe_open(path, framework="numpy") as file:
        return {name: _stored(path, name, file.get_slice(name)) for name in file.keys()}  # noqa: SIM118


def _stored(path: Path, name: str, claimed: Any) -> Stored:
    kind, shape = claimed.get_dtype(), tuple(claimed.get_shape())

    def read() -> NDArray[np.generic]:
        if kind == "BF16":  # which numpy does not know
            return widened(np.frombuffer(_bytes(path, name), "<u2")).reshape(shape)
        with safe_open(path, framework="numpy") as file:
            array: NDArray[np.generic] = file.get_tensor(name)
            return array

    return Stored(shape, np.dtype(_DTYPES.get(kind, "O")), read, kind)


def _bytes(path: Path, name: str) -> bytes:
    """Of a tensor, as its header says: 8 bytes of its length, JSON, and then all tensors."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        first, end = json.loads(file.read(length))[name][
            "data_offsets"
        ]  # within the file: safe_open has checked
        file.seek(8 + length + first)
        return file.read(end - first)
