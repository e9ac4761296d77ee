"""Colour control: what becomes of the colours of content and style, before or after the transfer.

`Color.prepare` changes the pictures that the optimisation sees, `Color.finish` its result. The maths is in
`nst.pictures.color_match`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nst.errors import SettingsError
from nst.pictures.color_match import (
    match_histogram,
    match_linear,
    match_luma,
    recolor_lab,
    recolor_palette,
    recolor_yuv,
)
from nst.pictures.picture import Picture
from nst.settings import COLOR_TIMES, ColorMode, ColorTime

Mode: TypeAlias = ColorMode
When: TypeAlias = ColorTime

MODES: Mapping[Mode, tuple[When, ...]] = {
    "none": ("before", "after"),
    "luminance": ("before",),
    "match-chol": ("before", "after"),
    "match-pca": ("before", "after"),
    "match-sym": ("before", "after"),
    "histogram": ("before", "after"),
    "lab": ("after",),
    "yuv": ("after",),
    "palette": ("after",),
}
"""When each mode can act; the first is what it does unless told otherwise."""


@dataclass(frozen=True)
class Color:
    """One way to control colours.

    Attributes:
        mode: what is done.

            - "none": nothing; the result has the colours of the style.
            - "luminance": the transfer works in grey, each style with the mean and standard deviation of the
              content's luma; the result gets the content's chroma (Gatys et al. 2017, section 5).
            - "match-chol", "match-pca", "match-sym": mean and covariance of the colours become the
              content's, by three different linear maps (the same; see `nst.pictures.color_match.MAPS`).
            - "histogram": the histogram of each channel becomes the content's.
            - "yuv": the result keeps its luma (BT.601) and gets the content's chroma.
            - "lab": the result keeps its lightness L* and gets the content's a* and b* (CIE 1976, D65).
            - "palette": as "lab", with the content's a* and b* spread as those of the result are: every thing has one
              colour, of the painting's (see `nst.pictures.color_match.recolor_palette`).
        strength: from 0, which changes nothing, to 1, in full.
        when: "before": the style pictures are changed and the optimisation works with the new colours;
            "after": the result is changed. None: the mode's own, the first of its entry in `MODES`.

    Raises:
        SettingsError: an unknown mode, a strength outside 0 ... 1, a mode that cannot act then.

    Examples:
        >>> Color("lab").stage, Color("histogram", when="after").stage
        ('after', 'after')
    """

    mode: Mode = "none"
    strength: float = 1.0
    when: When | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise SettingsError(f"color is {self.mode!r}: it must be one of {', '.join(MODES)}")
        number = isinstance(self.strength, (int, float)) and not isinstance(self.strength, bool)
        if not number or not 0 <= self.strength <= 1:
            raise SettingsError(f"color strength is {self.strength!r}: it must be a number from 0 to 1")
        if self.when not in (None, *COLOR_TIMES):
            raise SettingsError(f"color when is {self.when!r}: it must be before or after")
        if self.when is not None and self.when not in MODES[self.mode]:
            other = "yuv, lab, palette" if self.when == "after" else "luminance"
            raise SettingsError(
                f"color {self.mode} cannot work {self.when} the transfer: leave color when open, or choose "
                f"{other}, histogram or one of match-chol, match-pca, match-sym"
            )

    @property
    def stage(self) -> When:
        """`when`, or the mode's own."""
        return self.when or MODES[self.mode][0]

    @property
    def active(self) -> bool:
        """Whether anything is changed at all."""
        return self.mode != "none" and self.strength > 0

    @property
    def early(self) -> bool:
        """Whether the optimisation sees anything of it; else one run serves all colours that come afterwards."""
        return self.active and self.stage == "before"

    def prepare(self, content: Picture, styles: Sequence[Picture]) -> tuple[Picture, list[Picture]]:
        """The pictures that the optimisation shall see, of the sizes and with the alpha of those given.

        Each style is matched to the content on its own. The content changes in mode luminance only: it
        turns grey. What is not changed is returned as the same object.
        """
        if not self.early:
            return content, list(styles)
        if self.mode != "luminance":
            return content, [self._matched(style, content) for style in styles]
        seen = replace(content, rgb=recolor_yuv(content.rgb, content.rgb, self._kept, 0))
        return seen, [
            replace(style, rgb=match_luma(style, content, self.strength, self._kept)) for style in styles
        ]

    def finish(self, result: Picture, content: Picture) -> Picture:
        """The result, of any size, as it shall be seen, its alpha kept; `content` is the picture before `prepare`."""
        if not self.active:
            return result
        if self.mode in ("luminance", "yuv", "lab"):
            colors = content.resized(*result.size).rgb
            if self.mode == "lab":
                return replace(result, rgb=recolor_lab(result.rgb, colors, self.strength))
            keep = self._kept if self.mode == "luminance" else 1 - self.strength
            return replace(result, rgb=recolor_yuv(result.rgb, colors, keep, self.strength))
        if self.mode == "palette":
            return replace(result, rgb=recolor_palette(result, content.resized(*result.size), self.strength))
        return self._matched(result, content) if self.stage == "after" else result

    @property
    def _kept(self) -> float:
        """The share of its chroma that a picture keeps in mode luminance on the way in, and on the way out.

        Twice the square root: the painted chroma counts 1 - strength in all and the content's strength.
        """
        return math.sqrt(1 - self.strength)

    def _matched(self, picture: Picture, target: Picture) -> Picture:
        if self.mode == "histogram":
            matched = match_histogram(picture, target)
        else:
            matched = match_linear(picture, target, self.mode)
        return replace(picture, rgb=_between(picture.rgb, matched, self.strength))


def _between(start: NDArray[np.float32], end: NDArray[np.float32], strength: float) -> NDArray[np.float32]:
    """`start` at strength 0 and `end` at 1, to the last bit at both."""
    return (1 - strength) * start + strength * end
