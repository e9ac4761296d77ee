"""The houses of the content picture of `make demo`: gabled fronts on a quay and the church behind them."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from drawing.stage import QUAY, Colour, Stage, box, rect, scaled, shadowed

__all__ = ["draw_houses"]

_FACADES: tuple[Colour, ...] = (
    (214, 158, 84), (176, 84, 60), (232, 212, 172), (150, 160, 128), (204, 128, 100),
    (128, 142, 158), (222, 178, 112), (146, 66, 54), (238, 224, 196), (196, 140, 120),
)  # fmt: skip
_ROOFS: tuple[Colour, ...] = ((132, 66, 50), (110, 58, 50), (92, 70, 70), (146, 78, 52))


def draw_houses(stage: Stage, rng: np.random.Generator) -> None:
    """Draw the church, the roofs of the street behind and the row of houses on the quay, far to near."""
    _church(stage, 108.0)
    for s in range(150, 10, -11):
        _back_row(stage, rng, float(s))
    plots = [15.0]
    while plots[-1] < 138:
        plots.append(plots[-1] + rng.uniform(5.6, 8.4))
    walls = rng.permutation(_FACADES)
    for index, (s0, s1) in reversed(list(enumerate(pairwise(plots)))):
        red, green, blue = walls[index % len(walls)] * rng.uniform(0.92, 1.04)
        _house(stage, rng, s0, s1, (red, green, blue))


def _gable(kind: int, s0: float, s1: float, eaves: float, ridge: float) -> list[tuple[float, float]]:
    """Outline (s, y) of a gable from its left to its right foot: straight, stepped or bell-shaped."""
    middle, half, rise = (s0 + s1) / 2, (s1 - s0) / 2, ridge - eaves
    if kind == 0:
        return [(s0, eaves), (middle, ridge), (s1, eaves)]
    if kind == 1:
        steps = [(1 - i / 5, j / 5) for i in range(5) for j in (i, i + 1)]
    else:
        steps = [(1, 0), (0.98, 0.10), (0.80, 0.16), (0.62, 0.30), (0.50, 0.52), (0.44, 0.74), (0.40, 0.80)]
        steps += [(0.36, 0.90), (0.24, 0.97), (0.0, 1.04)]
    left = [(middle - a * half, eaves + b * rise) for a, b in steps]
    return left + [(2 * middle - s, y) for s, y in reversed(left)]


def _house(stage: Stage, rng: np.random.Generator, s0: float, s1: float, wall: Colour) -> None:
    """One gabled house with its front in the plane t = 0."""
    roof = _ROOFS[rng.integers(len(_ROOFS))]
    trim = (244, 228, 200) if rng.random() < 0.7 else scaled(wall, 0.62)
    kind = int(rng.integers(4))
    floors = int(rng.integers(2, 4))
    base, storey = QUAY, rng.uniform(2.75, 3.1)
    eaves = base + 3.5 + floors * storey
    ridge = eaves + (s1 - s0) * rng.uniform(0.62, 0.85)
    middle, deep = (s0 + s1) / 2, 11.0
    timbered = kind == 3

    stage.polygon([(s0, 0, base), (s0, deep, base), (s0, deep, eaves), (s0, 0, eaves)], shadowed(wall))
    top = ridge - (0.0 if kind in (0, 3) else 0.5)
    slope = [
        (s0 - 0.3, -0.3, eaves - 0.3),
        (s0 - 0.3, deep, eaves - 0.3),
        (middle, deep, top),
        (middle, -0.3, top),
    ]
    stage.polygon(slope, scaled(roof, 0.92))
    for i in range(1, 14):
        a = i / 14
        s, y = s0 - 0.3 + a * (middle - s0 + 0.3), eaves - 0.3 + a * (top - eaves + 0.3)
        stage.line([(s, -0.3, y), (s, deep, y)], scaled(roof, 0.6), 0.06, 0.7)
    t = rng.uniform(2.5, 6.5)
    box(stage, middle - 0.9, middle, t, t + 1.1, ridge - 2, ridge + 1.3, (168, 96, 74))
    box(stage, middle - 1.0, middle + 0.1, t - 0.1, t + 1.2, ridge + 1.3, ridge + 1.5, (206, 176, 150))

    outline = _gable(0 if timbered else kind, s0, s1, eaves, ridge)
    front = [(s0, base), *outline, (s1, base)]
    stage.polygon([(s, 0, y) for s, y in front], wall)
    for _ in range(int(70 * (s1 - s0) / 7)):
        s, y = rng.uniform(s0 + 0.1, s1 - 0.7), rng.uniform(base, eaves)
        stage.polygon(
            rect(s, y, s + rng.uniform(0.3, 0.6), y + 0.18), scaled(wall, rng.uniform(0.8, 1.14)), 0.5
        )
    stage.polygon(rect(s0, base, s0 + 0.35, eaves), (40, 24, 50), 0.28)
    stage.polygon(rect(s0, base, s1, base + 0.6), (104, 92, 92), 0.9)
    if timbered:
        _timber(stage, s0, s1, base + 3.4, eaves, ridge, storey)
    stage.line([(s, -0.1, y) for s, y in outline], scaled(trim, 0.98), 0.28)
    for y in (base + 3.3, eaves):
        stage.polygon(rect(s0, y - 0.12, s1, y + 0.14, -0.1), trim)
        stage.polygon(rect(s0, y - 0.42, s1, y - 0.12), (40, 24, 50), 0.30)

    columns = max(2, round((s1 - s0) / 2.1))
    pitch = (s1 - s0) / columns
    shutters = (58, 92, 78) if rng.random() < 0.35 else None
    for row in range(floors):
        y = base + 3.3 + storey * row + 0.7
        for column in range(columns):
            _window(stage, rng, s0 + (column + 0.5) * pitch, y, 0.55, 1.65, trim, shutters)
    _window(stage, rng, middle, eaves + 0.7, 0.5, 1.3, trim, None)
    if ridge - eaves > 4.3:
        _window(stage, rng, middle, eaves + 2.6, 0.32, 0.8, trim, None)
    door = int(rng.integers(columns))
    paint = ((56, 74, 62), (104, 38, 34), (46, 56, 86))[rng.integers(3)]
    for column in range(columns):
        centre = s0 + (column + 0.5) * pitch
        if column == door:
            stage.polygon(rect(centre - 0.78, base, centre + 0.78, base + 2.85, -0.05), trim)
            stage.polygon(rect(centre - 0.58, base, centre + 0.58, base + 2.15, -0.05), paint)
            stage.polygon(rect(centre - 0.58, base + 2.25, centre + 0.58, base + 2.7, -0.05), (250, 196, 104))
        else:
            _window(stage, rng, centre, base + 0.85, 0.75, 1.75, trim, None)
    _evening_light(stage, s0, s1, outline, base, eaves)


def _evening_light(
    stage: Stage, s0: float, s1: float, outline: list[tuple[float, float]], base: float, eaves: float
) -> None:
    """The low sun gilds the gables; the street, and the houses near the camera, lie in violet shadow."""
    violet: Colour = (38, 26, 66)
    for i in range(12):
        stage.polygon(rect(s0, base, s1, base + 0.85 * (eaves - base) * (1 - i / 12)), violet, 0.042)
    front = [(s0, 0.0, base), *((s, 0.0, y) for s, y in outline), (s1, 0.0, base)]
    stage.polygon(front, violet, 0.34 * math.exp(-((s0 - 15) / 16)))
    stage.polygon([(s, 0.0, y) for s, y in outline], (255, 186, 96), 0.16)


def _window(
    stage: Stage,
    rng: np.random.Generator,
    s: float,
    y: float,
    half: float,
    tall: float,
    trim: Colour,
    shutters: Colour | None,
) -> None:
    """A sash window of width 2 `half`, its sill at the middle bottom (s, y)."""
    stage.polygon(rect(s - half - 0.16, y - 0.12, s + half + 0.16, y + tall + 0.2), trim)
    lit = rng.random() < 0.2
    low, high = ((232, 150, 62), (255, 214, 128)) if lit else ((34, 40, 58), (96, 116, 146))
    stage.polygon(rect(s - half, y, s + half, y + tall), low)
    stage.polygon(
        [
            (s - half, 0, y + 0.35 * tall),
            (s + half, 0, y + 0.75 * tall),
            *rect(s - half, 0, s + half, y + tall)[2:],
        ],
        high,
        0.8,
    )
    stage.polygon(rect(s - half, y + tall - 0.14, s + half, y + tall), (20, 16, 30), 0.6)
    stage.line([(s, 0, y), (s, 0, y + tall)], trim, 0.08)
    for part in (0.36, 0.68):
        stage.line([(s - half, 0, y + part * tall), (s + half, 0, y + part * tall)], trim, 0.07)
    stage.polygon(rect(s - half - 0.26, y - 0.22, s + half + 0.26, y - 0.06, -0.1), scaled(trim, 1.04))
    stage.polygon(rect(s - half - 0.2, y - 0.42, s + half + 0.2, y - 0.22), (40, 24, 50), 0.35)
    if shutters:
        for side in (s - half - 0.58, s + half + 0.14):
            stage.polygon(rect(side, y, side + 0.44, y + tall), shutters)


def _timber(stage: Stage, s0: float, s1: float, y0: float, eaves: float, ridge: float, storey: float) -> None:
    """Half-timbering: posts, rails and braces."""
    beam: Colour = (74, 46, 38)
    posts = max(3, round((s1 - s0) / 1.05))
    for i in range(posts + 1):
        s = s0 + (s1 - s0) * i / posts
        stage.line([(s, 0, y0), (s, 0, eaves)], beam, 0.17)
    y = y0
    while y < eaves + 0.1:
        for rail in (y, y + 0.55):
            stage.line([(s0, 0, rail), (s1, 0, rail)], beam, 0.17)
        stage.line([(s0, 0, y + 0.5), (s0 + 1.0, 0, y + storey)], beam, 0.16)
        stage.line([(s1, 0, y + 0.5), (s1 - 1.0, 0, y + storey)], beam, 0.16)
        y += storey
    for a in (0.3, 0.62):
        half = (s1 - s0) / 2 * (1 - a)
        y = eaves + a * (ridge - eaves)
        stage.line([((s0 + s1) / 2 - half, 0, y), ((s0 + s1) / 2 + half, 0, y)], beam, 0.17)


def _back_row(stage: Stage, rng: np.random.Generator, s: float) -> None:
    """A house of the street behind: a ridge along the quay and its slope to the water."""
    wall, roof = _FACADES[rng.integers(len(_FACADES))], _ROOFS[rng.integers(len(_ROOFS))]
    t, eaves = rng.uniform(15, 24), rng.uniform(11, 15.5)
    ridge, long = eaves + rng.uniform(3.5, 5), rng.uniform(9, 13)
    box(stage, s, s + long, t, t + 9, 4, eaves, scaled(wall, 0.9))
    stage.polygon([(s, t, eaves), (s, t + 9, eaves), (s, t + 4.5, ridge)], shadowed(wall))
    stage.polygon(
        [
            (s, t - 0.4, eaves - 0.3),
            (s + long, t - 0.4, eaves - 0.3),
            (s + long, t + 4.5, ridge),
            (s, t + 4.5, ridge),
        ],
        scaled(roof, 1.12),
    )
    box(stage, s + 2, s + 3.2, t + 3.8, t + 5, ridge - 1, ridge + 1.6, (170, 104, 84))


def _church(stage: Stage, s: float) -> None:
    """A square tower with a belfry, a clock and a slender spire."""
    stone: Colour = (214, 182, 146)
    t, side, top = 24.0, 9.5, 35.0
    box(stage, s, s + side, t, t + side, 3, top, stone)
    for y in (20.0, 27.0, top):
        box(stage, s - 0.3, s + side + 0.3, t - 0.3, t + side + 0.3, y - 0.35, y + 0.35, scaled(stone, 1.1))
    for i in range(60):
        y, a = 10 + i * 0.42, (i * 0.37) % 0.8
        stage.polygon(rect(s + a * side, y, s + (a + 0.16) * side, y + 0.36, t), scaled(stone, 0.9), 0.6)
    for a in (0.28, 0.72):
        arch = [
            (a + 0.11 * math.cos(i * math.pi / 8), 32.0 + 1.4 * math.sin(i * math.pi / 8)) for i in range(9)
        ]
        shape = [(a + 0.11, 28.5), *arch, (a - 0.11, 28.5)]
        stage.polygon([(s + p * side, t, y) for p, y in shape], (58, 44, 54))
        stage.polygon([(s, t + p * side, y) for p, y in shape], (36, 30, 48))
    clock = [(s + side / 2 + 1.6 * math.cos(i * 0.3), t, 23.6 + 1.6 * math.sin(i * 0.3)) for i in range(21)]
    stage.polygon(clock, (40, 52, 84))
    stage.line([*clock, clock[0]], (240, 196, 92), 0.2)
    stage.line(
        [(s + side / 2 + 0.7, t, 24.1), (s + side / 2, t, 23.6), (s + side / 2, t, 24.6)],
        (250, 220, 140),
        0.16,
    )
    apex = (s + side / 2, t + side / 2, 56.0)
    slate: Colour = (92, 110, 122)
    stage.polygon([(s - 0.2, t - 0.2, top), (s - 0.2, t + side, top), apex], shadowed(slate))
    stage.polygon([(s - 0.2, t - 0.2, top), (s + side + 0.2, t - 0.2, top), apex], scaled(slate, 1.15))
    stage.line([apex, (apex[0], apex[1], 60.0)], (232, 190, 96), 0.22)
    stage.disc((apex[0], apex[1], 56.8), 0.5, (246, 206, 110))
