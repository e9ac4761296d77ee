"""The stage of the content picture of `make demo`: polygons in world coordinates, with perspective and haze.

World coordinates in metres: `s` runs along the quay, `t` away from the water, `y` up from the water.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

__all__ = [
    "EYE",
    "FOCAL",
    "HORIZON",
    "QUAY",
    "Colour",
    "Point",
    "Stage",
    "box",
    "rect",
    "scaled",
    "shadowed",
    "smooth",
]

Colour = tuple[float, float, float]
Point = tuple[float, float, float]

EYE = 5.0  # height of the eye above the water, metres
FOCAL = 0.87  # focal length in picture widths
HORIZON = 0.55  # height of the horizon in picture heights, from the top
QUAY = 1.7  # height of the quay, metres
_SIN, _COS = math.sin(math.radians(69.0)), math.cos(math.radians(69.0))  # where the camera looks
_BACK = 26.0  # the camera stands this far in front of the houses
_HAZE: Colour = (238, 194, 160)


class Stage:
    """A picture that polygons in world coordinates are drawn on, with haze by distance."""

    def __init__(self, image: Image.Image, mirrored: bool) -> None:
        self.width, self.height = image.size
        self.sign = -1.0 if mirrored else 1.0
        self.draw = ImageDraw.Draw(image, "RGBA")

    def project(self, point: Point) -> tuple[float, float, float]:
        """Pixel x, pixel y and depth in metres of a world point."""
        s, t, y = point
        depth = max(s * _SIN + (t + _BACK) * _COS, 1.0)
        side = s * _COS - (t + _BACK) * _SIN
        scale = FOCAL * self.width / depth
        return 0.5 * self.width + side * scale, HORIZON * self.height + (EYE - self.sign * y) * scale, depth

    def polygon(self, points: Sequence[Point], colour: Colour, alpha: float = 1.0) -> None:
        """Fill a polygon."""
        seen = [self.project(point) for point in points]
        paint = self._hazy(colour, sum(p[2] for p in seen) / len(seen), alpha)
        self.draw.polygon([p[:2] for p in seen], fill=paint)

    def line(self, points: Sequence[Point], colour: Colour, thickness: float, alpha: float = 1.0) -> None:
        """Draw a line that is `thickness` metres wide."""
        seen = [self.project(point) for point in points]
        depth = sum(p[2] for p in seen) / len(seen)
        pixels = thickness * FOCAL * self.width / depth
        paint = self._hazy(colour, depth, alpha * min(pixels, 1.0))
        self.draw.line([p[:2] for p in seen], fill=paint, width=max(round(pixels), 1), joint="curve")

    def disc(self, centre: Point, radius: float, colour: Colour, alpha: float = 1.0) -> None:
        """Fill a disc of `radius` metres that faces the camera."""
        x, y, depth = self.project(centre)
        r = radius * FOCAL * self.width / depth
        self.draw.ellipse((x - r, y - r, x + r, y + r), fill=self._hazy(colour, depth, alpha))

    def afloat(
        self, across: float, depth: float, right: float = 0.0, up: float = 0.0, back: float = 0.0
    ) -> Point:
        """The point of the water `across` picture widths and `depth` metres away, then shifted in metres."""
        side = (across - 0.5) * depth / FOCAL + right
        depth += back
        return depth * _SIN + side * _COS, depth * _COS - side * _SIN - _BACK, up

    @staticmethod
    def _hazy(colour: Colour, depth: float, alpha: float) -> tuple[int, int, int, int]:
        mix = 1 - math.exp(-max(depth - 25, 0) / 240)
        red, green, blue = (min(max(c + (h - c) * mix, 0), 255) for c, h in zip(colour, _HAZE, strict=True))
        return int(red), int(green), int(blue), int(255 * alpha)


def scaled(colour: Colour, factor: float) -> Colour:
    """The colour, `factor` times as bright."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def shadowed(colour: Colour) -> Colour:
    """The colour on a side that only the blue of the sky lights."""
    return colour[0] * 0.46, colour[1] * 0.48, colour[2] * 0.66


def box(
    stage: Stage, s0: float, s1: float, t0: float, t1: float, y0: float, y1: float, colour: Colour
) -> None:
    """The two visible sides of a box: the one to the water in the light, the left one in the shadow."""
    stage.polygon([(s0, t0, y0), (s0, t1, y0), (s0, t1, y1), (s0, t0, y1)], shadowed(colour))
    stage.polygon([(s0, t0, y0), (s1, t0, y0), (s1, t0, y1), (s0, t0, y1)], colour)


def rect(s0: float, y0: float, s1: float, y1: float, t: float = 0.0) -> list[Point]:
    """Corners of an upright rectangle that faces the water."""
    return [(s0, t, y0), (s1, t, y0), (s1, t, y1), (s0, t, y1)]


def smooth(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Round the corners of a closed outline (Chaikin's corner cutting, twice)."""
    outline = list(points)
    for _ in range(2):
        pairs = zip(outline, outline[1:] + outline[:1], strict=True)
        outline = [
            (a[0] + w * (b[0] - a[0]), a[1] + w * (b[1] - a[1])) for a, b in pairs for w in (0.25, 0.75)
        ]
    return outline
