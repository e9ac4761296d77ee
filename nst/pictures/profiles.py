"""Colours to sRGB through ICC profiles, with Pillow's LittleCMS.

The rendering intent is relative colorimetric with black point compensation, the usual choice for
photographs: colours that sRGB has stay as they are, those outside it move to its border.
"""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

__all__ = ["srgb_profile", "to_srgb"]

_FOLDER = Path(__file__).parent
_GREY_MODES = ("L", "I;16")


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """The sRGB profile that every output carries: LittleCMS's own, which is free to use, dated 1 January 2000."""
    return _FOLDER.joinpath("srgb.icc").read_bytes()


@lru_cache(maxsize=1)
def _grey_profile() -> bytes:
    """A grey profile with the tone curve of sRGB, which LittleCMS does not build itself."""
    return _FOLDER.joinpath("grey.icc").read_bytes()


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
        return _apply(Image.fromarray(wide), profile, _grey_profile())
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
