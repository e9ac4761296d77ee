"""The manifest of a batch: a line of JSON for each picture that was tried, so that a batch can go on.

What decides a result is in a line as a hash: by it a batch that goes on knows what is done.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from nst.batch.rows import Row
from nst.description import Fingerprints
from nst.errors import ImageError, SettingsError
from nst.files import read_json

MANIFEST = "nst-batch.jsonl"

_FORM = {"output": str, "status": str, "key?": (str, None), "sha256?": (str, None)}
"""What a line must be, as far as it is read again; see `nst.files`."""


class Manifest:
    """A file to which lines are added, for as long as its `with` lasts; one process at a time.

    A process that is killed may leave half a line: what does not end with the end of a line is cut off. ImageError: the
    folder cannot be written to. SettingsError: another batch is writing there.
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
        """Add a line, which reaches the disk; ImageError if it cannot be written."""
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


def key_of(row: Row, files: Fingerprints) -> str:
    """The hash of everything that decides the result of a row, but versions and the machine."""
    options = {name: value for name, value in row.options.items() if value is not None}
    return files.of({"content": row.content, "styles": row.styles, "options": options})


def inputs_of(row: Row, files: Fingerprints) -> dict[str, str | None]:
    """The hashes of the files that a row reads, by path."""
    return {path: files.file(path) for path in [row.content, *row.styles, *files_in(row.options)]}


def files_in(value: Any) -> list[str]:
    """The files among options."""
    if isinstance(value, (str, os.PathLike)):
        return [os.fspath(value)] if Path(value).is_file() else []
    if isinstance(value, Mapping):
        return [path for item in value.values() for path in files_in(item)]
    if isinstance(value, (list, tuple)):
        return [path for item in value for path in files_in(item)]
    return []
