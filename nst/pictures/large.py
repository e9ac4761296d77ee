"""Pictures of many pixels: how many may be held, and how a picture is reduced while it is decoded.

The bound is on memory. A decoded pixel takes Pillow four bytes, and three floats of four bytes once it is a `Picture`:
so a file may have `max_pixels` pixels where it is reduced at once, and a third of that where it is not.
"""

from __future__ import annotations

import os
from typing import BinaryIO

import numpy as np
from PIL import Image

from nst.errors import ImageError

_HEADER = 2**16  # bytes in which the codestream of a JPEG 2000 file begins
_PACKED = 64
"""Bytes of pixels a byte of a file stands for; photographs and scans have 2 to 30, bombs 1000."""


def draft(image: Image.Image, longest: int | None, max_pixels: int, name: str) -> int:
    """Have a file that is opened decoded no larger than it must be; the whole factor by which to reduce it then.

    JPEG is decoded to a half, a quarter or an eighth; JPEG 2000 to powers of two. ImageError: too many pixels.
    """
    width, height = image.size
    factor = reduction(image.size, longest, max_pixels, name)
    if factor == 1:
        return 1
    if image.format == "JPEG2000":
        skipped = min(_wavelets(image), factor.bit_length() - 1)
        image.reduce = skipped  # type: ignore[method-assign,assignment]  # so Pillow calls levels to leave out
        size = -(-width >> skipped), -(-height >> skipped)
    else:
        image.draft(image.mode, (max(1, width // factor), max(1, height // factor)))
        size = image.size
    check_pixels(size, max_pixels, name)
    return max(1, factor * size[0] // width)


def _wavelets(image: Image.Image) -> int:
    """How often a JPEG 2000 file can be halved: the levels in the marker COD (ISO/IEC 15444-1, annex A.6.1)."""
    file = getattr(image, "fp", None)
    if file is None:
        return 0
    at = file.tell()
    file.seek(0)
    _, _, head = file.read(_HEADER).partition(b"\xff\x4f\xff\x51")
    file.seek(at)
    _, _, coding = head.partition(b"\xff\x52\x00")
    return min(coding[6], 32) if len(coding) > 6 else 0


def reduction(size: tuple[int, int], longest: int | None, max_pixels: int, name: str) -> int:
    """The whole factor by which to divide the sides of a picture; 1 for one that may be read as it is.

    Twice the longest side is left where that is possible, so that `resize` has something to work on. ImageError: it
    may not be read as it is, and nobody wants it so much smaller.
    """
    pixels = size[0] * size[1]
    if 3 * pixels <= max_pixels:
        return 1
    spare = max(size) // longest if longest is not None else 1
    for factor in (spare // 2, spare):
        if 3 * pixels <= max_pixels * factor**2:
            return factor
    raise _too_large(pixels, 3 * pixels, name)


def check_pixels(size: tuple[int, int], max_pixels: int, name: str, each: int = 4) -> None:
    """ImageError unless so many pixels may be decoded, of so many bytes each."""
    pixels = size[0] * size[1]
    if pixels * each > 4 * max_pixels:
        raise _too_large(pixels, -(-pixels * each // 4), name)


def check_packing(unpacked: int, file: BinaryIO, max_pixels: int, name: str) -> None:
    """ImageError for a bomb among files that are read in parts, which may be larger than memory.

    Its `unpacked` bytes may not be held, and are packed as no picture but a flat one is. The file is left at its end.
    """
    if unpacked > 4 * max_pixels and unpacked > _PACKED * file.seek(0, os.SEEK_END):
        raise _too_large(unpacked // 4, -(-unpacked // 4), name)


def reduced(image: Image.Image, factor: int) -> Image.Image:
    """A decoded image by a whole factor smaller: means of factor x factor pixels; alpha weights the colours."""
    if factor == 1:
        return image
    if image.mode == "I;16":
        floats = Image.fromarray(np.asarray(image).astype(np.float32))
        return Image.fromarray(np.rint(np.asarray(floats.reduce(factor))).astype(np.uint16))
    if image.mode in ("1", "P", "PA"):
        image = image.convert("L" if image.mode == "1" else "RGBA" if image.has_transparency_data else "RGB")
    return image.reduce(factor)


def _too_large(pixels: int, needed: int, name: str) -> ImageError:
    return ImageError(
        f"cannot read {name}: {pixels:,} pixels, above the limit against decompression bombs; make a smaller copy, "
        f"ask for a smaller size, or set max_pixels (--max-pixels) to {needed} if you trust it"
    )
