"""Colours to sRGB: through ICC profiles, with Pillow's LittleCMS, or from the numbers that a file names instead.

The rendering intent of profiles is relative colorimetric with black point compensation, the usual choice for
photographs: colours that sRGB has stay as they are, those outside it move to its border.

Numbers are the code points of ITU-T H.273, as PNG (chunk cICP), HEIC, AVIF and films carry them: HDR, wide gamuts and
gammas. HDR has no place in sRGB, so its tones are mapped: light is measured in diffuse white, 203 cd/m^2 (ITU-R
BT.2408, table 1). Up to half of it nothing changes; what is brighter, up to 1000 cd/m^2, is rolled off by Reinhard's
curve (*Photographic Tone Reproduction for Digital Images*, 2002, equation 4).
"""

from __future__ import annotations

import io
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

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

    From L, I;16, RGB, CMYK or LAB without alpha, to L, I;16 or RGB. Grey keeps 16 bits through the conversion.
    LittleCMS as built into Pillow hands colour back in 8 bits. Without a profile RGB and grey are taken as sRGB, CMYK
    is converted by the plain formula (1 - C)(1 - K) and LAB as CIE L*a*b* under D50.
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


Floats = NDArray[np.float32]

SRGB = 13
_PQ, _HLG = 16, 18
HDR = (_PQ, _HLG)  # transfers of light beyond white

_LINEAR = 8
_GAMMAS = {4: 2.2, 5: 2.8}

_D65 = (0.3127, 0.3290)
SRGB_CHROMATICITIES = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
"""x and y of white, red, green and blue, as PNG's chunk cHRM has them."""

_BT2020, _P3 = 9, 12
_CHROMATICITIES = {
    _BT2020: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    _P3: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}

_WHITE, _PEAK, _KNEE = 203.0, 1000.0, 0.5
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)


def needs_conversion(primaries: int, transfer: int) -> bool:
    """Whether what has these code points is anything but sRGB, or near enough to be shown as it."""
    return primaries in _CHROMATICITIES or transfer in (*HDR, _LINEAR, *_GAMMAS)


def from_code_points(signal: Floats, primaries: int, transfer: int) -> Floats:
    """From full range (..., 3) in [0, 1], not Y'CbCr, to sRGB in [0, 1].

    Primaries of BT.2020 (9) and P3 (12) are converted, and the transfers PQ (16), HLG (18), linear (8), gammas (4, 5);
    all others are taken as those of sRGB.
    """
    if transfer == _PQ:
        light = _toned(_from_pq(signal) / _WHITE)
    elif transfer == _HLG:
        light = _toned(_from_hlg(signal) / _WHITE)
    elif transfer in _GAMMAS:
        light = signal ** np.float32(_GAMMAS[transfer])
    else:
        light = signal if transfer == _LINEAR else _decoded(signal)
    if primaries in _CHROMATICITIES:
        light = light @ _to_srgb_primaries(_CHROMATICITIES[primaries])
    return _encoded(light)


def from_gamma(signal: Floats, gamma: float, chromaticities: tuple[float, ...] | None) -> Floats:
    """To sRGB in [0, 1], from a file that says `signal = light ** gamma` and, perhaps, of which primaries.

    The signal is (..., 3) in [0, 1], gamma about 0.45, as PNG's chunk gAMA has it; without possible chromaticities
    (in the order of `SRGB_CHROMATICITIES`) the primaries are those of sRGB.
    """
    light = signal ** np.float32(1 / gamma)
    if chromaticities is not None:
        # primaries on one line or beyond the visible say nothing
        with suppress(np.linalg.LinAlgError, ZeroDivisionError, FloatingPointError):
            light = light @ _to_srgb_primaries(chromaticities)
    return _encoded(light)


def _from_pq(signal: Floats) -> Floats:
    """Display light in cd/m^2 (ITU-R BT.2100, table 4)."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = signal.astype(np.float64) ** (1 / m2)
    light = 10000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return light.astype(np.float32)


def _from_hlg(signal: Floats) -> Floats:
    """Display light in cd/m^2 on a display of 1000 (ITU-R BT.2100, table 5: inverse OETF, then OOTF of gamma 1.2)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12).astype(np.float32)
    luminance = scene @ _LUMA_2020
    return np.float32(_PEAK) * luminance[..., None] ** np.float32(0.2) * scene


def _toned(light: Floats) -> Floats:
    """Light in units of diffuse white, brought into [0, 1] by one factor a pixel, which keeps its hue."""
    largest = light.max(axis=-1, keepdims=True)
    beyond = np.clip((largest - _KNEE) / (1 - _KNEE), 0, None)
    end = (_PEAK / _WHITE - _KNEE) / (1 - _KNEE)
    rolled = _KNEE + (1 - _KNEE) * np.minimum(beyond * (1 + beyond / end**2) / (1 + beyond), 1)
    toned = light * np.where(beyond > 0, rolled / np.maximum(largest, _KNEE), 1)
    return toned.astype(np.float32)


def _to_srgb_primaries(chromaticities: tuple[float, ...]) -> Floats:
    """(3, 3), for light @ matrix; white goes to white (von Kries on XYZ where the two are not the same)."""
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        source, target = _to_xyz(chromaticities), _to_xyz(SRGB_CHROMATICITIES)
        adapted = np.diag(target.sum(axis=1) / source.sum(axis=1)) @ source
        return (np.linalg.inv(target) @ adapted).T.astype(np.float32)


def _to_xyz(chromaticities: tuple[float, ...]) -> NDArray[np.float64]:
    """(3, 3), for matrix @ light: columns are the primaries, whose sum is white of Y = 1."""
    white, *primaries = (
        np.array([x / y, 1, (1 - x - y) / y])
        for x, y in zip(chromaticities[::2], chromaticities[1::2], strict=True)
    )
    columns = np.stack(primaries, axis=1)
    return columns * np.linalg.solve(columns, white)


def _decoded(signal: Floats) -> Floats:
    """The curve of sRGB (IEC 61966-2-1), to light."""
    low = signal <= 0.04045
    return np.where(low, signal / 12.92, ((np.maximum(signal, 0) + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _encoded(light: Floats) -> Floats:
    """And back, clipped to [0, 1]."""
    light = np.clip(light, 0, 1)
    low = light <= 0.0031308
    return np.where(low, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)
