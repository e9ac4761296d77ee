"""PyAV, looked for when a film is met."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from nst.errors import ImageError

__all__ = ["open_film", "pyav"]


def pyav(problem: str, instead: str = "write a folder of frames, .gif or .webp") -> Any:
    """The package `av`.

    Raises:
        ImageError: it is not there.
    """
    try:
        return import_module("av")
    except ImportError as error:
        raise ImageError(f"{problem}: that needs av: pip install 'nst[video]', or {instead}") from error


def open_film(file: Path) -> Any:
    """PyAV's container; titles of whatever encoding are no reason to refuse a film."""
    return pyav(f"cannot read {file}", "give a folder of frames").open(str(file), metadata_errors="replace")
