"""`Picture` -> a file: complete or not at all, in sRGB, with the settings that made it inside.

Where the settings go: PNG has an international text chunk "nst"; JPEG, WebP and TIFF have the EXIF tag
ImageDescription. Both hold JSON, and exiftool, tifffile and image viewers show both.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from nst._version import __version__
from nst.errors import ImageError
from nst.files import check_writable, parse, unwritten, write_atomically
from nst.pictures.opening import FileSource, name_of, open_file, open_picture
from nst.pictures.picture import NO_TAGS, Picture, Tags, to_uint8
from nst.pictures.profiles import srgb_profile

_DESCRIPTION, _SOFTWARE = 270, 305  # EXIF 2.32, section 4.6.4: ImageDescription, Software


class _Format(NamedTuple):
    """One output format: Pillow's name, what it is told, and the longest side that the format can have."""

    name: str
    options: dict[str, Any]
    longest: int


_PNG = _Format("PNG", {}, 2**31 - 1)
_JPEG = _Format("JPEG", {"quality": 95, "subsampling": 0, "optimize": True}, 65500)
# exact: colours under transparent pixels survive, as they do in the other formats.
_WEBP = _Format("WEBP", {"quality": 95, "method": 6, "exact": True}, 16383)
_TIFF = _Format("TIFF", {"compression": "tiff_adobe_deflate"}, 2**31 - 1)
_FORMATS = {".jpeg": _JPEG, ".jpg": _JPEG, ".png": _PNG, ".tif": _TIFF, ".tiff": _TIFF, ".webp": _WEBP}


def check_output(path: str | os.PathLike[str], size: tuple[int, int] | None = None) -> None:
    """Check before the work starts that `write_picture` can write here; leaves nothing behind.

    WebP and JPEG have a largest side, if (width, height) is known. ImageError: unknown extension, path is a folder,
    folder missing or not writable, too large.
    """
    kind = _format(path)
    if size and max(size) > kind.longest:
        raise ImageError(
            f"cannot write {path}: {size[0]} x {size[1]} pixels, and {kind.name} ends at {kind.longest} "
            "a side; write .png or .tiff"
        )
    try:
        check_writable(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def write_picture(
    picture: Picture | Image.Image,
    path: str | os.PathLike[str],
    settings: Mapping[str, Any] | None = None,
    tags: Tags | None = None,
) -> None:
    """Write PNG, JPEG, WebP or TIFF by the extension of `path`, replacing an older file at once.

    8 bits a channel, sRGB profile attached. Alpha is kept, except in JPEG, which has none: there the
    picture is laid on white. JPEG is quality 95 without chroma subsampling, WebP quality 95, TIFF is
    compressed without loss. The bytes go to a temporary file in the same folder, reach the disk, and take
    the place of `path` in one step: after a crash there is the old file or the new one, never half of one.
    The mode of the new file is what the umask leaves of 0666.

    Args:
        picture: what to write; an image is RGB or RGBA, sRGB.
        path: .png, .jpg, .jpeg, .webp, .tif or .tiff, upper or lower case.
        settings: go into the metadata as JSON, if given; numpy scalars as numbers, other objects as text.
        tags: dots per inch, author and copyright; None for those of the picture.

    Raises:
        ImageError: the extension is unknown, or encoding or writing failed; `path` is as it was before.

    Examples:
        >>> picture = Picture(np.full((32, 40, 3), 0.5, np.float32))
        >>> write_picture(picture, "grey.png", {"steps": 3})
        >>> read_settings("grey.png")["steps"]
        3
    """
    write_file(path, encoded(picture, path, settings, tags))


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write what `encoded` made, as `write_picture` does; ImageError if that fails, and `path` is as it was before."""
    try:
        write_atomically(path, data)
    except OSError as error:
        raise _unwritable(path, error) from error


def read_settings(path: FileSource) -> dict[str, Any]:
    """The settings that `write_picture` put into a file: a path, its bytes, or an open one.

    ImageError: the file cannot be read, or carries no settings of nst.
    """
    with open_file(path) as file:
        image = open_picture(file, name_of(path))
        text = image.info.get("nst") if image.format == "PNG" else image.getexif().get(_DESCRIPTION)
    try:
        settings = parse(text or "")
    except (TypeError, ValueError):
        settings = None
    if not isinstance(settings, dict):
        raise ImageError(
            f"{name_of(path)} carries no settings of nst: it was written without them, or another program has "
            "written or stripped it"
        )
    return settings


def to_pil(picture: Picture) -> Image.Image:
    """An 8-bit Pillow image, RGB or RGBA, with the sRGB profile in its `info`."""
    values = to_uint8(picture.rgb)
    if picture.alpha is not None:
        values = np.dstack([values, to_uint8(picture.alpha)])
    image = Image.fromarray(values)
    image.info["icc_profile"] = srgb_profile()
    return image


def _on_white(picture: Picture | Image.Image) -> Picture | Image.Image:
    """Without alpha."""
    if isinstance(picture, Image.Image):
        if picture.mode != "RGBA":
            return picture
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    if picture.alpha is None:
        return picture
    alpha = picture.alpha[..., None]
    return Picture(picture.rgb * alpha + (1 - alpha), tags=picture.tags)


def encoded(
    picture: Picture | Image.Image,
    path: str | os.PathLike[str],
    settings: Mapping[str, Any] | None = None,
    tags: Tags | None = None,
) -> bytes:
    """The file that `write_picture` writes, as bytes; ImageError for an unknown extension or if encoding fails."""
    settings = None if settings is None else dict(settings)
    kind = _format(path)
    if kind is _JPEG:
        picture = _on_white(picture)
    options = dict(kind.options, icc_profile=srgb_profile())
    tags = tags or (picture.tags if isinstance(picture, Picture) else NO_TAGS)
    if tags.dpi is not None:
        options["dpi"] = tags.dpi
    software = f"nst {__version__}"
    if kind is _PNG:
        options["pnginfo"] = info = PngInfo()
        tags.in_png(info)
        if settings is not None:
            info.add_text("Software", software)
            info.add_itxt("nst", json.dumps(settings, default=_plain, ensure_ascii=False))
    else:
        options["exif"] = exif = Image.Exif()
        tags.in_exif(exif)
        if settings is not None:
            exif[_SOFTWARE] = software
            # EXIF text is ASCII; JSON can say every other character in ASCII.
            exif[_DESCRIPTION] = json.dumps(settings, default=_plain)
    buffer = io.BytesIO()
    try:
        image = picture if isinstance(picture, Image.Image) else to_pil(picture)
        image.save(buffer, kind.name, **options)
    except (OSError, ValueError, MemoryError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"cannot write {path} as {kind.name}: {reason}; write .png instead") from error
    return buffer.getvalue()


def _plain(value: object) -> object:
    """What JSON has no form for: numpy scalars as numbers, paths and the rest as text."""
    return value.item() if isinstance(value, np.generic) else str(value)


def _format(path: str | os.PathLike[str]) -> _Format:
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        got = f"the extension {suffix}" if suffix else "no extension"
        raise ImageError(f"cannot write {path}: {got}; use one of {', '.join(_FORMATS)}")
    return _FORMATS[suffix]


def _unwritable(path: str | os.PathLike[str], error: OSError) -> ImageError:
    return ImageError(f"cannot write {path}: {unwritten(error)}")


CAPTIONED_SIDE = 640  # longest side in pixels of what is shown

_LETTERS, _GAP = 13, 4  # height of the letters and space around them in pixels


def with_caption(picture: Picture, caption: str) -> bytes:
    """The picture, made smaller if it is large, with lines of text on white below it, as a PNG."""
    image = to_pil(picture)
    image.thumbnail((CAPTIONED_SIDE, CAPTIONED_SIDE))
    font = ImageFont.load_default(_LETTERS)
    left, top, right, bottom = ImageDraw.Draw(image).multiline_textbbox((0, 0), caption, font)
    size = max(image.width, round(right - left) + 2 * _GAP), image.height + round(bottom - top) + 2 * _GAP
    sheet = Image.new(image.mode, size, "white")
    sheet.paste(image)
    ImageDraw.Draw(sheet).multiline_text((_GAP, image.height + _GAP - top), caption, "black", font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()
