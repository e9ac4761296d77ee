"""PNG where Pillow makes too much or too little of it: long texts, large profiles, the chunk cICP, many pixels.

Pillow refuses a picture for a text or a profile of more than 1 MiB, once unpacked. Here the text is left out and the
profile is unpacked beside it. Chunks are those of the PNG specification, third edition, section 11.

Pillow decodes a PNG whole or not at all. To reduce one while it is read, some rows at a time, the rows are unpacked
here and given to Pillow as small PNGs of their own: each begins with the last row of the one before, unfiltered, since
a row may be filtered by the row above it (section 9).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import MAX_TEXT_CHUNK

from nst.pictures.large import check_packing, reduced

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_TOTAL = 16 * MAX_TEXT_CHUNK  # of all texts, a quarter of what Pillow bears
_PROFILE = 32 * 2**20  # the largest of printers are a few MiB


@dataclass(frozen=True)
class Readable:
    """A PNG as Pillow reads it."""

    file: BinaryIO  # the file itself, or a copy without what Pillow would refuse
    profile: bytes | None = None  # the ICC profile that the copy lacks
    code_points: tuple[int, int] | None = None  # primaries and transfer of the chunk cICP, if it is there


def readable(file: BinaryIO) -> Readable:
    """Look through the chunks of a PNG; one that is damaged is left to Pillow to say so."""
    left_out: list[tuple[int, int]] = []
    profile, code_points, total = None, None, 0
    for name, begin, length in chunks(file):
        if name in _TEXTS:
            unpacked = length <= MAX_TEXT_CHUNK and total <= _TOTAL
            size = _text_size(name, file.read(length)) if unpacked else length
            total += size
            if size > MAX_TEXT_CHUNK or total > _TOTAL:
                left_out.append((begin, begin + 12 + length))
        elif name == b"iCCP":
            packed = file.read(length).partition(b"\0")[2][1:]
            if len(_unpacked(packed, MAX_TEXT_CHUNK + 1)) > MAX_TEXT_CHUNK:
                left_out.append((begin, begin + 12 + length))
                profile = _unpacked(packed, _PROFILE)
        elif name == b"cICP" and length == 4:
            primaries, transfer, _, _ = file.read(4)
            code_points = primaries, transfer
    return Readable(_without(file, left_out), profile, code_points)


def chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """(name, where it begins, length of its data), the file being at its data each time."""
    at = len(SIGNATURE)
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        length = int.from_bytes(head[:4], "big")
        yield head[4:], at, length
        at += 12 + length


def _text_size(name: bytes, data: bytes) -> int:
    """Bytes of a text once unpacked, counted no further than is allowed."""
    if name == b"tEXt":
        return len(data)
    _, _, rest = data.partition(b"\0")
    if name == b"zTXt":
        return len(_unpacked(rest[1:], MAX_TEXT_CHUNK + 1))
    if rest[:1] != b"\1":
        return len(rest)
    packed = rest[2:].partition(b"\0")[2].partition(b"\0")[2]  # after the language and the translated keyword
    return len(_unpacked(packed, MAX_TEXT_CHUNK + 1))


def _unpacked(data: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, most)
    except zlib.error:
        return b""


def _without(file: BinaryIO, parts: list[tuple[int, int]]) -> BinaryIO:
    file.seek(0)
    if not parts:
        return file
    kept, at = [], 0
    for begin, end in parts:
        kept.append(file.read(begin - at))
        file.seek(end)
        at = end
    return io.BytesIO(b"".join([*kept, file.read()]))


_SLAB = 2**24  # bytes that are unpacked at once
_PIECE = 2**16
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by the color type; a palette has no entry


def reduced_in_parts(
    file: BinaryIO, image: Image.Image, factor: int, max_pixels: int, name: str
) -> Image.Image | None:
    """The picture by a whole factor smaller; None for one that Pillow has to decode whole.

    The file is left where it was. ImageError for a bomb, ValueError for a file that is cut short.
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
