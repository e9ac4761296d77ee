"""What decides a result, as a hash: a batch that goes on knows by it what is done."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nst.batch.rows import Row
from nst.models.weights import NetworkWeights

__all__ = ["Fingerprints", "digest", "files_in"]


def digest(data: bytes) -> str:
    """The SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


class Fingerprints:
    """Hashes of rows and files; a file is read once for as long as it does not change."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[tuple[int, int], str]] = {}

    def file(self, path: str) -> str | None:
        """The hash of a file, or None where it cannot be read."""
        try:
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode):  # a pipe would wait for ever
                return None
            seen = status.st_size, status.st_mtime_ns
            known = self._files.get(path)
            if known is None or known[0] != seen:
                hashed = hashlib.sha256()
                with open(path, "rb") as file:
                    while block := file.read(2**20):
                        hashed.update(block)
                known = self._files[path] = seen, hashed.hexdigest()
            return known[1]
        except OSError:
            return None

    def inputs(self, row: Row) -> dict[str, str | None]:
        """The hashes of the files that a row reads, by path."""
        paths = dict.fromkeys([row.content, *row.styles, *files_in(row.options)])
        return {path: self.file(path) for path in paths}

    def key(self, row: Row) -> str:
        """The hash of everything that decides the result of a row, but versions and the machine."""
        options = {name: self._plain(value) for name, value in row.options.items()}
        document = {
            "content": self.file(row.content),
            "styles": [self.file(style) for style in row.styles],
            "options": {name: value for name, value in options.items() if value is not None},
        }
        return digest(json.dumps(document, sort_keys=True, default=repr).encode())

    def _plain(self, value: Any) -> Any:
        """An option as JSON has it; of files and arrays the hash."""
        if isinstance(value, (str, os.PathLike)):
            return self.file(os.fspath(value)) or str(value)
        if isinstance(value, Mapping):
            return {str(name): self._plain(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._plain(item) for item in value]
        if isinstance(value, np.ndarray):
            return [str(value.dtype), value.shape, digest(np.ascontiguousarray(value).tobytes())]
        if isinstance(value, NetworkWeights):
            return value.sha256
        if hasattr(value, "versions"):  # a backend
            return [value.name, value.device, value.dtype, value.precision]
        return value


def files_in(value: Any) -> list[str]:
    """The files among options."""
    if isinstance(value, (str, os.PathLike)):
        return [os.fspath(value)] if Path(value).is_file() else []
    if isinstance(value, Mapping):
        return [path for item in value.values() for path in files_in(item)]
    if isinstance(value, (list, tuple)):
        return [path for item in value for path in files_in(item)]
    return []
