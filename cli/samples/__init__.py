"""The two pictures inside the package, a photograph and a painting; `ORIGIN.md` says whose they are."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from nst.files import write_atomically

__all__ = ["PAINTING", "PHOTOGRAPH", "copy_sample"]

PHOTOGRAPH = "rocket.jpg"
"""A rocket on its launch pad at night, SpaceX 2015, public domain."""
PAINTING = "starry_night.jpg"
"""The Starry Night, Vincent van Gogh 1889, public domain."""


def copy_sample(name: str, folder: Path) -> Path:
    """Write `PHOTOGRAPH` or `PAINTING` into a folder, which is made if it is not there; the path.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    write_atomically(path, (files("nst.cli.samples") / name).read_bytes())
    return path
