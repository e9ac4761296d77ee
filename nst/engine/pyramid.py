"""Coarse to fine: the sizes that an optimisation goes through, which ones the layers allow, and the steps at each.

A step at half the side costs a quarter, and the receptive field of the network spans twice as much of the
picture there. So the layout of strokes and colours is settled at small sizes, and the full size adds the
detail (Gatys et al. 2017, section 6; Snelgrove 2017).

The network is not known yet when sizes are checked: halos are VGG19's, which are as wide as VGG16's or wider.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Literal

from nst.encoding.windows import halo
from nst.engine.weighting import FULL_WIDTH, losses_of
from nst.errors import SettingsError
from nst.losses.term import Loss
from nst.models import vgg
from nst.pictures.picture import Picture
from nst.settings import Settings

SMALLEST = 128
"""Longest side in pixels of the coarsest scale that "auto" takes."""

RATIO = math.sqrt(2)
"""Between the sides of two scales, where the caller gives no sizes."""


def scale_sizes(
    spec: Literal["auto"] | int | Sequence[int], longest: int, shortest: int, least: int
) -> tuple[int, ...]:
    """The longest side of each scale in pixels, rising, the last being `longest`.

    "auto": as many as fit between 128 pixels and `longest`; or a number of scales; or the sides themselves, which
    SettingsError refuses where they do not rise or pass `longest`. Scales whose shorter side is below `least`, the
    smallest that the network can work on, are left out.
    """
    if isinstance(spec, int) or spec == "auto":
        wanted = 1 + int(math.log(longest / SMALLEST, RATIO) + 1e-9) if longest > SMALLEST else 1
        count = wanted if spec == "auto" else spec
        sizes = [round(longest / RATIO**i) for i in reversed(range(count))]
    else:
        sizes = [*spec, longest] if spec[-1] != longest else list(spec)
        if sizes != sorted(set(sizes)):
            listed = ",".join(map(str, spec))
            raise SettingsError(f"scales {listed}: give rising sizes up to the result's {longest} pixels")
    return tuple(size for size in sizes if size == longest or size * shortest >= least * longest)


def split_steps(steps: int | Sequence[int | str], sizes: Sequence[int]) -> tuple[int, ...]:
    """The number of steps at each scale.

    Of a total each scale has one, and what is left is shared out in proportion to the sides: a coarse scale has little
    in it and is soon done (docs/benchmarks.md, "Quality"). A list that ends with "..." goes on with its last number for
    as many scales as there are; one of another length is a SettingsError.
    """
    if not isinstance(steps, int):
        counts = [int(count) for count in spread(steps, len(sizes))]
        if len(counts) != len(sizes):
            sides = ",".join(map(str, sizes))
            raise SettingsError(f"{len(counts)} numbers of steps for {len(sizes)} scales ({sides} pixels)")
        return tuple(counts)
    each = int(steps >= len(sizes))
    left = steps - each * len(sizes)
    # from the finest on, which gets what a number that is not whole leaves
    ends = [-(-left * sides // sum(sizes)) for sides in accumulate(reversed(sizes))]
    return tuple(each + end - start for start, end in pairwise([0, *ends]))[::-1]


def spread(listed: Sequence[int | str], count: int) -> list[int | str]:
    """A list with the number or word before "..." as often as it takes to make it `count` long, or not at all."""
    if "..." not in listed:
        return list(listed)
    dots = listed.index("...")
    head, tail = [*listed[:dots], *[listed[dots - 1]] * count], [*listed[dots + 1 :]]
    return [*head[: max(0, count - len(tail))], *tail][-count:]


def precisions(
    spec: str | Sequence[str] | None, schedule: Sequence[tuple[int, int]]
) -> tuple[str | None, ...]:
    """The precision at each scale of a schedule, None for the backend's own.

    A list is one for each scale with steps; SettingsError for another number of them.
    """
    if spec is None or isinstance(spec, str):
        return (spec,) * len(schedule)
    sides = [side for side, steps in schedule if steps] or [schedule[-1][0]]
    words = [str(word) for word in spread(spec, len(sides))]
    if len(words) != len(sides):
        listed = ",".join(map(str, sides))
        raise SettingsError(f"{len(words)} precisions for {len(sides)} scale(s) with steps ({listed} pixels)")
    return tuple([*words, words[-1]][: len(schedule)])


def schedule(
    scales: Literal["auto"] | int | Sequence[int],
    steps: int | Sequence[int | str],
    longest: int,
    shortest: int,
    least: int,
) -> tuple[tuple[int, int], ...]:
    """(longest side in pixels, steps) of each scale that has steps, and of the last: `scale_sizes`, `split_steps`."""
    sizes = scale_sizes(scales, longest, shortest, least)
    counts = split_steps(steps, sizes)
    last = len(sizes) - 1
    return tuple((sizes[i], counts[i]) for i in range(len(sizes)) if counts[i] or i == last)


def schedule_text(scales: Sequence[tuple[int, int]]) -> str:
    """A schedule for people."""
    return ", ".join(f"{side} px x {steps}" for side, steps in scales)


def layers_read(settings: Settings, extra: Sequence[Loss]) -> tuple[str, ...]:
    """Every layer that a loss reads, one of the settings or of the caller's own, in network order.

    SettingsError: one of these reads a layer that does not exist.
    """
    read = {layer for loss in (*losses_of(settings, FULL_WIDTH), *extra) for layer in loss.layers}
    vgg.validate_layers(read)
    return tuple(layer for layer in vgg.LAYER_NAMES if layer in read)


def unit_of(layers: Sequence[str], padding: str) -> int:
    """What both sides of the result are multiples of, in pixels: a position of the deepest layer if it wraps around."""
    return vgg.minimum_size(layers) if padding == "circular" else 1


def limiting_picture(
    layers: Sequence[str], padding: str, content: Picture, styles: Sequence[Picture]
) -> tuple[int, int]:
    """The picture that limits the smallest scale: its shortest side, and the shortest that the layers allow."""
    sides = [(min(picture.size), least) for _, picture, least in _least(layers, padding, content, styles)]
    return min(sides, key=lambda pair: pair[0] / pair[1])


def check_sizes(layers: Sequence[str], padding: str, content: Picture, styles: Sequence[Picture]) -> None:
    """SettingsError for a picture too small for the deepest layer.

    Every layer needs a position at least; circular padding must not wrap round twice, so it needs a halo.
    """
    for what, picture, least in _least(layers, padding, content, styles):
        if min(picture.size) < least:
            around = " with circular padding" if least > vgg.minimum_size(layers) else ""
            raise SettingsError(
                f"the {what} picture is {picture.width}x{picture.height} pixels here, "
                f"{layers[-1]} needs {least}x{least} at least{around}: use a larger size or style scale, "
                "a less narrow picture, or shallower layers"
            )


def _least(
    layers: Sequence[str], padding: str, content: Picture, styles: Sequence[Picture]
) -> list[tuple[str, Picture, int]]:
    """What each picture is, and the least that its shortest side may be."""
    smallest = vgg.minimum_size(layers)
    around = max(smallest, halo(layers)) if padding == "circular" else smallest
    return [("content", content, around), *(("style", style, smallest) for style in styles)]
