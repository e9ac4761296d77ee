"""What is painted: a content picture, style pictures and masks, at the size of the result or at a smaller one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nst.errors import SettingsError
from nst.pictures.masks import Mask, Masks
from nst.pictures.picture import Picture, fit_longest_side, resize


@dataclass(frozen=True, eq=False)
class StylePicture:
    """A style."""

    picture: Picture  # a, at its own size
    share: float  # of the blend, in [0, 1]
    mask: Mask | None = None  # the part of it that counts, of any size; None for all of it

    @cached_property
    def mark(self) -> str:
        """The same for the same picture and mask: a hash."""
        return _hash(self.picture.rgb, self.picture.alpha, self.mask)


@dataclass(frozen=True, eq=False)
class Scene:
    """The pictures of a transfer at one size; what every loss takes its targets from."""

    content: Picture  # p
    styles: tuple[StylePicture, ...]  # each at the size that it has beside the result
    masks: Masks  # where styles and content act
    # pixels of the whole result over those of `content`: 1 at full size, 4 at half the side
    reduction: float = 1.0

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.content.size

    @cached_property
    def setting(self) -> str:
        """The same for scenes that have all but the content picture in common, its size included."""
        masks, styles = self.masks, [(style.mark, style.share) for style in self.styles]
        drawn = _hash(*masks.regions, None, *masks.sources, None, masks.protect, masks.content)
        return repr((self.size, self.reduction, masks.feather, styles, drawn))

    def at(self, longest: int, unit: int = 1) -> Scene:
        """The same with a longest side of so many pixels; both sides are whole multiples of `unit`."""
        ratio = longest / max(self.size)
        width, height = whole_units(*fit_longest_side(*self.size, longest), unit)
        styles = []
        for style in self.styles:
            own = style.picture
            size = fit_longest_side(*own.size, max(1, round(ratio * max(own.size))))
            styles.append(replace(style, picture=resize(own, *size)))
        return Scene(
            content=resize(self.content, width, height),
            styles=tuple(styles),
            masks=replace(self.masks, feather=self.masks.feather * ratio),
            reduction=self.reduction * (self.content.width * self.content.height / (width * height)),
        )


def make_scene(
    content: Picture, styles: Sequence[Picture], shares: Sequence[float], masks: Masks | None = None
) -> Scene:
    """The scene at the size of the result, each style with its share and its mask.

    SettingsError: not one source mask for each style.
    """
    masks = masks or Masks()
    parts = masks.sources or [None] * len(styles)
    if len(parts) != len(styles):
        raise SettingsError(f"{len(parts)} style masks for {len(styles)} style picture(s): give one for each")
    sources = zip(styles, shares, parts, strict=True)
    return Scene(content, tuple(StylePicture(*source) for source in sources), masks)


def whole_units(width: int, height: int, unit: int) -> tuple[int, int]:
    """The nearest size whose sides are whole multiples of `unit`, one of them at least."""
    return max(1, round(width / unit)) * unit, max(1, round(height / unit)) * unit


def _hash(*arrays: Mask | None) -> str:
    found = hashlib.blake2b(digest_size=32)
    for array in arrays:
        found.update(repr(None if array is None else (array.shape, array.dtype.str)).encode())
        found.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
