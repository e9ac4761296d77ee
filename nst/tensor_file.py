"""Many arrays and a text in one safetensors file, which is written piece by piece: one array is in memory at a time.

The library's own writer needs all of them at once, and a run that needs most of the memory could not be saved.
Layout: https://huggingface.co/docs/safetensors (8 bytes of length, a JSON header, the arrays one after the other).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nst.files import writing_atomically

__all__ = ["Reader", "open_tensors", "write_tensors"]

Reader: TypeAlias = Callable[[], NDArray[Any]]
"""Gives an array when it is needed, the same each time."""

NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "uint8": "U8"}
TEXT = "nst"


def write_tensors(path: str | os.PathLike[str], arrays: Mapping[str, Reader], text: str) -> None:
    """Write the file whole or not at all; each array is read twice, first for its size.

    Raises:
        OSError: it cannot be written; what was there before is there still.
    """
    header: dict[str, Any] = {"__metadata__": {TEXT: text}}
    end = 0
    for name, read in arrays.items():
        array = read()
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": NAMES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    with writing_atomically(path) as file:
        file.write(len(encoded).to_bytes(8, "little"))
        file.write(encoded)
        for read in arrays.values():
            array = np.asarray(read(), order="C")
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            file.write(little.reshape(-1).view(np.uint8).data)


def open_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Reader], str]:
    """The arrays by name, each read from the file when it is asked for, and the text.

    Raises:
        OSError, ValueError: it is not there, damaged, or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    def reader(name: str) -> Reader:
        def read() -> NDArray[Any]:
            with safe_open(path, framework="numpy") as file:
                array: NDArray[Any] = file.get_tensor(name)
                return array

        return read

    try:
        with safe_open(path, framework="numpy") as file:
            names, metadata = list(file.keys()), file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    if TEXT not in metadata:
        raise ValueError("another program has written it")
    return {name: reader(name) for name in names}, metadata[TEXT]
