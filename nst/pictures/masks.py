"""Masks: which part of a picture a style, or the content, counts in; by name, fitted, feathered, shared out.

One picture may hold several as a map of colors: a mask for each of the areas that somebody filled with a flat color.

Where the photograph is protected, it is put back. A style that does not act in a region leaves its pixels free all the
same: the content loss holds what conv4_2 sees, and colours and fine detail follow the paint around (measured in
docs/benchmarks.md). So

    x' = (1 - m) x + m p,

m being the mask with soft edges.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from nst.errors import SettingsError
from nst.pictures.kinds import from_any
from nst.pictures.picture import Picture, to_uint8
from nst.settings import MAX_PIXELS

Mask: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Masks:
    """Where styles and content act. Masks have any size; they are resized to their picture.

    Attributes:
        regions: parts of the result, one for each style; None there takes what the others leave over. Empty:
            every style acts everywhere. Where regions overlap they share, where there is none no style acts.
        sources: the part of each style picture that counts; None for all of it. Empty: all of all.
        protect: part of the result; 1 where no style acts and the content picture stays, pixel by pixel.
        content: weight of the content loss at each place, 0 to 1.
        feather: blur of the edges of all but `sources`: standard deviation in pixels of the result.

    Examples:
        >>> left = np.repeat(np.float32([[1, 0]]), 32, axis=0)
        >>> Masks(regions=(left, None), feather=2.0).regions[0].shape
        (32, 2)
    """

    regions: Sequence[Mask | None] = ()
    sources: Sequence[Mask | None] = ()
    protect: Mask | None = None
    content: Mask | None = None
    feather: float = 0.0


def from_picture(picture: Picture) -> Mask:
    """A grey picture as a mask, white is 1: the mean of its channels; transparent counts as black.

    SettingsError: it is black all over.
    """
    mask: Mask = picture.rgb.mean(axis=2, dtype=np.float32)
    if picture.alpha is not None:
        mask = mask * picture.alpha
    if not mask.any():
        raise SettingsError("the mask is black all over: paint the region white")
    return mask


def fit(mask: Mask, width: int, height: int, feather: float = 0.0) -> Mask:
    """Resample to width x height pixels, then blur the edges.

    Bilinear, widened where it reduces: weights of sum 1 and no overshoot, so that a partition stays one.
    """
    plane = Image.fromarray(np.ascontiguousarray(mask, dtype=np.float32))
    return feathered(np.array(plane.resize((width, height), Image.Resampling.BILINEAR)), feather)


def feathered(mask: Mask, deviation: float) -> Mask:
    """Gaussian blur of a standard deviation in pixels, cut at 3 of them; the border is repeated outwards.

    Of (H, W) or (H, W, C).
    """
    radius = int(np.ceil(3 * deviation))
    if radius == 0:
        return mask
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / deviation) ** 2)
    taps /= taps.sum()
    for axis in (0, 1):
        length = mask.shape[axis]
        padded = np.pad(
            mask, [(radius, radius) if a == axis else (0, 0) for a in range(mask.ndim)], mode="edge"
        )
        mask = np.zeros_like(mask)
        for tap, start in zip(taps, range(2 * radius + 1), strict=True):
            mask += np.float32(tap) * np.take(padded, range(start, start + length), axis)
    return mask


def regions(masks: Masks, width: int, height: int, styles: int) -> list[Mask] | None:
    """The region of each style on a result of width x height pixels; their sum is 1 at most.

    A single mask if styles have no regions of their own but a part is protected; None if every style acts
    everywhere. SettingsError: not one region for each style, or an empty one.
    """
    if masks.regions and len(masks.regions) != styles:
        raise SettingsError(
            f"{len(masks.regions)} masks for {styles} style picture(s): give one mask for each style"
        )
    given = [None if m is None else fit(m, width, height, masks.feather) for m in masks.regions]
    claims = [mask for mask in given if mask is not None]
    if not claims:
        if masks.protect is None:
            return None
        given = [None]
    claimed = np.sum(claims, axis=0, dtype=np.float32) if claims else np.zeros((height, width), np.float32)
    rest = np.clip(1 - claimed, 0, 1) / max(1, len(given) - len(claims))
    crowd = np.maximum(claimed, 1)
    result = [(rest if mask is None else mask / crowd).astype(np.float32) for mask in given]
    if masks.protect is not None:
        free = 1 - np.clip(fit(masks.protect, width, height, masks.feather), 0, 1)
        result = [mask * free for mask in result]
    for number, mask in enumerate(result, start=1):
        if not mask.any():
            raise SettingsError(f"style {number} has no region: its mask is black, or all of it is protected")
    return result


def make_masks(
    pictures: Masks | Mapping[str, Any] | None,
    styles: int,
    feather: float,
    longest: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Masks | None:
    """Masks from pictures by name.

    Args:
        pictures: "style1" (the region of the result that the first style gets), "style1-source" (the part of the first
            style picture that counts), "protect" (where the content picture stays; `StyleTransfer`
            takes the words of `nst.pictures.subjects.FINDERS` as well), "content" (weight of the content loss); each
            a grey picture of any kind that `StyleTransfer` takes, white being 1, or a pair of a picture and the name
            of a color, whose area is 1: ("map.png", "red"). None for none.
        styles: how many style pictures there are.
        feather: blur of the edges in pixels of the result.
        longest: the longest side in pixels that is needed of a file, see `nst.pictures.read_picture`.
        max_pixels: how many pixels of a file may be held.

    Raises:
        SettingsError: another name, the number of a style that is not there, a map of colors without a color.
    """
    if pictures is None or isinstance(pictures, Masks):
        return pictures
    if not pictures:
        return None
    regions, sources = [None] * styles, [None] * styles
    single: dict[str, Any] = {}
    for name, picture in pictures.items():
        match = re.fullmatch(r"style([1-9]\d*)(-source)?", name)
        if match is None and name not in ("protect", "content"):
            raise SettingsError(
                f"unknown mask {name!r}: choose style1, style1-source, style2, ..., protect or content"
            )
        if match is not None and int(match[1]) > styles:
            raise SettingsError(f"mask {name}: there are {styles} style picture(s)")
        mask: Any = _mask(name, picture, longest, max_pixels)
        if match is None:
            single[name] = mask
        else:
            (sources if match[2] else regions)[int(match[1]) - 1] = mask
    return Masks(
        regions if any(mask is not None for mask in regions) else (),
        sources if any(mask is not None for mask in sources) else (),
        feather=feather,
        **single,
    )


def _mask(name: str, given: Any, longest: int | None, max_pixels: int) -> Mask:
    """From a picture, or from a picture and a color."""
    source, color = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    picture, _ = from_any(source, longest, max_pixels)
    if color is not None:
        return color_area(picture, color)
    if is_colored(picture):
        raise SettingsError(
            f"mask {name} is in colors: say which one, as in {name}=map.png:red (in Python: ('map.png', 'red')), "
            "or make it grey"
        )
    return from_picture(picture)


_SHARE = 0.005  # of the pixels: a flat color, not an edge between two
_ALIKE = 0.25  # distance of colors that are one, but for noise; the cube of colors has sides of 1
_MEANT = 0.6  # distance of a color from its name: CSS's green is half as bright as that of a paintbox
_VIVID, _MANY = 0.5, 0.05


def color_named(name: str) -> tuple[int, int, int]:
    """Red, green and blue of a color's name as CSS has them, or of #rrggbb; SettingsError for any other."""
    try:
        return ImageColor.getrgb(name)[:3]
    except ValueError as error:
        raise SettingsError(
            f"{name!r} is not a color: give a name such as red, or one such as #ff0000"
        ) from error


def is_colored(picture: Picture) -> bool:
    """Whether vivid colors fill enough of a picture that it cannot be meant as shades of grey."""
    vivid = np.ptp(picture.rgb, axis=2) > _VIVID
    return float(vivid.mean()) > _MANY


def color_area(picture: Picture, name: str) -> NDArray[np.float32]:
    """(H, W): 1 where a map has the color, 0 elsewhere; SettingsError if it is nowhere.

    The flat colors of the map share its pixels: each goes to the nearest, so that soft edges and the noise of JPEG
    leave no seam. The one that is meant is the nearest to the name.
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


SOFT = 0.01
"""Standard deviation of the soft edge as a part of the longest side, where no larger one is asked for (`feather`)."""


def restore_protected(result: Picture, content: Picture, masks: Masks | None) -> Picture:
    """The result, of any size, with the photograph back where `protect` says so; its own alpha stays.

    Both have the colours that they are to have; `content` is p at the size of the full result.
    """
    if masks is None or masks.protect is None:
        return result
    longest = max(result.size)
    feather = max(SOFT * longest, masks.feather * longest / max(content.size))
    mask = np.clip(fit(masks.protect, *result.size, feather), 0, 1)[..., None]
    rgb = (1 - mask) * result.rgb + mask * content.resized(*result.size).rgb
    return replace(result, rgb=rgb.astype(np.float32))
