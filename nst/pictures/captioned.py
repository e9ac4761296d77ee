"""A picture as a notebook shows it: small, with a few words below."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFont

from nst.pictures.picture import Picture
from nst.pictures.writing import to_pil

__all__ = ["captioned"]

LONGEST = 640
"""Longest side in pixels of what is shown."""

TEXT, GAP = 13, 4  # height of the letters and space around them in pixels


def captioned(picture: Picture, caption: str) -> bytes:
    """The picture, made smaller if it is large, with lines of text on white below it, as a PNG."""
    image = to_pil(picture)
    image.thumbnail((LONGEST, LONGEST))
    font = ImageFont.load_default(TEXT)
    left, top, right, bottom = ImageDraw.Draw(image).multiline_textbbox((0, 0), caption, font)
    size = max(image.width, round(right - left) + 2 * GAP), image.height + round(bottom - top) + 2 * GAP
    sheet = Image.new(image.mode, size, "white")
    sheet.paste(image)
    ImageDraw.Draw(sheet).multiline_text((GAP, image.height + GAP - top), caption, "black", font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()
