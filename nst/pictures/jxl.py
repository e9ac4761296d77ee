"""The size of a JPEG XL picture, which its plug-in tells only when everything is decoded (ISO/IEC 18181-1, annex D)."""

from __future__ import annotations

from typing import BinaryIO

__all__ = ["size_of"]

_CODESTREAM = b"\xff\x0a"
_RATIOS = (
    (1, 1),
    (1, 1),
    (12, 10),
    (4, 3),
    (3, 2),
    (16, 9),
    (5, 4),
    (2, 1),
)  # width to height; the first is not used
_BITS = (9, 13, 18, 30)


def size_of(file: BinaryIO) -> tuple[int, int]:
    """(width, height) in pixels.

    Raises:
        ValueError: the file is cut short.
    """
    bits = _Bits(_header(file))
    small = bits.take(1)
    height = _side(bits, small)
    ratio = bits.take(3)
    if ratio == 0:
        return _side(bits, small), height
    across, down = _RATIOS[ratio]
    return height * across // down, height


def _side(bits: _Bits, small: int) -> int:
    return 8 * (1 + bits.take(5)) if small else 1 + bits.take(_BITS[bits.take(2)])


def _header(file: BinaryIO) -> bytes:
    """What comes after the signature of the codestream, which lies in the file or in a box of it."""
    file.seek(0)
    head = file.read(12)
    if head.startswith(_CODESTREAM):
        return head[2:]
    at = 0
    while True:
        file.seek(at)
        box = file.read(16)
        if len(box) < 16:
            raise ValueError("there is no codestream")
        if box[4:8] in (b"jxlc", b"jxlp"):
            file.seek(at + (8 if box[4:8] == b"jxlc" else 12))
            return file.read(12).removeprefix(_CODESTREAM)
        length = int.from_bytes(box[:4], "big")
        at += int.from_bytes(box[8:], "big") if length == 1 else max(8, length)


class _Bits:
    """Bits of some bytes, the lowest first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        """So many of them as a number."""
        if count > self._left:
            raise ValueError("the header is cut short")
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return taken
