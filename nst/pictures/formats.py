"""What a file is, by its first bytes; and the formats that nst means to open."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from PIL import Image

__all__ = ["ANIMATED", "HEAD", "Format", "format_of", "openable", "suffixes"]

HEAD = 1024
"""As many bytes of a file as `format_of` looks at."""

ANIMATED = ("AVIF", "GIF", "PNG", "WEBP")
"""Pillow's names of the formats of which further pictures are frames, not pages or views."""

_OPENED = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "JPEG2000", "PPM", "TGA", "PCX", "ICO", "QOI", "SGI")


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        name: what it is, with its article: "a HEIC picture".
        advice: what to do about it where it cannot be read.
        pillow: Pillow's name of the format, where it may read it.
        plugin: the module that teaches Pillow to.
    """

    name: str
    advice: str
    pillow: str = ""
    plugin: str = ""


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
    """What a file is that begins so; None for what nst reads anyway and for what it does not know.

    Args:
        head: the first `HEAD` bytes, or all there are.
    """
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
