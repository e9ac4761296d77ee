"""Pictures that come in: bounded, decoded by the reader that the command line has, with a view for the page."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

from PIL import Image

from nst.cli.web.painting import MAX_UPLOAD_PIXELS, jpeg
from nst.cli.web.recipe import Upload
from nst.errors import ImageError
from nst.files import write_atomically
from nst.pictures.picture import fit_longest_side, resize, to_uint8
from nst.pictures.reading import read_picture
from nst.pictures.subjects import faces
from nst.pictures.writing import to_pil

__all__ = ["MOST_BYTES", "TooLargeError", "bounded", "find_faces", "store_mask", "store_picture"]

MOST_BYTES = 64 * 2**20
"""Of an upload."""

VIEW = 1024
"""Longest side in pixels of what the page shows."""

PAINTING = 2048
"""Longest side in pixels of a painting that is kept: strokes are never asked for finer."""


class TooLargeError(ImageError):
    """More bytes than an upload may have."""


async def bounded(chunks: AsyncIterator[bytes], most: int = MOST_BYTES) -> bytes:
    """The whole of an upload.

    Raises:
        TooLargeError: more than `most` bytes; the rest is not read.
    """
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > most:
            raise TooLargeError(f"the picture has more than {most // 2**20} MB: make a smaller copy")
    return bytes(data)


def store_picture(
    data: bytes, folder: Path, number: int, name: str, painting: bool, credit: str = ""
) -> Upload:
    """Keep a picture in the folder of a session under a number; a painting no larger than `PAINTING`.

    Raises:
        ImageError: it is not a picture, damaged, or too large.
    """
    picture = read_picture(data, PAINTING if painting else None, MAX_UPLOAD_PIXELS)
    if picture.hidden:
        raise ImageError(f"{name} is transparent all over: give a picture that can be seen")
    file, view = f"source-{number}{_suffix(data)}", f"view-{number}.jpg"
    if painting and max(picture.size) > PAINTING:
        file = f"source-{number}.png"
        to_pil(resize(picture, *fit_longest_side(*picture.size, PAINTING))).save(
            folder / file, compress_level=1
        )
    else:
        write_atomically(folder / file, data)
    width, height = fit_longest_side(*picture.size, min(VIEW, max(picture.size)))
    write_atomically(folder / view, jpeg(resize(picture, width, height)))
    return Upload(name[:80], file, view, width, height, credit)


def store_mask(data: bytes, folder: Path) -> str | None:
    """Keep what the brush has painted; the name of the file, or None where it is black all over.

    Raises:
        ImageError: it is not a picture.
    """
    picture = read_picture(data, VIEW, MAX_UPLOAD_PIXELS)
    if not (picture.rgb > 0).any():
        return None
    name = f"mask-{hashlib.sha256(data).hexdigest()[:12]}.png"
    write_atomically(folder / name, data)
    return name


def find_faces(photo: Path) -> tuple[str, float] | None:
    """Write a mask of the heads in a photograph beside it; its name and their share of the picture, None without any.

    Raises:
        NSTError: the photograph cannot be read, or what finds faces is not installed.
    """
    mask = faces(read_picture(photo, VIEW, MAX_UPLOAD_PIXELS))
    if mask is None:
        return None
    name = f"mask-{hashlib.sha256(mask.tobytes()).hexdigest()[:12]}.png"
    Image.fromarray(to_uint8(mask)).save(photo.parent / name)
    return name, float(mask.mean())


def _suffix(data: bytes) -> str:
    """So that the file can be opened by its name as well."""
    if data[:3] == b"\xff\xd8\xff":
        return ".jpg"
    if data[:4] == b"\x89PNG":
        return ".png"
    return ".webp" if data[8:12] == b"WEBP" else ""
