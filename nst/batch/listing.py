"""From what people type to paths of pictures: files, folders, patterns, lists."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from nst.errors import ImageError
from nst.pictures.opening import suffixes

__all__ = ["Paths", "beside", "expand"]

Paths: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def expand(words: Paths) -> list[str]:
    """The pictures that are meant, each once, in order.

    Args:
        words: pictures; folders, whose pictures are taken in natural order (2 before 10), without those in folders
            inside; patterns such as "photos/**/*.jpg"; and "@list.txt", a file with one of these a line.

    Raises:
        ImageError: a list, a folder or a pattern without a picture, or a path that is not there.
    """
    found: dict[str, str] = {}
    for word in [words] if isinstance(words, (str, os.PathLike)) else words:
        for path in _expanded(os.fspath(word)):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _lines_of(path: str) -> list[str]:
    """The lines of a list, without those that are empty or begin with #.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        text = Path(path).read_text("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise ImageError(f"cannot read the list {path}: {error.strerror}; check the name") from error
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def beside(path: str, listed_in: str) -> str:
    """A path in a list: as it is, or else beside the list."""
    near = Path(listed_in).parent / path
    return str(near) if not Path(path).exists() and near.exists() else path


def _expanded(word: str) -> list[str]:
    if word.startswith("@"):
        found = []
        for line in _lines_of(word[1:]):
            near = beside(line, word[1:])
            # a picture that is gone is one failure of a list, and not its end
            found += _expanded(near) if Path(near).is_dir() or glob.has_magic(near) else [near]
        if not found:
            raise ImageError(f"the list {word[1:]} is empty: give a path a line")
        return found
    if Path(word).is_dir():
        found = _pictures(str(path) for path in Path(word).iterdir())
        if not found:
            raise ImageError(f"there is no picture in the folder {word}")
        return found
    if Path(word).exists():
        return [word]
    if glob.has_magic(word):
        found = _pictures(glob.glob(word, recursive=True))
        if not found:
            raise ImageError(f"no picture fits {word}: check the pattern")
        return found
    raise ImageError(f"cannot read {word}: no such file or folder; check the name")


def _pictures(paths: Iterable[str]) -> list[str]:
    known = suffixes()
    found = [
        path
        for path in paths
        if Path(path).suffix.lower() in known and not Path(path).name.startswith(".") and Path(path).is_file()
    ]
    return sorted(found, key=lambda path: [int(w) if w.isdigit() else w for w in re.split(r"(\d+)", path)])
