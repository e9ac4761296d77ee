"""A PNG reduced while it is read, some rows at a time.

Pillow decodes a PNG whole or not at all. So the rows are unpacked here, and given to Pillow as small PNGs of their own:
each begins with the last row of the one before, unfiltered, since a row may be filtered by the row above it (PNG
specification, section 9).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image

from nst.pictures.large import check_packing, reduced
from nst.pictures.png import SIGNATURE, chunks

__all__ = ["reduced_in_parts"]

_SLAB = 2**24  # bytes that are unpacked at once
_PIECE = 2**16
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by the color type; a palette is none of them


def reduced_in_parts(
    file: BinaryIO, image: Image.Image, factor: int, max_pixels: int, name: str
) -> Image.Image | None:
    """The picture by a whole factor smaller; None for one that Pillow has to decode whole.

    Args:
        file: that it is in; it is left where it was.
        image: opened and not decoded.
        factor: see `nst.pictures.large.reduced`.
        max_pixels: see there.
        name: for messages.

    Raises:
        ImageError: a bomb.
        ValueError: it is cut short.
    """
    at = file.tell()
    try:
        file.seek(len(SIGNATURE) + 8)
        width, height, depth, color, _, _, interlaced = struct.unpack(">2I5B", file.read(13))
        if depth != 8 or color not in _CHANNELS or interlaced or "transparency" in image.info:
            return None
        row = 1 + width * _CHANNELS[color]
        check_packing(row * height, file, max_pixels, name)
        small = Image.new(image.mode, (-(-width // factor), -(-height // factor)))
        step = max(1, _SLAB // (row * factor)) * factor
        data, last = _Unpacked(file), bytes(row - 1)
        for top in range(0, height, step):
            count = min(step, height - top)
            part = _decoded(width, color, b"\0" + last + data.read(count * row))
            last = np.asarray(part)[-1].tobytes()
            small.paste(reduced(part.crop((0, 1, width, count + 1)), factor), (0, top // factor))
    finally:
        file.seek(at)
    small.info, small.format = dict(image.info), image.format
    return small


def _decoded(width: int, color: int, rows: bytes) -> Image.Image:
    """Filtered rows, by way of a PNG that is not compressed."""
    height = len(rows) // (1 + width * _CHANNELS[color])
    head = struct.pack(">2I5B", width, height, 8, color, 0, 0, 0)
    written = SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    )
    image = Image.open(io.BytesIO(written), formats=["PNG"])
    image.load()
    return image


class _Unpacked:
    """The rows of a PNG as a stream of bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._pieces, self._unpacker = _pieces(file), zlib.decompressobj()

    def read(self, count: int) -> bytes:
        """So many bytes, no more and no less."""
        parts, missing = [], count
        while missing:
            packed = self._unpacker.unconsumed_tail or next(self._pieces, b"")
            if not packed:
                raise ValueError("the rows are cut short")
            parts.append(self._unpacker.decompress(packed, missing))
            missing -= len(parts[-1])
        return b"".join(parts)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """The data of all chunks IDAT."""
    for name, begin, length in chunks(file):
        if name == b"IDAT":
            for start in range(0, length, _PIECE):
                file.seek(begin + 8 + start)
                yield file.read(min(_PIECE, length - start))
