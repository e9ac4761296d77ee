"""A file -> a Pillow image whose pixels are not decoded yet, or one line that says what the file is instead."""

from __future__ import annotations

import logging
import os
import re
import struct
import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeAlias

from PIL import Image

from nst.errors import ImageError
from nst.pictures import jxl, png
from nst.pictures.formats import HEAD, format_of, openable
from nst.pictures.large import check_pixels
from nst.words import MAX_PIXELS

__all__ = [
    "CODE_POINTS",
    "Source",
    "bomb",
    "damaged",
    "name_of",
    "one_line",
    "open_file",
    "open_picture",
]

CODE_POINTS = "nst_code_points"
"""Key in `Image.info` of (primaries, transfer), as H.273 numbers them."""

# Pillow logs some damage as errors, which Python prints to stderr where the program set up no logging.
logging.getLogger("PIL").addHandler(logging.NullHandler())


Source: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO"
"""Where the bytes of a file are: a path, themselves, or something to read them from."""


def open_file(path: Source) -> BinaryIO:
    """Open for reading, or say in one line why not. Of an open file, the rest from where it stands."""
    if isinstance(path, (bytes, bytearray, memoryview)):
        return BytesIO(path)
    if not isinstance(path, (str, os.PathLike)):
        rest = path.read()
        if not isinstance(rest, bytes):
            raise ImageError(f"cannot read {name_of(path)}: it is open for text; open it with mode 'rb'")
        return BytesIO(rest)
    try:
        if Path(path).exists() and not Path(path).is_file():
            kind = "a folder" if Path(path).is_dir() else "not a regular file"
            raise ImageError(f"cannot read {path}: it is {kind}; give a picture file")
        return Path(path).open("rb")
    except FileNotFoundError as error:
        raise ImageError(f"cannot read {path}: no such file; check the name and the folder") from error
    except PermissionError as error:
        raise ImageError(f"cannot read {path}: permission denied; make it readable to you") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise ImageError(f"cannot read {path}: {one_line(error)}; check the name") from error


def name_of(source: Source) -> str:
    """What to call it in messages."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"the {len(source)} bytes"
    if isinstance(source, (str, os.PathLike)):
        return str(source)
    return str(getattr(source, "name", "the open file"))


def open_picture(file: BinaryIO, path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Recognise the picture and read its header; `path` is for messages.

    How many pixels it has is for the caller to check, see `nst.pictures.large`; JPEG XL is decoded at once, though.

    Raises:
        ImageError: it is none, one of a kind that nst does not read, or damaged.
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
                check_pixels(jxl.size_of(file), max_pixels, str(path))
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
