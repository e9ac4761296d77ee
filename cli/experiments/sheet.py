"""Contact sheets: pictures in labelled rows and columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from nst.cli.experiments.grid import Cell, Grid
from nst.cli.experiments.runs import Done
from nst.pictures.reading import read_picture
from nst.pictures.writing import to_pil
from nst.settings import MAX_PIXELS

SHOWN = 1024
"""Longest side in pixels of a picture of the user's, as a sheet or page needs it."""
GAP = 8
TEXT, TITLE = 15, 20  # heights of the letters in pixels
LINE = 19
ROW_LETTERS = 16  # where the label of a row is wrapped


@dataclass(frozen=True)
class Tile:
    """A picture in its place; `column` may be a half. The caption is written below it."""

    row: int
    column: float
    image: Image.Image
    caption: str = ""


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


def contact_sheet(
    tiles: Sequence[Tile],
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    title: str = "",
    inputs: Sequence[Image.Image] = (),
) -> Image.Image:
    """Lay the tiles out on white, each in the middle of a box that fits the largest.

    Labels of rows are at the left and of columns above, wrapped, and take no space where there are none. The title is
    above all, and below it, small, the inputs that the pictures were made of.
    """
    width = max(tile.image.width for tile in tiles)
    height = max(tile.image.height for tile in tiles)
    names = [_wrapped(text, width) for text in columns]
    sides = [textwrap.fill(text, ROW_LETTERS) for text in rows]
    under = LINE if any(tile.caption for tile in tiles) else 0
    left = GAP + (max(_length(text) for text in sides) + GAP if sides else 0)
    top = GAP + (LINE + GAP if title else 0)
    strip = beside([fit(image, 96) for image in inputs]) if inputs else None
    header = top + (strip.height + GAP if strip else 0)
    body = header + LINE * max((text.count("\n") + 1 for text in names), default=0)
    wide = max([len(columns), *(1 + tile.column for tile in tiles)])
    tall = max([len(rows), *(1 + tile.row for tile in tiles)])
    across = max(
        left + round(wide * (width + GAP)),
        GAP + (strip.width + GAP if strip else 0),
        2 * GAP + round(ImageFont.load_default(TITLE).getlength(title)),
    )
    down = body + tall * (height + under + GAP)
    sheet = Image.new("RGB", (across, down), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, GAP), title, "black", ImageFont.load_default(TITLE))
    if strip:
        sheet.paste(strip, (GAP, top))
    font = ImageFont.load_default(TEXT)
    for number, text in enumerate(names):
        middle = left + number * (width + GAP) + width // 2
        draw.multiline_text((middle, body - 4), text, "black", font, "md", align="center")
    for number, text in enumerate(sides):
        draw.multiline_text(
            (GAP, body + number * (height + under + GAP) + height // 2), text, "black", font, "lm"
        )
    for tile in tiles:
        x = left + round(tile.column * (width + GAP))
        y = body + tile.row * (height + under + GAP)
        place = x + (width - tile.image.width) // 2, y + (height - tile.image.height) // 2
        sheet.paste(tile.image, place)
        draw.text((x + width // 2, y + height + 2), tile.caption, "black", font, "ma")
    return sheet


def fit(picture: Image.Image, height: int) -> Image.Image:
    """Scaled to a height in pixels."""
    width = max(1, round(picture.width * height / picture.height))
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def beside(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures in a row on white."""
    width = sum(picture.width for picture in pictures) + GAP * (len(pictures) - 1)
    row = Image.new("RGB", (width, max(picture.height for picture in pictures)), "white")
    x = 0
    for picture in pictures:
        row.paste(picture, (x, 0))
        x += picture.width + GAP
    return row


def _length(text: str) -> int:
    """Width in pixels of the longest line."""
    font = ImageFont.load_default(TEXT)
    return round(max(font.getlength(line) for line in text.split("\n")))


def _wrapped(text: str, width: int) -> str:
    """Lines of at most `width` pixels, if its words are not longer."""
    letters = max(8, int(width / max(1.0, _length(text) / max(1, len(text)))))
    return textwrap.fill(text, letters)
