"""What Pillow makes too much or too little of in a PNG: long texts, large profiles, the chunk cICP.

Pillow refuses a picture for a text or a profile of more than 1 MiB, once unpacked. Here the text is left out and the
profile is unpacked beside it. Chunks are those of the PNG specification, third edition, section 11.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from PIL.PngImagePlugin import MAX_TEXT_CHUNK

__all__ = ["SIGNATURE", "Readable", "chunks", "readable"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_TOTAL = 16 * MAX_TEXT_CHUNK  # of all texts, a quarter of what Pillow bears
_PROFILE = 32 * 2**20  # the largest of printers are a few MiB


@dataclass(frozen=True)
class Readable:
    """A PNG as Pillow reads it.

    Attributes:
        file: the file itself, or a copy without what Pillow would refuse.
        profile: the ICC profile that the copy lacks.
        code_points: primaries and transfer of the chunk cICP, if it is there.
    """

    file: BinaryIO
    profile: bytes | None = None
    code_points: tuple[int, int] | None = None


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
