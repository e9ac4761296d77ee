"""A file -> a Pillow image whose pixels are not decoded yet, or one line that says what the file is instead."""

from __future__ import annotations

import logging
import os
import re
import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeAlias

from PIL import Image

from nst.errors import ImageError
from nst.pictures import png
from nst.pictures.large import check_pixels
from nst.settings import MAX_PIXELS

CODE_POINTS = "nst_code_points"
"""Key in `Image.info` of (primaries, transfer), as H.273 numbers them."""

# Pillow logs some damage as errors, which Python prints to stderr where the program set up no logging.
logging.getLogger("PIL").addHandler(logging.NullHandler())


FileSource: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO"
"""Where the bytes of a file are: a path, themselves, or something to read them from."""


def open_file(path: FileSource) -> BinaryIO:
    """Open for reading, or say in one line why not.

    Of an open file, the rest from where it stands, and the whole where it stands at its end, as after it was written.
    """
    if isinstance(path, (bytes, bytearray, memoryview)):
        return BytesIO(path)
    if not isinstance(path, (str, os.PathLike)):
        rest = path.read()
        if not rest and getattr(path, "seekable", bool)():
            path.seek(0)
            rest = path.read()
        if not isinstance(rest, bytes):
            raise ImageError(f"cannot read {name_of(path)}: it is open for text; open it with mode 'rb'")
        return BytesIO(rest)
    try:
        if Path(path).exists() and not Path(path).is_file():
            if Path(path).is_dir():
                raise ImageError(f"cannot read {path}: it is a folder; give a picture file, or see nst batch")
            raise ImageError(f"cannot read {path}: it is not a regular file; give a picture file")
        return Path(path).open("rb")
    except FileNotFoundError as error:
        if re.match("https?:", str(path)):
            raise ImageError(f"cannot read {path}: it is an address; save the picture first") from error
        if "*" in str(path):
            raise ImageError(f"cannot read {path}: no such file; for many pictures see nst batch") from error
        raise ImageError(f"cannot read {path}: no such file; check the name and the folder") from error
    except PermissionError as error:
        raise ImageError(f"cannot read {path}: permission denied; make it readable to you") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise ImageError(f"cannot read {path}: {one_line(error)}; check the name") from error


def name_of(source: FileSource) -> str:
    """What to call it in messages."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"the {len(source)} bytes"
    if isinstance(source, (str, os.PathLike)):
        return str(source)
    return str(getattr(source, "name", "the open file"))


def open_picture(file: BinaryIO, path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Recognise the picture and read its header; `path` is for messages.

    How many pixels it has is for the caller to check, see `nst.pictures.large`; JPEG XL is decoded at once, though.
    ImageError: it is not a picture, one of a kind that nst does not read, or damaged.
    """
    head = file.read(HEAD)
    file.seek(0)
    if not head:
        raise ImageError(f"cannot read {path}: the file is empty (0 bytes); copy or download it again")
    format_ = format_of(head)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if format_ is not None and format_.pillow == "JXL":
                check_pixels(size_of_jxl(file), max_pixels, str(path))
            image = (
                _open_png(file) if head.startswith(png.SIGNATURE) else _open(file, head, openable(format_))
            )
            if image is not None and format_ is not None and CODE_POINTS not in image.info:
                _note_code_points(image, file)
        except ImageError:
            raise
        except Image.DecompressionBombError as error:
            raise bomb(error, path) from error
        except Exception as error:  # a hostile header can raise anything from Pillow's plugins
            raise damaged(error, path) from error
    if image is not None:
        return image
    if format_ is not None:
        raise ImageError(f"cannot read {path}: it is {format_.name}; {format_.advice}")
    raise ImageError(
        f"cannot read {path}: not a picture that nst knows, or its first bytes are damaged; "
        "give a PNG, JPEG, WebP or TIFF file"
    )


def damaged(error: Exception, name: object) -> ImageError:
    """What to say of a decoder's error."""
    reason = one_line(error) or type(error).__name__
    return ImageError(
        f"cannot read {name}: the picture is damaged or cut short ({reason}); copy or download it again"
    )


def bomb(error: Exception, name: object) -> ImageError:
    """What to say of a frame that Pillow finds too large by itself."""
    (pixels, *_) = re.findall(r"\d+", str(error)) or ["0"]
    return ImageError(
        f"cannot read {name}: a frame of {int(pixels):,} pixels, above the limit against decompression bombs; make a "
        "smaller copy"
    )


def one_line(error: Exception) -> str:
    """Its message without line breaks."""
    return " ".join(str(error).split())


def _open(file: BinaryIO, head: bytes, names: Sequence[str]) -> Image.Image | None:
    """As `Image.open`, which would refuse a picture for its size alone before it can be reduced."""
    Image.preinit()
    for name in names:
        if name not in Image.OPEN:
            Image.init()  # which takes longer than to read a small picture
        if name not in Image.OPEN:
            continue
        factory, accept = Image.OPEN[name]
        accepted = accept is None or accept(head[:16])
        if not accepted or isinstance(accepted, str):  # in words, why not
            continue
        file.seek(0)
        try:
            return factory(file, "")
        except (SyntaxError, IndexError, TypeError, struct.error):  # not of this format after all
            continue
    return None


def _open_png(file: BinaryIO) -> Image.Image | None:
    found = png.readable(file)
    image = _open(found.file, png.SIGNATURE, ["PNG"])
    if image is not None:
        if found.profile is not None:
            image.info["icc_profile"] = found.profile
        if found.code_points is not None:
            image.info[CODE_POINTS] = found.code_points
    return image


def _note_code_points(image: Image.Image, file: BinaryIO) -> None:
    """Those of a HEIC or AVIF picture; a profile says more."""
    if image.info.get("icc_profile"):
        return
    nclx = image.info.get("nclx_profile")  # of pi-heif
    if nclx:
        image.info[CODE_POINTS] = int(nclx["color_primaries"]), int(nclx["transfer_characteristics"])
    elif image.format == "AVIF":
        at = file.tell()
        file.seek(0)
        found = {match[1] for match in re.finditer(rb"colrnclx(.{4})", file.read(1 << 16), re.DOTALL)}
        file.seek(at)
        if len(found) == 1:  # else some are those of a thumbnail or a gain map
            (points,) = found
            image.info[CODE_POINTS] = int.from_bytes(points[:2], "big"), int.from_bytes(points[2:], "big")


HEAD = 1024  # as many bytes of a file as `format_of` looks at

ANIMATED = ("AVIF", "GIF", "PNG", "WEBP")
"""Pillow's names of the formats of which further pictures are frames, not pages or views."""

_OPENED = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "JPEG2000", "PPM", "TGA", "PCX", "ICO", "QOI", "SGI")


@dataclass(frozen=True)
class Format:
    """A kind of file."""

    name: str  # with its article: "a HEIC picture"
    advice: str  # what to do about it where it cannot be read
    pillow: str = ""  # Pillow's name of the format, where it may read it
    plugin: str = ""  # the module that teaches Pillow to


_EXPORT = "export it as PNG or TIFF first"
_HEIC = Format("a HEIC picture", "install its reader: pip install 'nst[heif]'", "HEIF", "pi_heif")
_JXL = Format("a JPEG XL picture", "install its reader: pip install 'nst[jxl]'", "JXL", "pillow_jxl")
_AVIF = Format("an AVIF picture that this Pillow cannot read", "upgrade pillow, or export it as PNG", "AVIF")
_RAW = Format(
    "a camera raw file", "develop it with the camera's program or darktable and export TIFF or JPEG"
)
_MOVIE = Format("a movie", "paint it with nst video, or save one of its frames as a picture")
_SVG = Format("an SVG drawing", _EXPORT)
_PAGE = Format("a web page, not a picture", "save the picture itself")
_PSD = Format("a Photoshop document of a kind that cannot be read", _EXPORT, "PSD")
_TIFF = Format("a TIFF of a kind that cannot be read", "save it with 8 or 16 bits a channel", "TIFF")
_POSTSCRIPT = Format("a PostScript drawing", _EXPORT)
_ARCHIVE = Format("a ZIP archive or an office document", "take the picture out first")
_GIMP = Format("a GIMP document", _EXPORT)

# longer beginnings stand before those that they begin with
_BEGINNINGS: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\x0a", _JXL),
    (b"\0\0\0\x0cJXL \r\n\x87\n", _JXL),
    (b"8BPS", _PSD),
    *((beginning, _TIFF) for beginning in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    (b"gimp xcf", _GIMP),
    (
        b"version https://git-lfs",
        Format("a pointer of Git LFS, not the picture", "fetch it with git lfs pull"),
    ),
    (b"%PDF", Format("a PDF document", _EXPORT)),
    (b"%!PS", _POSTSCRIPT),
    (b"\xc5\xd0\xd3\xc6", _POSTSCRIPT),
    (b"PK\x03\x04", _ARCHIVE),
    (b"v/1\x01", Format("an OpenEXR picture", "map its tones and export it as 16-bit TIFF first")),
    (b"#?RADIANCE", Format("a Radiance HDR picture", "map its tones and export it as 16-bit TIFF first")),
    (b"#?RGBE", Format("a Radiance HDR picture", "map its tones and export it as 16-bit TIFF first")),
    (b"DDS ", Format("a DDS texture", _EXPORT)),
    (b"SIMPLE  =", Format("a FITS picture", _EXPORT)),
    (b"FUJIFILMCCD-RAW", _RAW),
    (b"IIRO", _RAW),  # Olympus
    (b"IIRS", _RAW),
    (b"MMOR", _RAW),
    (b"IIU\0", _RAW),  # Panasonic
    (b"FOVb", _RAW),  # Sigma
    (b"\0MRM", _RAW),  # Minolta
    (b"\x1aE\xdf\xa3", _MOVIE),  # Matroska, WebM
    (b"OggS", _MOVIE),
    (b"FLV\x01", _MOVIE),
    (b"\0\0\x01\xba", _MOVIE),  # MPEG
    (b"\0\0\x01\xb3", _MOVIE),
    (b"0&\xb2u\x8ef\xcf\x11", _MOVIE),  # Windows Media
)

# brands of ISO base media files (ISO/IEC 14496-12): the first decides, then those it is compatible with
_BRANDS = {
    b"avif": _AVIF,
    b"avis": _AVIF,
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), _HEIC),
    b"crx ": _RAW,
}


def format_of(head: bytes) -> Format | None:
    """What a file is that begins so (its first `HEAD` bytes); None for what nst reads anyway or does not know."""
    if head[4:8] == b"ftyp":
        return _base_media(head)
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip"):  # QuickTime of old has no brand
        return _MOVIE
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return _MOVIE
    if head[:4] in (b"II*\0", b"MM\0*") and head[8:10] == b"CR":  # Canon
        return _RAW
    for beginning, format_ in _BEGINNINGS:
        if head.startswith(beginning):
            return format_
    return _markup(head)


def openable(format_: Format | None) -> tuple[str, ...]:
    """Pillow's names of the formats to try for a file that `format_of` found to be of this kind."""
    if format_ is None:
        return _OPENED
    if format_.plugin:
        _load(format_.plugin)
    return (format_.pillow,) if format_.pillow else ()


def suffixes() -> set[str]:
    """Of the files that nst opens, in lower case, with their dots."""
    Image.init()
    named = (*_OPENED, *(format_.pillow for format_ in (_AVIF, _HEIC, _JXL, _PSD)))
    known = {suffix for suffix, name in Image.registered_extensions().items() if name in named}
    return known | {".heic", ".heif", ".jxl"}  # whose plug-ins are loaded when such a file is met


def _load(plugin: str) -> None:
    """Teach Pillow a format, now that a file of it is met; `Format.advice` says what to install for it."""
    try:
        module = import_module(plugin)
    except ImportError:
        return
    if plugin == "pi_heif":
        module.register_heif_opener()


def _base_media(head: bytes) -> Format:
    """By the brands in the box `ftyp`, which is the first; a movie unless they name a picture."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]
    if b"avif" in brands or b"avis" in brands:
        return _AVIF
    return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), _MOVIE)


def _markup(head: bytes) -> Format | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return _PAGE
    if text.startswith(b"<") and b"<svg" in text:
        return _SVG
    return _PAGE if text.startswith(b"<") and b"<html" in text else None


_JXL_CODESTREAM = b"\xff\x0a"
_JXL_RATIOS = (
    (1, 1),
    (1, 1),
    (12, 10),
    (4, 3),
    (3, 2),
    (16, 9),
    (5, 4),
    (2, 1),
)  # width to height; the first is not used
_JXL_BITS = (9, 13, 18, 30)


def size_of_jxl(file: BinaryIO) -> tuple[int, int]:
    """(width, height) in pixels; ValueError if the file is cut short."""
    bits = _Bits(_jxl_header(file))
    small = bits.take(1)
    height = _jxl_side(bits, small)
    ratio = bits.take(3)
    if ratio == 0:
        return _jxl_side(bits, small), height
    across, down = _JXL_RATIOS[ratio]
    return height * across // down, height


def _jxl_side(bits: _Bits, small: int) -> int:
    return 8 * (1 + bits.take(5)) if small else 1 + bits.take(_JXL_BITS[bits.take(2)])


def _jxl_header(file: BinaryIO) -> bytes:
    """What comes after the signature of the codestream, which lies in the file or in a box of it."""
    file.seek(0)
    head = file.read(12)
    if head.startswith(_JXL_CODESTREAM):
        return head[2:]
    at = 0
    while True:
        file.seek(at)
        box = file.read(16)
        if len(box) < 16:
            raise ValueError("there is no codestream")
        if box[4:8] in (b"jxlc", b"jxlp"):
            file.seek(at + (8 if box[4:8] == b"jxlc" else 12))
            return file.read(12).removeprefix(_JXL_CODESTREAM)
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
