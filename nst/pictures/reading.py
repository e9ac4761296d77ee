"""Any picture that Pillow opens -> `Picture`: upright, in sRGB, float32.

Where Pillow itself reduces 16 bits a channel to 8, so does this: RGB, RGBA and grey with alpha, PNG and
TIFF alike. 16-bit grey without alpha and float grey keep their precision.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from nst.errors import ImageError
from nst.pictures.picture import Picture, fill_hidden
from nst.pictures.profiles import to_srgb

__all__ = ["check_range", "decode", "open_file", "open_picture", "read_picture"]

# Pillow logs some damage as errors, which Python prints to stderr where the program set up no logging.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_WHITE_IS_ZERO = 0  # TIFF 6.0, tag 262 PhotometricInterpretation
_ROUNDING = 1e-3  # floats this far outside [0, 1] come from resampling or half precision


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Read a picture file; of an animation, the first frame.

    The EXIF orientation is applied, an embedded ICC profile (RGB, grey, CMYK, LAB) is converted to sRGB,
    transparency of every kind becomes `Picture.alpha`. Colours outside sRGB are clipped to it.

    Args:
        path: any format that Pillow reads: PNG, JPEG, WebP, TIFF, GIF, BMP, AVIF, JPEG 2000 ...

    Raises:
        ImageError: missing, no permission, a folder, empty, not a picture, damaged or cut short, more
            pixels than `PIL.Image.MAX_IMAGE_PIXELS`, or values that have no meaning as a picture.
    """
    with open_file(path) as file:
        image = open_picture(file, path)
        return decode(image, str(path))


def open_picture(file: BinaryIO, path: str | os.PathLike[str]) -> Image.Image:
    """Recognise the picture and read its header; `path` is for messages. The pixels are not decoded yet."""
    if os.fstat(file.fileno()).st_size == 0:
        raise ImageError(f"cannot read {path}: the file is empty (0 bytes); copy or download it again")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Pillow warns above its limit and refuses above twice that. Half a gigabyte of floats is no
        # good start for a warning nobody sees, so the lower limit counts here.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return Image.open(file)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise _bomb(error, path) from error
        except UnidentifiedImageError as error:
            raise ImageError(
                f"cannot read {path}: not a picture that Pillow knows, or its first bytes are damaged; "
                "give a PNG, JPEG, WebP or TIFF file"
            ) from error
        except Exception as error:  # a hostile header can raise anything from Pillow's plugins
            raise _damaged(error, path) from error


def decode(image: Image.Image, name: str) -> Picture:
    """Turn a Pillow image of any mode into a `Picture`.

    Args:
        image: opened or made in memory; its `info` may hold an ICC profile, EXIF and transparency.
        name: what to call it in messages.

    Raises:
        ImageError: the pixels cannot be decoded or have no meaning as a picture.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image.load()
            samples, alpha = _split_alpha(_upright(_black_is_zero(image)), name)
            rgb = _as_floats(to_srgb(samples, image.info.get("icc_profile")), name)
        except ImageError:
            raise
        except MemoryError as error:
            raise ImageError(f"cannot read {name}: not enough memory; make it smaller first") from error
        except Exception as error:  # damaged data can raise anything from Pillow's decoders
            raise _damaged(error, name) from error
    return Picture(rgb) if alpha is None else Picture(fill_hidden(rgb, alpha), alpha)


def check_range(values: NDArray[np.floating], name: str) -> NDArray[np.float32]:
    """Floats as float32 clipped to [0, 1]; `ImageError` if they are further out than rounding explains."""
    low, high = float(values.min()), float(values.max())
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # false for NaN as well
        raise ImageError(
            f"{name}: float values run from {low:g} to {high:g}; "
            "scale them to [0, 1] and remove what is not finite"
        )
    return np.clip(values.astype(np.float32), 0, 1)


def _black_is_zero(image: Image.Image) -> Image.Image:
    """Invert what Pillow leaves inverted: TIFFs that store white as zero, at 16 bits (not at 8)."""
    if image.mode == "I;16" and getattr(image, "tag_v2", {}).get(262) == _WHITE_IS_ZERO:
        return Image.fromarray(np.uint16(65535) - np.asarray(image))
    return image


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # an EXIF block too broken to parse: nearly anything is raised, and it says nothing
        return image


def _split_alpha(image: Image.Image, name: str) -> tuple[Image.Image, NDArray[np.float32] | None]:
    """Samples in mode L, I;16, F, RGB, CMYK or LAB, and alpha (H, W) or None."""
    if image.mode.startswith("I"):
        grey, key = _sixteen_bits(image, name), image.info.get("transparency")
        return Image.fromarray(grey), None if key is None else (grey != key).astype(np.float32)
    if image.has_transparency_data:
        colour = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
        both = image.convert(colour + "A")
        alpha = np.asarray(both.getchannel("A"), dtype=np.float32) / np.float32(255)
        return both.convert(colour), alpha
    if image.mode in ("F", "CMYK", "LAB"):
        return image, None
    return image.convert("L" if image.mode in ("1", "L") else "RGB"), None


def _sixteen_bits(image: Image.Image, name: str) -> NDArray[np.uint16]:
    """Modes I, I;16, I;16L and I;16B as (H, W) uint16 in native byte order."""
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ImageError(f"cannot use {name}: grey values run from {low} to {high}; save it with 16 bits")
    return values.astype(np.uint16)


def _as_floats(image: Image.Image, name: str) -> NDArray[np.float32]:
    """Mode L, I;16, F or RGB as (H, W, 3) float32 in [0, 1]."""
    values = np.asarray(image)
    if values.dtype.kind == "f":
        rgb = check_range(values, name)
    else:
        rgb = values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)
    return rgb if rgb.ndim == 3 else np.repeat(rgb[..., None], 3, axis=2)


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open for reading, or say in one line why not."""
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
        raise ImageError(f"cannot read {path}: {_one_line(error)}; check the name") from error


def _bomb(error: Exception, name: object) -> ImageError:
    pixels = int(re.findall(r"\d+", str(error))[0])
    return ImageError(
        f"cannot read {name}: {pixels:,} pixels, above the limit of {Image.MAX_IMAGE_PIXELS:,} against "
        "decompression bombs; make a smaller copy, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust it"
    )


def _damaged(error: Exception, name: object) -> ImageError:
    reason = _one_line(error) or type(error).__name__
    return ImageError(
        f"cannot read {name}: the picture is damaged or cut short ({reason}); copy or download it again"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
