"""The waterside of the content picture of `make demo`: the quay with its trees, the bridge and the boats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from drawing.stage import QUAY, Colour, Point, Stage, box, rect, scaled, smooth

__all__ = ["draw_boats", "draw_bridge", "draw_quay"]


def draw_quay(stage: Stage, rng: np.random.Generator) -> None:
    """The quay with its wall of dressed stone, lamps, trees and people."""
    near, far = 8.0, 160.0
    cuts = [near + (far - near) * (i / 24) ** 2 for i in range(25)]
    for a, b in pairwise(cuts):
        shade = rng.uniform(0.94, 1.06)
        stage.polygon(
            [(a, -4, QUAY), (b, -4, QUAY), (b, 0, QUAY), (a, 0, QUAY)], scaled((196, 166, 136), shade)
        )
        stage.polygon([(a, -1, QUAY), (b, -1, QUAY), (b, 0, QUAY), (a, 0, QUAY)], (60, 40, 60), 0.35)
    for s in (110.0, 92.0, 75.0, 61.0, 47.5, 36.5):
        patch = [(math.cos(i * 0.42), math.sin(i * 0.42)) for i in range(15)]
        stage.polygon([(s - 2.6 + 3.4 * a, -2.2 + 1.5 * b, QUAY) for a, b in patch], (46, 30, 66), 0.42)
        _tree(stage, rng, s, rng.uniform(0.85, 1.1))
    for s in (84.0, 54.0, 41.0, 29.5):
        stage.line([(s, -3.4, QUAY), (s, -3.4, QUAY + 3.6)], (36, 34, 44), 0.16)
        stage.disc((s, -3.4, QUAY + 3.9), 0.9, (255, 214, 140), 0.22)
        stage.disc((s, -3.4, QUAY + 3.9), 0.32, (255, 236, 190))
    for s, t in sorted(zip(rng.uniform(31, 95, 18), rng.uniform(-3.2, -0.8, 18), strict=True), reverse=True):
        stage.line([(s, t, QUAY), (s - 2.6, t + 0.3, QUAY)], (46, 30, 66), 0.3, 0.4)
        coat = ((60, 48, 66), (150, 56, 48), (44, 70, 92), (188, 150, 96))[rng.integers(4)]
        tall = rng.uniform(1.55, 1.8)
        body = [(-0.14, 0), (-0.27, 0.42), (-0.19, 0.84), (0.19, 0.84), (0.24, 0.42), (0.12, 0), (0.0, 0.35)]
        stage.polygon([(s + a, t, QUAY + b * tall) for a, b in body], coat)
        stage.disc((s, t, QUAY + 0.93 * tall), 0.15, (206, 156, 126))
    for a, b in pairwise(cuts):
        stage.polygon([(a, -4, -0.3), (b, -4, -0.3), (b, -4, QUAY), (a, -4, QUAY)], (150, 122, 108))
    for row in range(5):
        y = row * QUAY / 5
        for i in range(120):
            s = near + (i + 0.5 * (row % 2)) * 1.05
            shade = rng.uniform(0.72, 1.12) * (0.72 + 0.09 * row)
            stage.polygon(rect(s, y + 0.03, s + 0.98, y + QUAY / 5, -4), scaled((158, 130, 114), shade), 0.85)
    stage.polygon(rect(near, -0.3, far, 0.35, -4), (38, 50, 50), 0.75)
    stage.polygon(rect(near, QUAY - 0.2, far, QUAY + 0.02, -4.1), (222, 190, 158))
    for i in range(14):
        box(stage, 20 + 5.5 * i, 20.35 + 5.5 * i, -3.8, -3.5, QUAY, QUAY + 0.6, (70, 58, 62))


def _tree(stage: Stage, rng: np.random.Generator, s: float, size: float) -> None:
    """A quay-side tree: a forked trunk under clumps of leaves, lit from the right, where the sun is."""
    t, bark = -2.6, (58, 42, 42)
    for lean, tall in ((0.0, 4.2), (-0.7, 4.6), (0.8, 4.4)):
        fork = (s + 0.1, t, QUAY + 2.2 * size)
        stage.line([(s, t, QUAY), fork, (s + lean * size, t, QUAY + tall * size)], bark, 0.24 * size)
    clumps = rng.normal(0, 1, (11, 3)) * (0.95, 0.5, 0.75)
    leaves = np.repeat(clumps, 42, axis=0) + rng.normal(0, 0.36, (len(clumps) * 42, 3))
    light = leaves @ np.array([0.45, -0.2, 0.5]) + np.repeat(rng.normal(0, 0.18, len(clumps)), 42)
    light += (leaves - np.repeat(clumps, 42, axis=0)) @ np.array([0.6, -0.3, 0.8]) + rng.normal(
        0, 0.15, len(leaves)
    )
    for i in np.argsort(light):
        a, b, c = (float(v) * size for v in leaves[i])
        warm = min(max(0.40 + 0.34 * float(light[i]), 0), 1)
        colour = 26 + 190 * warm**1.4, 44 + 118 * warm, 46 + 14 * warm
        stage.disc((s + a, t + b, QUAY + 5.0 * size + c), 0.21 * size, colour, 0.9)


def draw_bridge(stage: Stage) -> None:
    """A stone bridge of round arches that closes the harbour."""
    s, start, end, spans = 150.0, -3.0, -109.0, 7
    span = (start - end) / spans

    def deck(t: float) -> float:
        return 8.4 - 0.0009 * (t - (start + end) / 2) ** 2

    for offset, colour in ((7.0, (112, 84, 88)), (0.0, (168, 128, 110))):
        top = [
            (s + offset, start + (end - start) * i / 40, deck(start + (end - start) * i / 40))
            for i in range(41)
        ]
        under = []
        for i in range(spans):
            middle = start - (i + 0.5) * span
            radius = 0.43 * span
            under.append((s + offset, middle + span / 2, -0.2))
            for j in range(13):
                angle = math.pi * j / 12
                under.append(
                    (s + offset, middle + radius * math.cos(angle), 5.6 * math.sin(angle) ** 0.8 - 0.2)
                )
            under.append((s + offset, middle - span / 2, -0.2))
        stage.polygon([*top, *reversed(under)], colour)
    stage.line([(a, b, y + 0.4) for a, b, y in top], (232, 190, 150), 0.7)
    stage.line([(a, b, y - 0.7) for a, b, y in top], (104, 76, 78), 0.3)


def draw_boats(stage: Stage) -> None:
    """Draw the sailing boats and the rowing boats, far to near."""
    _sailing_boat(stage, 0.625, 96.0, 0.75, (236, 214, 184))
    _sailing_boat(stage, 0.485, 62.0, 0.8, (190, 84, 56))
    _sailing_boat(stage, 0.825, 35.0, 0.95, (240, 214, 170))
    _rowing_boat(stage, 0.235, 20.5, 0.30, (46, 84, 108))
    _rowing_boat(stage, 0.535, 18.2, -0.22, (158, 56, 42))


def _sailing_boat(stage: Stage, across: float, depth: float, size: float, sail: Colour) -> None:
    """A gaff-rigged boat seen from its side, the sun shining through its sails."""

    def place(points: Sequence[tuple[float, float]]) -> list[Point]:
        return [stage.afloat(across, depth, x * size, y * size) for x, y in points]

    def shape(points: Sequence[tuple[float, float]], colour: Colour, alpha: float = 1.0) -> None:
        stage.polygon(place(points), colour, alpha)

    def rope(points: Sequence[tuple[float, float]], colour: Colour, thick: float) -> None:
        stage.line(place(points), colour, thick * size)

    wood: Colour = (92, 62, 48)
    shade, dark = scaled(sail, 0.76), (60, 44, 44)
    rope([(0.6, 0.8), (0.6, 10.6)], (74, 52, 44), 0.16)
    leech = [(-1.1, 9.9), (-1.9, 8.4), (-2.7, 6.6), (-3.35, 4.4), (-3.7, 1.5)]
    shape([(-1.6, 1.35), (0.45, 1.7), (0.45, 7.4), *leech], sail)
    for i in range(6):
        a = 1 - i / 6
        shape([(0.45 - 1.6 * a, 1.6), (0.45 - 0.9 * a, 7.4 + 1.4 * a), (0.45, 7.4), (0.45, 1.7)], shade, 0.13)
    shape([(-2.2, 1.4), (-2.0, 4.8), *leech], (255, 240, 205), 0.35)
    jib = smooth(
        [(0.75, 9.5), (0.75, 9.5), (1.5, 6.0), (2.7, 3.4), (4.7, 1.5), (4.7, 1.5), (2.4, 1.8), (0.95, 1.7)]
    )
    shape(jib, scaled(sail, 1.05))
    for i in range(5):
        a = 1 - i / 5
        shape([(0.75, 9.2), (0.85 + 0.6 * a, 5.0), (0.95 + 1.5 * a, 1.85), (0.95, 1.9)], shade, 0.13)
    for i in range(1, 7):
        a = i / 7
        rope([(0.45, 1.7 + 5.7 * a), (-3.6 + 2.1 * a * a, 1.5 + 8 * a)], scaled(sail, 0.7), 0.045)
        rope([(0.95 - 0.2 * a, 1.9 + 7.2 * a), (4.2 - 3.6 * a, 1.7 + 7 * a)], scaled(sail, 0.7), 0.04)
    rope([(0.5, 1.55), (-4.0, 1.35)], wood, 0.14)
    rope([(0.5, 7.4), (-1.3, 10.1)], wood, 0.12)
    rope([(0.6, 10.4), (5.2, 1.35)], dark, 0.05)
    rope([(0.6, 10.4), (-4.2, 1.0)], dark, 0.04)
    keel = [(3.9, 0.3), (3.0, -0.15), (0.0, -0.2), (-3.2, -0.15), (-4.1, 0.3)]
    sheer = [(-4.3, 1.12), (-3.2, 0.90), (-1.6, 0.79), (0.0, 0.76), (1.6, 0.82), (3.2, 1.02), (4.7, 1.42)]
    shape([*sheer, *keel], (64, 48, 54))
    shape([*keel, (-2.0, 0.2), (0.0, 0.14), (2.0, 0.2)], (126, 46, 40))
    rope(sheer, (238, 204, 160), 0.14)
    rope([(3.6, 1.1), (5.4, 1.45)], wood, 0.12)
    shape([(-2.4, 0.8), (-2.3, 1.35), (-0.9, 1.35), (-0.8, 0.76)], (176, 122, 82))
    shape(smooth([(-3.5, 0.9), (-3.55, 1.5), (-3.3, 1.85), (-3.0, 1.6), (-2.8, 0.9)]), (44, 58, 84))
    stage.disc(place([(-3.25, 1.95)])[0], 0.17 * size, (196, 146, 116))


def _rowing_boat(stage: Stage, across: float, depth: float, heading: float, colour: Colour) -> None:
    """An open boat of 4.4 m with its thwarts and oars; `heading` in radians away from the picture plane."""

    def hull(a: float, b: float, y: float) -> Point:
        """The point at `a` in [-1, 1] along the boat, `b` in [-1, 1] across it, `y` metres up."""
        beam = 0.78 * b * (1 - max(a, 0) ** 2.4 - 0.5 * min(a, 0) ** 2)
        right = 2.2 * a * math.cos(heading) - beam * math.sin(heading)
        back = 2.2 * a * math.sin(heading) + beam * math.cos(heading)
        return stage.afloat(across, depth, right, y, back)

    def rim(b: float, drop: float = 0.0) -> list[Point]:
        return [hull(i / 12, b, 0.52 + 0.22 * (i / 12) ** 2 - drop) for i in range(-12, 13)]

    bottom = [hull(0.86 * i / 12, -0.72, -0.06) for i in range(-12, 13)]
    stage.polygon([*rim(1), *reversed(rim(-1))], (52, 34, 36))
    stage.polygon([*rim(0.8, 0.3), *reversed(rim(-0.7, 0.3))], (112, 78, 58))
    for a in (-0.55, 0.0, 0.5):
        bench = [
            hull(a, -0.95, 0.42),
            hull(a + 0.13, -0.95, 0.42),
            hull(a + 0.13, 0.95, 0.42),
            hull(a, 0.95, 0.42),
        ]
        stage.polygon(bench, (198, 146, 98))
    stage.polygon([*rim(-1), *reversed(bottom)], colour)
    stage.polygon([*rim(-1, 0.33), *reversed(bottom)], scaled(colour, 0.6))
    stage.line([*rim(1), *reversed(rim(-1)), rim(1)[0]], (232, 196, 148), 0.075)
    stage.line(rim(-1, 0.16), (236, 206, 164), 0.035)
    for b in (-0.35, 0.3):
        stage.line([hull(-0.8, b, 0.66), hull(0.75, 1.4 * b, 0.7)], (214, 170, 112), 0.06)
