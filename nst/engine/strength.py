"""Style strength: one number from 0 to 1 that balances content and style alike for every picture and network.

A loss pulls at a picture with its gradient. At strength s the weights are such that

    |beta grad L_style| : |alpha grad L_content| = s : (1 - s)

at one and the same picture: s is the style's share of the pull. Where the run starts plays no part: at the content
picture itself the content does not pull at all.

The picture where it is measured is half the content and half the content's own pixels in random order: content and
style both pull there, whatever they are, and its colours are those of the content. Of seven such pictures (noise, a
flat one, halfway to the style, ...) this one foretold best at which weights a run ends with as much of the content lost
as of the style missing: within a factor of 2.1 (one standard deviation over 9 pairs of pictures of very different
contrast, whitened network, 96 pixels), and at s = 1/2. Powers of s / (1 - s) of 1.5 and 2 were tried on two
photographs: they left more of the range where the pictures hardly changed.

The measure is taken once, at a small size, and turned into the balance of *relative* weights (see
`nst.settings.Settings.style_weight`), which carries it over to every size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nst.engine.scene import Start
from nst.engine.stage import Stage, make_stage, tightest
from nst.models.weights import NetworkWeights
from nst.pictures.masks import Masks
from nst.pictures.picture import Picture, planar
from nst.protocol import Backend, HostArray
from nst.settings import Settings

__all__ = ["balanced", "halfway", "pull_ratio"]

SIDE = 256
"""Longest side in pixels of the picture that the pulls are measured at; larger where the network needs it."""


def balanced(
    settings: Settings,
    weights: NetworkWeights,
    backend: Backend[Any],
    content: Picture,
    styles: Sequence[Picture],
    shares: Sequence[float],
    masks: Masks | None,
) -> tuple[Settings, NetworkWeights]:
    """Settings and network in which `style_strength` has become weights of the losses; unchanged without it.

    Args:
        settings: of the transfer.
        weights: of the network.
        backend: where it runs.
        content: p at the size of the result.
        styles: a, each at the size that it has beside the result.
        shares: of each style.
        masks: where styles and content act.
    """
    strength = settings.style_strength
    if strength is None:
        return settings, weights
    open_ = replace(settings, style_strength=None, content_weight=None, style_weight=None)
    if strength == 0:
        return replace(open_, style_weight=0.0), weights
    if strength == 1:
        return replace(open_, content_weight=0.0), weights
    if not settings.content_layers or not settings.style_layers:
        return open_, weights
    shortest, least = tightest(settings, content, styles)
    longest = max(content.size)
    needed = math.ceil(least * longest / shortest)
    side = min(longest, max(SIDE, needed))

    def pull(**off: float) -> float:
        alone = replace(open_, tv_weight=0.0, **off)  # type: ignore[arg-type]
        start = Start(alone, content, styles, content)
        unit = replace(weights, balance=1.0)
        return _pull(make_stage(alone, unit, backend, content, styles, shares, masks, start, side))

    by_content, by_style = pull(style_weight=0.0), pull(content_weight=0.0)
    if not (0 < by_content < math.inf and 0 < by_style < math.inf):  # a flat picture, a silent network
        return open_, weights
    return open_, replace(weights, balance=pull_ratio(strength) * by_content / by_style)


def pull_ratio(strength: float) -> float:
    """Pull of the style over pull of the content, for a strength above 0 and below 1."""
    return strength / (1.0 - strength)


def halfway(content: Picture) -> HostArray:
    """The picture (1, 3, H, W) where the pulls are measured."""
    pixels = content.rgb.reshape(-1, 3)
    shuffled = pixels[np.random.default_rng(0).permutation(len(pixels))].reshape(content.rgb.shape)
    return planar(Picture((0.5 * content.rgb + 0.5 * shuffled).astype(np.float32)))


def _pull(stage: Stage) -> float:
    """|gradient| of a stage with a single loss."""
    space = stage.backend.space
    gradient = stage.evaluate(stage.backend.from_numpy(halfway(stage.content))).gradient
    return float(np.sqrt(space.dots([(gradient, gradient)])[0]))
