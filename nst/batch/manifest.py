"""The manifest of a batch: a line of JSON for each picture that was tried, so that a batch can go on.

What decides a result is in a line as a hash: by it a batch that goes on knows what is done.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from nst.batch.rows import Row
from nst.documents import read_json
from nst.errors import ImageError, SettingsError
from nst.models.weights import NetworkWeights

__all__ = ["MANIFEST", "Fingerprints", "Manifest", "digest", "files_in"]

MANIFEST = "nst-batch.jsonl"

_FORM = {"output": str, "status": str, "key?": (str, None), "sha256?": (str, None)}
"""What a line must be, as far as it is read again; see `nst.documents`."""


class Manifest:
    """A file to which lines are added, for as long as its `with` lasts; one process at a time.

    A process that is killed may leave half a line: what does not end with the end of a line is cut off.

    Args:
        folder: of the results.

    Raises:
        ImageError: the folder cannot be written to.
        SettingsError: another batch is writing there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / MANIFEST
        self._entries: dict[str, dict[str, Any]] = {}
        self._open: BinaryIO | None = None

    def __enter__(self) -> Manifest:
        from filelock import FileLock, Timeout

        self._lock = FileLock(self._folder / f".{MANIFEST}.lock")
        try:
            self._lock.acquire(timeout=0)
            self._open = open(self._file, "a+b")  # closed by __exit__
            self._read(self._open)
        except Timeout:
            raise SettingsError(
                f"another batch is writing to {self._folder}: wait for it, or use another folder"
            ) from None
        except OSError as error:
            self._close()
            raise self._unwritable(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
        self._lock.release()

    def holds(self, output: str, key: str, files: Fingerprints) -> bool:
        """Whether a result is there, made from the same inputs with the same options, and not changed since."""
        entry = self._entries.get(output, {})
        if entry.get("status") != "done" or entry.get("key") != key:
            return False
        there = files.file(str(self._folder / output))
        return there is not None and there == entry.get("sha256")

    def add(self, entry: Mapping[str, Any]) -> None:
        """Add a line, which reaches the disk.

        Raises:
            ImageError: it cannot be written.
        """
        assert self._open is not None
        try:
            self._open.write(json.dumps(dict(entry), default=str).encode() + b"\n")
            self._open.flush()
            os.fsync(self._open.fileno())
        except OSError as error:
            raise self._unwritable(error) from error
        self._entries[str(entry["output"])] = dict(entry)

    def _read(self, file: BinaryIO) -> None:
        file.seek(0)
        data = file.read()
        whole = data.rfind(b"\n") + 1
        file.truncate(whole)
        for line in data[:whole].splitlines():
            try:
                entry = read_json(line, _FORM)
                self._entries[entry["output"]] = entry
            except ValueError:
                continue  # whoever wrote it, it is no result of ours

    def _unwritable(self, error: OSError) -> ImageError:
        reason = error.strerror or error
        return ImageError(f"cannot write {self._file}: {reason}; free some space, or use another folder")


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
