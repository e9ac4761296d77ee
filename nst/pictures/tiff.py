"""TIFF beyond what Pillow reads right, by tifffile: more bits, floats, planes, thumbnails before the picture.

Pillow is left what it reads right: 1 to 8 bits, and what is compressed in ways that tifffile does not know. A large
page is reduced while it is read: means of blocks, strip by strip or tile by tile.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nst.errors import ImageError
from nst.pictures.decoding import check_range, full_range
from nst.pictures.large import check_packing, check_pixels, reduction
from nst.pictures.opening import damaged
from nst.pictures.picture import NUMBERS, Picture, fill_hidden, tags_in, to_uint8
from nst.pictures.profiles import to_srgb

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

logging.getLogger("tifffile").addHandler(logging.NullHandler())

_BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HARMLESS = 2**26  # bytes of a part that may always be held
_PAGES = 64  # to look through for one that is not a thumbnail

# TIFF 6.0 and its supplements; DNG 1.7
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5  # PhotometricInterpretation
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _CMYK: 4}
_SENSOR = (32803, 34892)  # PhotometricInterpretation of raw files
_NONE, _PACKBITS, _DEFLATE = 1, 32773, (8, 32946)  # Compression
_PREDICTORS = (1, 2)
_PLANES = 2  # PlanarConfiguration
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3  # SampleFormat
_NUMBERS = {_UNSIGNED: "integer", _SIGNED: "signed", _FLOAT: "float"}
_PREMULTIPLIED, _STRAIGHT = 1, 2  # ExtraSamples
_ORIENTATION, _PROFILE, _DNG = 274, 34675, 50706  # tags


def is_tiff(file: BinaryIO) -> bool:
    """Whether it begins as TIFF or BigTIFF do."""
    head = file.read(4)
    file.seek(0)
    return head in _BEGINNINGS


def read(file: BinaryIO, name: str, longest: int | None, max_pixels: int) -> Picture | int:
    """The picture, or the number of its page where Pillow reads it right; `longest` as in `read_picture`.

    ImageError: a camera's raw file, damaged, too many pixels, or samples that have no meaning as a picture.
    """
    from tifffile import TiffFile

    try:
        with TiffFile(file) as tiff:
            page, number = _full_picture(tiff, name)
            if page.imagewidth < 1 or page.imagelength < 1:
                file.seek(8)
                if number is not None and file.read(2) == b"CR":  # of Canon: who opens it names it
                    return number
                raise ValueError(f"it says that it has {page.imagewidth}x{page.imagelength} pixels")
            if number is not None and _is_for_pillow(page, max_pixels):
                return number
            return _picture(page, file, name, longest, max_pixels)
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"cannot read {name}: not enough memory; make it smaller first") from error
    except Exception as error:  # damaged tags can raise anything
        raise damaged(error, name) from error
    finally:
        file.seek(0)


def _full_picture(tiff: TiffFile, name: str) -> tuple[TiffPage, int | None]:
    """The first page that is neither thumbnail nor mask, and its number; None for one within another page."""
    pages = list(islice(_until_full(tiff), _PAGES))
    inner = [sub for page, _ in pages for sub in islice(page.pages or (), _PAGES)]
    if any(_DNG in page.tags or page.photometric in _SENSOR for page in [*(p for p, _ in pages), *inner]):
        raise ImageError(
            f"cannot read {name}: it is a camera raw file; develop it with the camera's program or darktable "
            "and export TIFF or JPEG"
        )
    whole = [found for found in [*pages, *((sub, None) for sub in inner)] if _is_whole(found[0])]
    chosen: tuple[TiffPage, int | None] = (whole or pages)[0]
    return chosen


def _until_full(tiff: TiffFile) -> Any:
    """(page, number) up to the first that is whole, so that the pages after it are not even looked at."""
    for number, page in enumerate(tiff.pages):
        page = page.aspage()
        yield page, number
        if _is_whole(page):
            return


def _is_whole(page: TiffPage) -> bool:
    return not page.subfiletype & (_REDUCED | _MASK)


def _is_for_pillow(page: TiffPage, max_pixels: int) -> bool:
    """Whether Pillow reads it right, and tifffile no better: Pillow cannot read a large one in parts."""
    bits, samples = page.bitspersample, page.samplesperpixel
    if page.photometric not in _COLOURS or not isinstance(bits, int):  # palettes, YCbCr, LAB; 5, 6 and 5 bits
        return True
    large = bits >= 8 and 3 * page.imagewidth * page.imagelength > max_pixels
    if page.sampleformat != _UNSIGNED or (large and _is_known(page)):
        return False
    if bits == 16 and not _is_known(page):
        grey = page.photometric == _BLACK_IS_ZERO and samples == 1
        return grey or (page.photometric in (_RGB, _CMYK) and samples <= 4)
    planes_of_grey = page.photometric <= _BLACK_IS_ZERO and samples > 1 and page.planarconfig == _PLANES
    return bits in (1, 2, 4, 8) and not planes_of_grey


def _is_known(page: TiffPage) -> bool:
    """Whether tifffile can unpack it here."""
    if is_plain(page) or find_spec("imagecodecs"):
        return True
    known = page.compression in (_NONE, _PACKBITS, *_DEFLATE) and page.predictor in _PREDICTORS
    return known and page.bitspersample in (8, 16, 32, 64)


def _picture(page: TiffPage, file: BinaryIO, name: str, longest: int | None, max_pixels: int) -> Picture:
    """Decode a page."""
    number = _NUMBERS.get(page.sampleformat, "complex or unknown")
    kind = f"a TIFF of {page.bitspersample}-bit {number} samples"
    width, height, samples = page.imagewidth, page.imagelength, page.samplesperpixel
    if (
        page.dtype is None
        or page.dtype.kind not in "uif"
        or page.imagedepth != 1
        or samples < _COLOURS.get(page.photometric, samples + 1)
    ):
        raise ImageError(f"cannot read {name}: it is {kind} that have no meaning as colours; save it as RGB")
    if not _is_known(page):
        raise ImageError(
            f"cannot read {name}: it is {kind} in the compression {_name(page.compression)}; "
            "pip install 'nst[tiff]', or save it without compression"
        )
    factor = reduction((width, height), longest, max_pixels, name)
    if factor == 1:
        check_pixels((width, height), max_pixels, name, samples * page.dtype.itemsize)
    check_packing(width * height * samples * page.dtype.itemsize, file, max_pixels, name)
    _check_parts(page, file, max(4 * max_pixels, _HARMLESS))
    values, low, high = means(page, file, factor)
    return _in_srgb(page, _scaled(values, low, high, page, name))


def _check_parts(page: TiffPage, file: BinaryIO, most: int) -> None:
    """Strips and tiles must be there, and no larger once unpacked than the picture needs them, or ValueError."""
    if not page.dataoffsets or not all(page.databytecounts):
        raise ValueError("strips or tiles are missing")
    if largest_part(page) > most:
        raise ValueError("strips or tiles are larger than anything that may be held")
    if page.compression not in _DEFLATE:
        return
    size = largest_part(page)
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.seek(offset)
        if len(zlib.decompressobj().decompress(file.read(count), size + 1)) > size:
            raise ValueError("a strip or tile holds more than the picture has")


def _scaled(
    values: NDArray[np.floating], low: float, high: float, page: TiffPage, name: str
) -> NDArray[np.float32]:
    """Samples of any kind in [0, 1]; `low` and `high` are the least and the largest of them."""
    if page.dtype.kind == "f":
        return check_range(values, low, high, name)
    if page.sampleformat == _SIGNED and page.bitspersample != 32:
        raise ImageError(
            f"cannot use {name}: its samples have a sign, so that nothing tells which is white; save it without"
        )
    white = full_range(int(low), int(high), page.dtype, name) if page.bitspersample == 32 else 0
    return (values / (white or 2**page.bitspersample - 1)).astype(np.float32)


def _in_srgb(page: TiffPage, values: NDArray[np.float32]) -> Picture:
    """(H, W, samples) by the tags of the page: upright, in sRGB, with alpha."""
    values = _upright(values, page.tags.valueof(_ORIENTATION, default=1))
    count = _COLOURS[page.photometric]
    rgb, alpha = values[..., :count], None
    extra = page.extrasamples[0] if page.extrasamples else None
    if values.shape[2] > count and extra in (_PREMULTIPLIED, _STRAIGHT):
        alpha = np.ascontiguousarray(values[..., count])
        if extra == _PREMULTIPLIED:
            rgb = np.clip(rgb / np.maximum(alpha, 1 / 65535)[..., None], 0, 1)
    if page.photometric == _WHITE_IS_ZERO:
        rgb = 1 - rgb
    rgb = _through_profile(np.ascontiguousarray(rgb), page.tags.valueof(_PROFILE))
    if rgb.shape[2] == 4:
        rgb = (1 - rgb[..., :3]) * (1 - rgb[..., 3:])  # as Pillow does without a profile
    rgb = np.ascontiguousarray(np.broadcast_to(rgb, (*rgb.shape[:2], 3)))
    tags = tags_in({number: page.tags.valueof(number) for number in NUMBERS})
    return Picture(rgb if alpha is None else fill_hidden(rgb, alpha), alpha, tags)


def _upright(values: NDArray[np.float32], orientation: Any) -> NDArray[np.float32]:
    """Turned as the tag Orientation says: which sides of the scene the first row and column are."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values[:, ::-1] if orientation in (2, 3, 6, 7) else values


def _through_profile(values: NDArray[np.float32], icc: Any) -> NDArray[np.float32]:
    """In 8 bits for colour and 16 for grey, as LittleCMS has them; untouched where the profile says sRGB."""
    if not isinstance(icc, bytes) or not icc:
        return values
    if values.shape[2] == 1:
        image = Image.fromarray(np.rint(values[..., 0] * 65535).astype(np.uint16))
    else:
        image = Image.fromarray(to_uint8(values), "RGB" if values.shape[2] == 3 else "CMYK")
    converted = to_srgb(image, icc)
    if converted is image:
        return values
    floats = np.asarray(converted).astype(np.float32) / (65535 if converted.mode == "I;16" else 255)
    return np.atleast_3d(floats)


def _name(compression: Any) -> str:
    return str(getattr(compression, "name", compression))


_SLAB = 2**24  # bytes of an uncompressed picture that are read at once

_Part = tuple[NDArray[Any], int, int, int]
"""Values (H, W, samples), the first row and column, the first sample."""


def means(page: TiffPage, file: BinaryIO, factor: int) -> tuple[NDArray[np.floating], float, float]:
    """Means of blocks of factor x factor pixels, those at the right and at the bottom being narrower.

    (H, W, samples), and the smallest and the largest value before they were averaged.
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
