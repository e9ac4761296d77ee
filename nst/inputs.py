"""The pictures of a transfer, from whatever the caller has; and what to know of them before a run, a line each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nst.engine.pyramid import check_sizes, unit_of
from nst.errors import ImageError
from nst.models.weights import NetworkWeights
from nst.pictures.kinds import Restore, from_any
from nst.pictures.masks import Masks, make_masks
from nst.pictures.opening import ANIMATED, open_file, open_picture
from nst.pictures.picture import Picture, fit_longest_side, resize
from nst.pictures.scene import whole_units
from nst.pictures.subjects import with_found
from nst.planning.plan import Plan
from nst.settings import Settings


@dataclass(frozen=True, eq=False)
class Pictures:
    """What a transfer is made of, at the size that it has there; made of them again, it is the same."""

    content: Picture  # p at the size of the result, with its own colours
    styles: tuple[Picture, ...]  # each at the size that it has beside the result, with its own colours
    start: Picture | None  # the caller's own, for `init` "picture"
    masks: Masks | None  # where styles and content act


def read_inputs(
    settings: Settings,
    layers: Sequence[str],
    content: Any,
    styles: Sequence[Any],
    init: Any,
    masks: Masks | Mapping[str, Any] | None,
) -> tuple[Pictures, Restore]:
    """The pictures, and how a result becomes an object of the kind that the content picture was.

    They come as `nst.StyleTransfer` takes them; `layers` are those that all losses read. ImageError: a picture that
    cannot be used. SettingsError: one that is too small for the layers.
    """
    most = settings.max_pixels
    picture, restore = from_any(content, settings.longest, most)
    found = with_found(masks, picture)
    drawn = make_masks(found, len(styles), settings.feather, settings.longest, most)
    size = picture.size if settings.longest is None else fit_longest_side(*picture.size, settings.longest)
    original = resize(picture, *whole_units(*size, unit_of(layers, settings.padding)))
    longest = max(1, round(settings.style_scale * max(original.size)))
    sized = []
    for number, style in enumerate(styles, start=1):
        picture, _ = from_any(style, longest, most)
        if picture.hidden:
            raise ImageError(f"style picture {number} is transparent all over: give one that can be seen")
        sized.append(resize(picture, *fit_longest_side(*picture.size, longest)))
    given = from_any(init, max(original.size), most)[0] if settings.init == "picture" else None
    check_sizes(layers, settings.padding, original, sized)
    return Pictures(original, tuple(sized), given, drawn), restore


def about_inputs(
    content: Any, styles: Sequence[Any], asked: Settings, resolved: Settings, network: NetworkWeights
) -> tuple[str, ...]:
    """That files are animated, or that the weights of a preset (in the settings as asked) suit another network."""
    lines = []
    if _is_animated(content):
        lines.append(f"{content} is animated: its first frame is painted; nst video paints all of them")
    lines += [f"{style} is animated: its first frame is the style" for style in styles if _is_animated(style)]
    if asked.tuned_for is not None and resolved.tuned_for is None:
        lines.append(
            f"the weights of the losses suit a {asked.tuned_for} VGG19: carried over to {network.name}"
        )
    return tuple(lines)


def about_memory(plan: Plan, size: tuple[int, int]) -> tuple[str, ...]:
    """That a run for (width, height) pixels may not fit."""
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
