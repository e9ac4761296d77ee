"""How a picture is cut into overlapping windows, so that their sum is exactly the whole.

Every position of every layer is counted in one window: the one whose *inner* part holds it. A window
reaches beyond its inner part by the *halo*, which covers the receptive field of the deepest layer, so that the
zeros which a convolution puts around a window never reach an inner position, except at the true border of
the picture, where the whole has them too. All windows have one size, so that a backend compiles one
graph for all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from nst.models import vgg

PASSES = 4 / 3
"""What a second pass over windows costs: one more forward pass, beside forward and backward (twice a forward)."""


@dataclass(frozen=True)
class Span:
    """One window along one axis, in pixels: it begins at `start`; its inner part is [low, high)."""

    start: int
    low: int
    high: int


@dataclass(frozen=True)
class Window:
    """A window: its place along both axes and the size that all windows have, in pixels."""

    rows: Span
    columns: Span
    height: int
    width: int

    def inner(self, layer: str) -> tuple[slice, slice]:
        """The inner positions of a layer, counted from the window's own corner."""
        stride = vgg.stride(layer)
        sizes = vgg.layer_size(layer, self.height, self.width)
        low, high = zip(
            *(
                ((span.low - span.start) // stride, min((span.high - span.start) // stride, size))
                for span, size in zip((self.rows, self.columns), sizes, strict=True)
            ),
            strict=True,
        )
        return slice(low[0], high[0]), slice(low[1], high[1])


def halo(layers: Iterable[str], convolutions: Collection[str] = vgg.LAYER_NAMES) -> int:
    """Pixels that the deepest of `layers` sees past a position, rounded up to its stride: 80 for conv5_1."""
    names = list(layers)
    unit = vgg.minimum_size(names)
    reach = max(vgg.receptive_field(name, convolutions) for name in names) // 2
    return -(-reach // unit) * unit


def margin(padding: str, layers: Sequence[str], convolutions: Collection[str] = vgg.LAYER_NAMES) -> int:
    """Pixels on each side that a picture is continued by.

    A circular picture needs the whole halo, else it has a seam, and a mirrored one, else it has a border. For a
    repeated edge one position of the deepest layer keeps the zeros of the convolutions out.
    """
    if padding == "zero" or not layers:
        return 0
    if padding in ("circular", "mirror"):
        return halo(layers, convolutions)
    return vgg.minimum_size(layers)


def smallest_side(layers: Iterable[str], convolutions: Collection[str] = vgg.LAYER_NAMES) -> int:
    """The least side of a window that has an inner part: two halos and one position of the deepest layer."""
    names = list(layers)
    return 2 * halo(names, convolutions) + 2 * vgg.minimum_size(names)


def side_of(length: int, count: int, layers: Iterable[str], convolutions: Collection[str]) -> int:
    """The side of `count` windows that cover a length in pixels."""
    names = list(layers)
    covered = length + 2 * halo(names, convolutions) * (count - 1)
    return -(-covered // count) + vgg.minimum_size(names)


def windows(
    height: int,
    width: int,
    side: int,
    layers: Iterable[str],
    convolutions: Collection[str] = vgg.LAYER_NAMES,
) -> list[Window]:
    """Windows of at most about `side` pixels, halo included, that cover a picture; one if it fits.

    `side` is raised to `smallest_side` where it is less; `layers` are those that are read.
    """
    names = list(layers)
    side = max(side, smallest_side(names, convolutions))
    unit, reach = vgg.minimum_size(names), halo(names, convolutions)
    rows, columns = (_spans(length, side, unit, reach) for length in (height, width))
    tall, wide = (_extent(length, side, unit, reach) for length in (height, width))
    return [Window(row, column, tall, wide) for row in rows for column in columns]


def overlap_factor(
    height: int,
    width: int,
    side: int | None,
    layers: Iterable[str],
    convolutions: Collection[str] = vgg.LAYER_NAMES,
    workers: int = 1,
) -> float:
    """How many times each pixel is computed on average, 1.0 without windows; arguments as of `windows`.

    Where the windows are shared out among `workers`: how many times the picture's pixels the busiest of them computes.
    """
    if side is None:
        return 1.0
    found = windows(height, width, side, layers, convolutions)
    most = -(-len(found) // workers)
    return most * found[0].height * found[0].width / (width * height)


def _extent(length: int, side: int, unit: int, reach: int) -> int:
    """The side of the windows, with the same remainder as the picture, whose end they share.

    At most `side`, and no more than that many windows need: five of 1024 pixels over 4096 would share 256 each, where
    two halos do.
    """
    if length <= side:
        return length
    rest = length % unit
    most = (side - rest) // unit * unit + rest
    count = 1 + -(-(length - most) // (most - 2 * reach - rest))
    covered = length - rest + 2 * reach * (count - 1)  # by `count` windows, what two share counted twice
    return -(-covered // (count * unit)) * unit + rest


def _spans(length: int, side: int, unit: int, reach: int) -> list[Span]:
    """Windows along one axis; they begin on the grid of the deepest layer, the last ends with the picture."""
    extent = _extent(length, side, unit, reach)
    last = length - extent
    if last == 0:
        return [Span(0, 0, length)]
    advance = (extent - 2 * reach) // unit * unit
    count = 1 + -(-last // advance)
    starts = [round(i * last / (count - 1) / unit) * unit for i in range(count)]
    cuts = [0]
    for before, after in pairwise(starts):
        # the middle of what two windows share, on the grid
        cuts.append((before + extent + after) // 2 // unit * unit)
    cuts.append(length)
    return [Span(start, low, high) for start, (low, high) in zip(starts, pairwise(cuts), strict=True)]
