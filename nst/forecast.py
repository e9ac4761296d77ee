"""How long a style transfer will take: small versions of it are timed, and a line is laid through them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from nst.encoding.windows import PASSES, overlap_factor
from nst.engine.pyramid import scale_sizes
from nst.progress import line
from nst.protocol import Backend
from nst.transfer import StyleTransfer

SMALL = (128, 256)
"""Longest sides in pixels of the versions that are timed. Two, since what does not grow with the picture can rule: a
processor that emulates bfloat16 spends most of a small step on the filters."""


POSTER = 512
"""Longest side in pixels that is painted where a poster is quicker than the picture itself."""


@dataclass(frozen=True)
class Forecast:
    """Seconds that a run is expected to take on this machine."""

    step: float  # one, at the full size
    total: float  # all steps at all scales
    poster: float  # all steps at no more than `POSTER`
    overlap: float  # how many times each pixel is computed on average; 1.0 without windows


def forecast(transfer: StyleTransfer) -> Forecast:
    """Time small versions and work out from them what `transfer` will take."""
    width, height = transfer.size
    longest = max(transfer.size)
    small = [side for side in SMALL if side < longest] or [longest]
    timed = scale_sizes(small, longest, *transfer._limits)[: len(small)]
    lines = {
        backend: line([(_pixels(transfer, side), _seconds(transfer, side, backend)) for side in timed])
        for backend in dict.fromkeys(transfer.backends)
    }
    layers, convolutions = transfer.layers, transfer.weights.layer_names
    side = transfer.plan.side
    overlap = overlap_factor(height, width, side, layers, convolutions)
    busiest = overlap_factor(height, width, side, layers, convolutions, transfer.plan.workers)

    def step(side: int, backend: Backend[Any]) -> float:
        pixels, window = _pixels(transfer, side), transfer.plan.side
        fixed, per_pixel = lines[backend]
        if window is None or side <= window:
            return fixed + per_pixel * pixels
        return PASSES * (fixed * pixels * busiest / window**2 + per_pixel * pixels * busiest)

    scales = list(zip(transfer.schedule, transfer.backends, strict=True))
    whole, capped = (
        sum(steps * step(min(side, most), backend) for (side, steps), backend in scales)
        for most in (longest, POSTER)
    )
    return Forecast(step(longest, transfer.backend), whole, capped, overlap)


def _pixels(transfer: StyleTransfer, longest: int) -> float:
    width, height = transfer.size
    return longest**2 * width * height / max(transfer.size) ** 2


def _seconds(transfer: StyleTransfer, longest: int, backend: Backend[Any]) -> float:
    """Of one evaluation of the objective at a size: the quicker of two, after one that warms up."""
    stage, space = transfer._stage(longest, backend), backend.space
    x = backend.from_numpy(transfer.start.first(*stage.scene.size))
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        gradient = stage.evaluate(x).gradient
        space.dots([(gradient, gradient)])  # waits for the device
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])
