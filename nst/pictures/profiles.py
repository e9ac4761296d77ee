"""Colours to sRGB through ICC profiles, with Pillow's LittleCMS.

The rendering intent is relative colorimetric with black point compensation, the usual choice for
photographs: colours that sRGB has stay as they are, those outside it move to its border.
"""

from __future__ import annotations

import io
import struct
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

__all__ = ["srgb_profile", "to_srgb"]

_D50 = (0.9642, 1.0, 0.8249)
_GREY_MODES = ("L", "I;16")


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """The sRGB profile that every output carries; the same bytes on every day."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # Bytes 24 to 35 are the time of creation (ICC.1:2022, table 17): equal pictures, equal files.
    return profile[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + profile[36:]


def to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Convert to sRGB. A profile that is broken or belongs to another kind of picture is ignored.

    Grey keeps 16 bits through the conversion. LittleCMS as built into Pillow hands colour back in 8 bits.

    Args:
        image: mode L, I;16, RGB, CMYK or LAB, without alpha.
        icc: the embedded profile. Without one RGB and grey are taken as sRGB, CMYK is converted by the
            plain formula (1 - C)(1 - K) and LAB as CIE L*a*b* under D50.

    Returns:
        Mode L, I;16 or RGB.
    """
    if icc:
        try:
            return _through_profile(image, ImageCms.ImageCmsProfile(io.BytesIO(icc)))
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a profile that cannot be used says nothing about the colours
    if image.mode == "LAB":
        return _apply(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    return image.convert("RGB") if image.mode == "CMYK" else image


def _through_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    space = profile.profile.xcolor_space.strip().upper()
    if space == "GRAY" and image.mode in _GREY_MODES:
        values = np.asarray(image)
        wide = values if values.dtype == np.uint16 else values.astype(np.uint16) * np.uint16(257)
        return _apply(Image.fromarray(wide), profile, _grey_srgb_profile())
    if space == "RGB" and image.mode in (*_GREY_MODES, "RGB"):
        return image if _is_srgb(profile) else _apply(_as_rgb(image), profile)
    if space == image.mode:
        return _apply(image, profile)
    raise ValueError(f"a {space} profile on a picture of mode {image.mode}")


def _apply(image: Image.Image, profile: ImageCms.ImageCmsProfile, target: bytes | None = None) -> Image.Image:
    """Through `profile` to the grey profile `target` at 16 bits, or to sRGB in mode RGB."""
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    if target:
        # LittleCMS would resample the joint curve coarsely: off by up to 0.04 in the shadows of linear
        # grey; 1.5e-5 so (measured over all 65536 levels). For 8-bit colour it makes no such difference.
        flags |= ImageCms.Flags.NOOPTIMIZE
    transform = ImageCms.buildTransform(
        profile,
        ImageCms.ImageCmsProfile(io.BytesIO(target or srgb_profile())),
        image.mode,
        "I;16" if target else "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags,
    )
    return transform.apply(image)


def _as_rgb(image: Image.Image) -> Image.Image:
    """L, I;16 (rounded to 8 bits) or RGB as RGB."""
    if image.mode == "I;16":
        narrow = (np.asarray(image).astype(np.uint32) + 128) // 257
        image = Image.fromarray(narrow.astype(np.uint8))
    return image.convert("RGB")


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether the profile moves no colour by more than one level of 255.

    Then it is sRGB by another name, as on most pictures, and the pixels are better left untouched.
    """
    probe = _probe()
    moved = np.asarray(_apply(Image.fromarray(probe), profile)).astype(np.int16) - probe
    return bool(np.abs(moved).max() <= 1)


@lru_cache(maxsize=1)
def _probe() -> NDArray[np.uint8]:
    """(1, N, 3): every grey, and a cube of 16 levels in each channel."""
    levels = np.arange(0, 256, 17)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    greys = np.repeat(np.arange(256)[:, None], 3, axis=1)
    return np.concatenate([greys, cube])[None].astype(np.uint8)


@lru_cache(maxsize=1)
def _grey_srgb_profile() -> bytes:
    """A grey profile with the tone curve of sRGB, which LittleCMS does not build itself.

    The least that ICC.1:2010 asks for (sections 7 and 8.3.4): white point and curve, and nameless text.
    """
    text = b"mluc" + struct.pack(">3I2s2s2I", 0, 1, 12, b"en", b"US", 2, 28) + "s".encode("utf-16-be")
    curve = b"para" + struct.pack(">I2H", 0, 3, 0)  # type 3: (a X + b)^g from d on, c X below
    curve += _fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    tags = {
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(*_D50),
        b"kTRC": curve,
        b"desc": text + b"\0\0",
        b"cprt": text + b"\0\0",
    }
    start = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">2I", start + len(body), len(data))
        body += data
    head = struct.pack(">I4xI", start + len(body), 0x04200000) + b"mntrGRAYXYZ "
    head += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(*_D50)
    return head.ljust(128, b"\0") + table + body


def _fixed(*values: float) -> bytes:
    """s15Fixed16Number (ICC.1:2010, section 4.2)."""
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)
