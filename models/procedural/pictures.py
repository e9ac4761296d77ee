"""Procedural pictures: what the embedded network is fitted to, instead of photographs.

Nobody owns them, they need no download, and one seed gives the same pictures everywhere. The families
cover what photographs and paintings share: slow colour, edges and occlusion, oriented grain, marks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nst.errors import SettingsError
from nst.models.procedural import marks, patterns
from nst.models.procedural.fields import Picture, Rng, equalise, gaussian_blur, noise

__all__ = ["FAMILIES", "procedural_picture", "procedural_pictures"]


def _composite(rng: Rng, size: int) -> Picture:
    """Two pictures of other families joined along a noise contour, hard or soft."""
    first, second = (_BASE[index](rng, size) for index in rng.integers(0, len(_BASE), 2))
    softness = np.exp(rng.uniform(np.log(1), np.log(60)))
    mask = np.clip((equalise(noise(rng, size, 2.2)) - rng.uniform(0.3, 0.7)) * softness + 0.5, 0, 1)
    picture: Picture = first + mask[..., None] * (second - first)
    return picture


def _lit(rng: Rng, size: int) -> Picture:
    """A picture of another family as a surface under a lamp, in the relief of a rough ground."""
    picture = _BASE[rng.integers(0, len(_BASE))](rng, size)
    height = picture.mean(axis=2) + noise(rng, size, 1.8) * rng.uniform(0, 0.3)
    light = patterns.relief(rng, size, gaussian_blur(height, 0.7), size * rng.uniform(0.01, 0.04))
    return picture * (0.3 + 0.9 * light[..., None])


FAMILIES: Mapping[str, Callable[[Rng, int], Picture]] = MappingProxyType(
    {
        "coloured noise": patterns.coloured_noise,
        "Gabor noise": patterns.gabor,
        "warped stripes": patterns.warped_stripes,
        "radial waves": patterns.radial_waves,
        "dead leaves": marks.dead_leaves,
        "textured leaves": marks.textured_leaves,
        "Voronoi cells": patterns.voronoi,
        "strokes": marks.strokes,
        "flow lines": marks.flow_lines,
        "pattern network": patterns.pattern_network,
        "Turing pattern": patterns.turing,
        "dots": marks.dots,
        "hatching": marks.hatching,
        "shaded heights": patterns.shaded_heights,
        "gradients": patterns.gradients,
        "composite": _composite,
        "lit surface": _lit,
    }
)
"""Name -> generator of one (size, size, 3) picture; values may leave [0, 1] before they are clipped."""

_BASE = tuple(FAMILIES.values())[:-2]


def procedural_picture(family: str, size: int, seed: int | tuple[int, ...]) -> NDArray[np.float32]:
    """One picture of a family.

    Args:
        family: a key of `FAMILIES`.
        size: side in pixels, 16 or more.
        seed: seeds numpy's PCG64; the same seed gives the same picture.

    Returns:
        (size, size, 3) float32, sRGB in [0, 1].

    Raises:
        SettingsError: an unknown family, a size below 16.
    """
    if family not in FAMILIES:
        raise SettingsError(f"unknown picture family {family!r}: choose from {', '.join(FAMILIES)}")
    if size < 16:
        raise SettingsError(f"picture size is {size}, expected 16 or more")
    rng = np.random.Generator(np.random.PCG64(seed))
    picture = FAMILIES[family](rng, size)
    if rng.uniform() < 0.3:  # as out of focus as photographs often are
        picture = gaussian_blur(picture, rng.uniform(0.4, 1.2))
    return np.clip(picture, 0, 1).astype(np.float32)


def procedural_pictures(
    count: int, size: int, seed: int, families: Sequence[str] | None = None
) -> Iterator[NDArray[np.float32]]:
    """`count` pictures, the families in turn; picture i is the same whatever `count` is.

    Args:
        count: how many.
        size: side in pixels, 16 or more.
        seed: 0 or more.
        families: keys of `FAMILIES`; None for all of them.

    Yields:
        (size, size, 3) float32 in [0, 1].

    Raises:
        SettingsError: an unknown family, a size below 16.
    """
    names = tuple(FAMILIES if families is None else families)
    for index in range(count):
        yield procedural_picture(names[index % len(names)], size, (seed, index))
