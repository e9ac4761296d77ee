"""How long a style transfer will take: two steps of a small version of it are timed, and scaled by pixels."""

from __future__ import annotations

import time
from dataclasses import dataclass

from nst.encoding.windows import PASSES, overlap_factor
from nst.transfer import StyleTransfer

__all__ = ["Forecast", "forecast"]

SMALL = 256
"""Longest side in pixels of the version that is timed: large enough that convolutions rule."""


@dataclass(frozen=True)
class Forecast:
    """Seconds that a run is expected to take on this machine.

    Attributes:
        step: for one step at the full size.
        total: for all steps at all scales.
        overlap: how many times each pixel is computed on average; 1.0 without windows.
    """

    step: float
    total: float
    overlap: float


def forecast(transfer: StyleTransfer) -> Forecast:
    """Time a small version and scale it to what `transfer` will do."""
    longest = min(SMALL, max(transfer.size))
    width, height = transfer.size
    small = longest**2 * width * height / max(transfer.size) ** 2
    per_pixel = _seconds(transfer, longest) / small
    layers, convolutions = transfer.layers, transfer.weights.layer_names
    overlap = overlap_factor(height, width, transfer.plan.side, layers, convolutions)
    total = 0.0
    for side, steps in transfer.schedule:
        pixels = width * height * (side / max(transfer.size)) ** 2
        windowed = transfer.plan.side is not None and side > transfer.plan.side
        total += steps * pixels * per_pixel * (overlap * PASSES if windowed else 1.0)
    step = width * height * per_pixel * (overlap * PASSES if transfer.plan.side else 1.0)
    return Forecast(step, total, overlap)


def _seconds(transfer: StyleTransfer, longest: int) -> float:
    """Of one evaluation of the objective at a size, after one that warms up."""
    stage = transfer.stage(longest)
    x = transfer.backend.from_numpy(transfer.start.first(*stage.scene.size))
    space = transfer.backend.space
    for _ in range(2):
        began = time.perf_counter()
        gradient = stage.evaluate(x).gradient
        space.dots([(gradient, gradient)])  # waits for the device
        seconds = time.perf_counter() - began
    return seconds
