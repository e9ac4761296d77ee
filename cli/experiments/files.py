"""What an experiment writes beside its runs: a contact sheet, a page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from nst.cli.experiments.grid import Cell, Grid
from nst.cli.experiments.runs import Done
from nst.cli.experiments.sheet import Tile, contact_sheet
from nst.errors import ImageError, told_as
from nst.files import write_atomically
from nst.pictures.reading import read_picture
from nst.pictures.writing import to_pil
from nst.settings import MAX_PIXELS

SHOWN = 1024
"""Longest side in pixels of a picture of the user's, as a sheet or page needs it."""


def inputs_of(paths: Sequence[str], cells: Sequence[Cell]) -> dict[str, Image.Image]:
    """The user's pictures by file name."""
    most = max(cell.settings.get("max_pixels", MAX_PIXELS) for cell in cells)
    return {Path(path).name: to_pil(read_picture(path, SHOWN, most)) for path in paths}


def sheet_of(
    title: str, table: Grid, done: Sequence[Done], inputs: Sequence[Image.Image], captions: bool = False
) -> Image.Image:
    """The contact sheet; with captions the label of each run stands below it."""
    tiles = []
    for one in done:
        with Image.open(one.picture) as file:
            label = one.cell.label if captions else ""
            tiles.append(Tile(one.cell.row, one.cell.column, file.convert("RGB"), label))
    return contact_sheet(tiles, table.rows, table.columns, title, inputs)


def write_files(folder: Path, name: str, sheet: Image.Image, page: str) -> str:
    """Write NAME.png and NAME.html, each whole or not at all, or ImageError; their names, for people."""
    write_file(folder / f"{name}.png", png(sheet))
    write_file(folder / f"{name}.html", page.encode())
    return f"{folder / name}.png and .html"


def write_file(path: Path, data: bytes) -> None:
    """Whole or not at all, or ImageError."""
    with told_as(
        ImageError, f"cannot write {path}", "free some space and run it again, what is done is kept"
    ):
        write_atomically(path, data)


def png(image: Image.Image) -> bytes:
    """The file, in memory, so that it can be written whole or not at all."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
