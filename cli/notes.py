"""What a user should know of the pictures that were given, beside errors: one line each, on stderr."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nst.errors import ImageError
from nst.pictures.formats import ANIMATED
from nst.pictures.opening import open_file, open_picture

__all__ = ["notes"]

_MANY = 4
"""Style pictures from which on it is likelier that somebody typed *.jpg than that all of them are meant."""


def notes(content: Any, styles: Sequence[Any]) -> list[str]:
    """Lines about the pictures of a transfer; those that are no files have none.

    Args:
        content: what was typed first.
        styles: what was typed after it.
    """
    lines = []
    if _is_path(content) and _is_animated(content):
        lines.append(f"{content} is animated: its first frame is painted; nst video paints all of them")
    lines += [
        f"{style} is animated: its first frame is the style"
        for style in styles
        if _is_path(style) and _is_animated(style)
    ]
    alike = [
        style for style in styles if _is_path(content) and _is_path(style) and _are_alike(content, style)
    ]
    if _is_path(content) and (alike or len(styles) >= _MANY):
        rest = f"{styles[0]} is its style" if len(styles) == 1 else f"the {len(styles)} others are its styles"
        lines.append(f"{content} is painted and {rest}: to paint several pictures, run nst once for each")
    return lines


def _is_path(given: Any) -> bool:
    return isinstance(given, (str, os.PathLike)) and bool(os.fspath(given))


def _is_animated(path: str) -> bool:
    try:
        with open_file(path) as file:
            image = open_picture(file, path)
            return image.format in ANIMATED and bool(getattr(image, "is_animated", False))
    except (ImageError, OSError, ValueError, EOFError):
        return False  # who reads the picture says what is wrong with it


def _are_alike(one: str, other: str) -> bool:
    """Whether two names differ in a number alone, as those of one camera: IMG_0012.jpg and IMG_0013.jpg."""
    first, second = Path(one), Path(other)
    patterns = [re.sub(r"\d+", "#", path.name) for path in (first, second)]
    return first.name != second.name and "#" in patterns[0] and patterns[0] == patterns[1]
