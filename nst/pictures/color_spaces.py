"""Lightness and chroma of sRGB colours: BT.601 luma and CIE L*a*b*, taken apart and put together again.

All colours are sRGB in [0, 1] in the last axis of an array of any shape, unless a name says `linear`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BLOCK",
    "LUMA",
    "by_blocks",
    "from_lab",
    "luma",
    "recolor_lab",
    "recolor_yuv",
    "to_gamut",
    "to_lab",
    "with_luma",
]

_Values = NDArray[np.float64]

BLOCK = 1 << 20
"""Pixels that are worked on at a time, so that float64 copies stay small beside a large picture."""

LUMA = np.array([0.299, 0.587, 0.114])
"""Y' of ITU-R BT.601, of gamma-encoded values."""

_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
"""Linear sRGB (IEC 61966-2-1) to CIE XYZ, as tabulated by B. Lindbloom."""

_RGB = np.linalg.inv(_XYZ)
_WHITE = _XYZ.sum(axis=1)  # D65; the sum and not the tabulated white, so that a* and b* of greys are 0
_KNEE = 6 / 29  # CIE 15:2004, equations 8.3 to 8.11


def by_blocks(
    function: Callable[..., NDArray[np.floating]], *pictures: NDArray[np.float32]
) -> NDArray[np.float32]:
    """A function of pixels applied to pictures of one shape (H, W, 3), in float64, block by block.

    Args:
        function: takes one (n, 3) float64 array for each picture and returns (n, 3).
        pictures: (H, W, 3) each.

    Returns:
        (H, W, 3) float32.
    """
    flat = [picture.reshape(-1, 3) for picture in pictures]
    result = np.empty(flat[0].shape, np.float32)
    for start in range(0, len(result), BLOCK):
        part = slice(start, start + BLOCK)
        result[part] = function(*(values[part].astype(np.float64) for values in flat))
    return result.reshape(pictures[0].shape)


def luma(rgb: _Values) -> _Values:
    """Y' = 0.299 R' + 0.587 G' + 0.114 B' (BT.601) of gamma-encoded values, (..., 3) -> (..., 1)."""
    return np.asarray(rgb @ LUMA)[..., None]


def with_luma(luminance: _Values, chroma: _Values) -> _Values:
    """The colour of this luma (..., 1) in [0, 1] and chroma (..., 3), an RGB offset of luma 0, in gamut."""
    return to_gamut(luminance + chroma, luminance)


def to_gamut(rgb: _Values, grey: _Values) -> _Values:
    """Pull colours outside [0, 1] straight towards a grey of the same lightness until they fit.

    Clipping each channel would change the lightness, which is all that is kept of the painting, and the
    hue. On the line to the grey both stay: luma for encoded values, CIE luminance (so L* too) for linear.

    Args:
        rgb: (..., 3), encoded or linear.
        grey: (..., 1) in [0, 1].

    Returns:
        (..., 3) in [0, 1]; colours inside the gamut are unchanged.
    """
    offset = rgb - grey
    room = np.where(offset > 0, 1 - grey, grey)
    share = np.divide(room, np.abs(offset), out=np.ones_like(offset), where=np.abs(offset) > room)
    least = share.min(axis=-1, keepdims=True)
    return np.clip(np.where(least < 1, grey + least * offset, rgb), 0, 1)


def to_lab(rgb: _Values) -> _Values:
    """CIE L*a*b* under D65: L* in [0, 100], 0 <= rgb <= 1 (CIE 15:2004; sRGB by IEC 61966-2-1)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _XYZ.T / _WHITE
    x, y, z = np.moveaxis(np.where(xyz > _KNEE**3, np.cbrt(xyz), xyz / (3 * _KNEE**2) + 4 / 29), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def from_lab(lab: _Values) -> _Values:
    """The sRGB of the same L*, in [0, 1]; `to_gamut`, in linear light, reduces chroma that does not fit."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f > _KNEE, f**3, 3 * _KNEE**2 * (f - 4 / 29))
    linear = to_gamut((xyz * _WHITE) @ _RGB.T, np.clip(xyz[..., 1:2], 0, 1))
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def recolor_yuv(
    rgb: NDArray[np.float32], colors: NDArray[np.float32], keep: float, take: float
) -> NDArray[np.float32]:
    """The luma of `rgb` with `keep` times its own chroma plus `take` times that of `colors`.

    On gamma-encoded values, as BT.601 has it. U = 0.492 (B' - Y') and V = 0.877 (R' - Y') span the same
    plane as the offset (R' - Y', G' - Y', B' - Y'), so does YIQ's, and the offset needs no matrix.

    Args:
        rgb: (H, W, 3).
        colors: (H, W, 3).
        keep: 0 ... 1.
        take: 0 ... 1.

    Returns:
        (H, W, 3) in [0, 1].
    """

    def pixels(own: _Values, other: _Values) -> _Values:
        light = luma(own)
        return with_luma(light, keep * (own - light) + take * (other - luma(other)))

    return by_blocks(pixels, rgb, colors)


def recolor_lab(
    rgb: NDArray[np.float32], colors: NDArray[np.float32], strength: float
) -> NDArray[np.float32]:
    """L* of `rgb` with a* and b* between its own (strength 0) and those of `colors` (1), both (H, W, 3)."""

    def pixels(own: _Values, other: _Values) -> _Values:
        lab, chroma = to_lab(own), to_lab(other)
        lab[..., 1:] += strength * (chroma[..., 1:] - lab[..., 1:])
        return from_lab(lab)

    return by_blocks(pixels, rgb, colors)
