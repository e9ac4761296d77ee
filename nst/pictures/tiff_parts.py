"""A TIFF page reduced while it is read: means of blocks, strip by strip or tile by tile."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tifffile import TiffPage

__all__ = ["is_plain", "largest_part", "means"]

_SLAB = 2**24  # bytes of an uncompressed picture that are read at once

_Part = tuple[NDArray[Any], int, int, int]
"""Values (H, W, samples), the first row and column, the first sample."""


def means(page: TiffPage, file: BinaryIO, factor: int) -> tuple[NDArray[np.floating], float, float]:
    """Means of blocks of factor x factor pixels, those at the right and at the bottom being narrower.

    Args:
        page: of any size.
        file: that it is in.
        factor: 1 for the page itself.

    Returns:
        (H, W, samples), the smallest and the largest value before they were averaged.
    """
    width, height = page.imagewidth, page.imagelength
    low, high = np.inf, -np.inf
    exact = np.float64 if factor > 1 else np.float32  # where nothing is added, 24 bits are enough
    sums = np.zeros((-(-height // factor), -(-width // factor), page.samplesperpixel), exact)
    for values, top, left, sample in _parts(page, file):
        part = values[: height - top, : width - left]  # tiles reach beyond the border
        low, high = np.minimum(low, part.min()), np.maximum(high, part.max())  # NaN stays
        rows, columns = (_starts(first, n, factor) for first, n in zip((top, left), part.shape, strict=False))
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is refused by its range
            blocks = np.add.reduceat(np.add.reduceat(part, rows, axis=0, dtype=exact), columns, axis=1)
            y, x = top // factor, left // factor
            sums[y : y + len(rows), x : x + len(columns), sample : sample + part.shape[2]] += blocks
    down, across = (
        np.minimum(factor, size - np.arange(0, size, factor))[:, None] for size in (height, width)
    )
    return sums / (down * across.T).astype(exact)[..., None], float(low), float(high)


def is_plain(page: TiffPage) -> bool:
    """Whether the samples lie in the file as they are, in rows of whole bytes, however large a strip is."""
    whole = page.bitspersample in (8, 16, 32, 64) or (page.bitspersample < 16 and page.dtype.kind == "u")
    return bool(
        page.compression == 1 and page.predictor == 1 and page.fillorder == 1 and not page.is_tiled and whole
    )


def largest_part(page: TiffPage) -> int:
    """Bytes of the largest part that has to be held."""
    if is_plain(page):
        return max(_SLAB, int(page.imagewidth * page.samplesperpixel * page.dtype.itemsize))
    return int(prod(page.chunks) * page.dtype.itemsize)


def _parts(page: TiffPage, file: BinaryIO) -> Iterator[_Part]:
    if is_plain(page):
        yield from _slabs(page, file)
        return
    for values, (sample, _, top, left, _), shape in page.segments(maxworkers=1, buffersize=_SLAB):
        if values is None:
            raise ValueError("a strip or tile is missing")
        yield values[0, : shape[1], : shape[2]], top, left, sample


def _slabs(page: TiffPage, file: BinaryIO) -> Iterator[_Part]:
    """Some rows of a strip at a time."""
    width, height, samples = page.imagewidth, page.imagelength, page.samplesperpixel
    each = 1 if page.planarconfig == 2 else samples
    row = -(-width * each * page.bitspersample // 8)
    rows = min(page.rowsperstrip or height, height)
    strips = -(-height // rows)
    needed = strips * samples // each
    if len(page.dataoffsets) < needed:
        raise ValueError("strips are missing")
    for number, offset in enumerate(page.dataoffsets[:needed]):
        plane, strip = divmod(number, strips)
        end = min(height, (strip + 1) * rows)
        file.seek(offset)
        for top in range(strip * rows, end, max(1, _SLAB // row)):
            count = min(max(1, _SLAB // row), end - top)
            data = file.read(count * row)
            if len(data) < count * row:
                raise ValueError("a strip is cut short")
            yield _samples(data, page, width * each).reshape(count, width, each), top, 0, plane


def _samples(data: bytes, page: TiffPage, count: int) -> NDArray[Any]:
    """(rows, count) from rows of whole bytes; samples of 12 bits and the like follow each other bit by bit."""
    bits = page.bitspersample
    if bits in (8, 16, 32, 64):
        return np.frombuffer(data, np.dtype(page.parent.byteorder + page.dtype.char)).reshape(-1, count)
    single = np.unpackbits(np.frombuffer(data, np.uint8).reshape(-1, -(-count * bits // 8)), axis=1)
    numbers = single[:, : count * bits].reshape(-1, count, bits) @ (1 << np.arange(bits)[::-1])
    return numbers.astype(np.uint16)


def _starts(first: int, count: int, factor: int) -> NDArray[np.intp]:
    """Where blocks begin among `count` rows of which the first is number `first`."""
    inner = np.arange(-first % factor, count, factor)
    return inner if len(inner) and inner[0] == 0 else np.concatenate([[0], inner])
