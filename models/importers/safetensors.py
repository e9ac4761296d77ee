"""Tensors from a safetensors file with foreign names (timm, Hugging Face); nst's own go to `load_weights`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from nst.models.importers.names import Tensors

__all__ = ["is_own", "read_safetensors"]


def is_own(path: Path) -> bool:
    """Whether `save_weights` wrote the file: its metadata say what the input must look like."""
    with safe_open(path, framework="numpy") as file:
        return "mean" in (file.metadata() or {})


def read_safetensors(path: Path) -> Tensors:
    """Name -> reader for every tensor of the file."""
    with safe_open(path, framework="numpy") as file:
        names = list(file.keys())
    return {name: _reader(path, name) for name in names}


def _reader(path: Path, name: str) -> Callable[[], NDArray[np.generic]]:
    def read() -> NDArray[np.generic]:
        with safe_open(path, framework="numpy") as file:
            array: NDArray[np.generic] = file.get_tensor(name)
            return array

    return read
