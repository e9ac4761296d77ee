"""The table of contents of a zip archive, read only if it is as short as that of a network."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

from nst.errors import WeightsError

_MAX_TABLE = 1 << 18
"""Bytes: some 4000 entries, each of which costs time and memory before the first is looked at."""


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
