"""Maps of colors: a mask for each of the areas that somebody filled with flat colors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from nst.errors import SettingsError
from nst.pictures.picture import Picture, to_uint8

__all__ = ["area", "color_named", "is_colored"]

_SHARE = 0.005  # of the pixels: a flat color, not an edge between two
_ALIKE = 0.25  # distance of colors that are one, but for noise; the cube of colors has sides of 1
_MEANT = 0.6  # distance of a color from its name: CSS's green is half as bright as that of a paintbox
_VIVID, _MANY = 0.5, 0.05


def color_named(name: str) -> tuple[int, int, int]:
    """Red, green and blue of a color's name as CSS has them, or of #rrggbb.

    Raises:
        SettingsError: no such color.
    """
    try:
        return ImageColor.getrgb(name)[:3]
    except ValueError as error:
        raise SettingsError(
            f"{name!r} is no color: give a name such as red, or one such as #ff0000"
        ) from error


def is_colored(picture: Picture) -> bool:
    """Whether vivid colors fill enough of a picture that it cannot be meant as shades of grey."""
    vivid = np.ptp(picture.rgb, axis=2) > _VIVID
    return float(vivid.mean()) > _MANY


def area(picture: Picture, name: str) -> NDArray[np.float32]:
    """(H, W): 1 where a map has the color, 0 elsewhere.

    The flat colors of the map share its pixels: each goes to the nearest, so that soft edges and the noise of JPEG
    leave no seam. The one that is meant is the nearest to the name.

    Raises:
        SettingsError: no such color, or the map has none like it.
    """
    wanted = np.array(color_named(name), np.float32) / 255
    visible = np.ones(picture.rgb.shape[:2], bool) if picture.alpha is None else picture.alpha > 0.5
    colors, shares = _flat_colors(picture.rgb[visible])
    distances = np.linalg.norm(colors - wanted, axis=1)
    if not len(colors) or distances.min() > _MEANT:
        found = ", ".join(
            f"{_hex(color)} ({share:.0%})" for color, share in zip(colors[:6], shares, strict=False)
        )
        raise SettingsError(f"there is no {name} in the map; it has {found or 'no flat color at all'}")
    meant = int(np.argmin(distances))
    nearest = np.full(visible.shape, np.inf, np.float32)
    mask = np.zeros(visible.shape, np.float32)
    for number, color in enumerate(colors):
        distance = ((picture.rgb - color) ** 2).sum(axis=2)
        mask[distance < nearest] = number == meant
        nearest = np.minimum(nearest, distance)
    return mask * visible


def _flat_colors(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], list[float]]:
    """(K, 3): the colors that fill much of a map, the most frequent first, and their shares of it."""
    levels = to_uint8(pixels).astype(np.uint32) >> 3
    codes, counts = np.unique(levels @ np.array([1024, 32, 1], np.uint32), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    colors: list[NDArray[np.float32]] = []
    shares: list[float] = []
    for code, count in zip(codes[order], counts[order], strict=True):
        if count < _SHARE * len(pixels):
            break
        color = np.array([code // 1024, code // 32 % 32, code % 32], np.float32) / np.float32(31)
        if all(np.linalg.norm(color - other) > _ALIKE for other in colors):
            colors.append(color)
            shares.append(count / len(pixels))
    return np.array(colors, np.float32).reshape(-1, 3), shares


def _hex(color: NDArray[np.float32]) -> str:
    return "#" + bytes(to_uint8(color)).hex()
