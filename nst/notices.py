"""What the user of a transfer should know before it runs, beside errors: one line each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from nst.errors import ImageError
from nst.models.weights import NetworkWeights
from nst.pictures.opening import ANIMATED, open_file, open_picture
from nst.planning.plan import Plan
from nst.settings import Settings

__all__ = ["about_inputs", "about_memory"]


def about_inputs(
    content: Any, styles: Sequence[Any], asked: Settings, settled: Settings, network: NetworkWeights
) -> tuple[str, ...]:
    """That files are animated, or that the weights of a preset were made for another network.

    Args:
        content: as it was given.
        styles: the same.
        asked: the settings as they came.
        settled: for this network.
        network: that they are settled for.
    """
    lines = []
    if _is_animated(content):
        lines.append(f"{content} is animated: its first frame is painted; nst video paints all of them")
    lines += [f"{style} is animated: its first frame is the style" for style in styles if _is_animated(style)]
    if asked.tuned_for is not None and settled.tuned_for is None:
        lines.append(
            f"the weights of the losses suit a {asked.tuned_for} VGG19: carried over to {network.name}"
        )
    return tuple(lines)


def about_memory(plan: Plan, size: tuple[int, int]) -> tuple[str, ...]:
    """That a run may not fit.

    Args:
        plan: of the run.
        size: (width, height) in pixels.
    """
    if plan.fits or plan.free is None:
        return ()
    return (
        f"{size[0]}x{size[1]} pixels need about {plan.peak / 1e9:.1f} GB and {plan.free / 1e9:.1f} GB are free: "
        "this may run out of memory; a smaller size takes less",
    )


def _is_animated(given: Any) -> bool:
    if not isinstance(given, (str, os.PathLike)):
        return False
    try:
        with open_file(given) as file:
            image = open_picture(file, given)
            return image.format in ANIMATED and bool(getattr(image, "is_animated", False))
    except (ImageError, OSError, ValueError, EOFError):
        return False  # who reads the picture says what is wrong with it
