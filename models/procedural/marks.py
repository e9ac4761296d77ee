"""Picture families built mark by mark: leaves, brush strokes, flow lines, dots, hatching."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nst.models.procedural.fields import (
    Field,
    Picture,
    Rng,
    box,
    coordinates,
    equalise,
    gabor_noise,
    noise,
    paint,
    palette,
    sample_field,
)

__all__ = ["dead_leaves", "dots", "flow_lines", "hatching", "strokes", "textured_leaves"]


def _flow(rng: Rng, size: int) -> Field:
    """Direction in radians at each pixel: along the level lines of a noise, around vortices, or both."""
    field = noise(rng, size, rng.uniform(2.0, 2.8))
    slope_y, slope_x = np.gradient(field)
    curl = np.arctan2(-slope_x, slope_y)
    slow: Field = rng.uniform(0, np.pi) + field * rng.uniform(0.2, 1.2)
    return curl if rng.uniform() < 0.5 else slow


def _ground(rng: Rng, size: int) -> Picture:
    """The picture whose colours the marks take: slow noise or a few flat regions."""
    field = equalise(noise(rng, size, rng.uniform(1.6, 2.4)))
    return paint(field, palette(rng), steps=rng.uniform() < 0.4)


def _leaves(rng: Rng, size: int, textured: bool) -> Picture:
    colours = palette(rng, 8)
    picture = _ground(rng, size)
    smallest, largest = rng.uniform(0.012, 0.04), rng.uniform(0.15, 0.4)
    texture: NDArray[np.float64] = noise(rng, size, 1.0)
    round_leaves = rng.uniform() < 0.6
    for _ in range(int(rng.integers(80, 320))):
        # Areas follow a power law, as the sizes of objects in photographs do (Lee et al., 2001).
        radius = (smallest**-2 + rng.uniform() * (largest**-2 - smallest**-2)) ** -0.5
        cy, cx = rng.uniform(0, 1, 2)
        rows, columns, dy, dx = box(size, cy, cx, radius * 1.5)
        angle, squeeze = rng.uniform(0, np.pi), rng.uniform(0.4, 1.0)
        along = (dx * np.cos(angle) + dy * np.sin(angle)) / radius
        across = (dy * np.cos(angle) - dx * np.sin(angle)) / (radius * squeeze)
        reach = np.hypot(along, across) if round_leaves else np.maximum(np.abs(along), np.abs(across))
        cover = np.clip((1 - reach) * radius * size + 0.5, 0, 1)[..., None]
        colour = colours[rng.integers(len(colours))] + rng.normal(0, 0.05, 3)
        leaf = np.broadcast_to(colour, (*reach.shape, 3))
        if textured:
            leaf = leaf * (1 + rng.uniform(-0.5, 0.5) * along)[..., None]
            shift = rng.integers(0, size, 2)
            patch = np.take(
                np.take(texture, np.arange(rows.start, rows.stop) + shift[0], 0, mode="wrap"),
                np.arange(columns.start, columns.stop) + shift[1],
                1,
                mode="wrap",
            )
            leaf = leaf * (1 + rng.uniform(0, 0.35) * patch)[..., None]
        picture[rows, columns] += cover * (leaf - picture[rows, columns])
    return picture


def dead_leaves(rng: Rng, size: int) -> Picture:
    """Flat shapes that hide one another: edges, corners, occlusion (Matheron, 1968)."""
    return _leaves(rng, size, textured=False)


def textured_leaves(rng: Rng, size: int) -> Picture:
    """Dead leaves with shading and grain on each leaf."""
    return _leaves(rng, size, textured=True)


def strokes(rng: Rng, size: int) -> Picture:
    """Short brush strokes along a flow, each with bristle marks and a shade of its own."""
    flow, ground = _flow(rng, size), _ground(rng, size)
    picture = ground * rng.uniform(0.4, 1.0)
    width = rng.uniform(1.2, 5.0) / size
    length = width * rng.uniform(2.5, 9.0)
    jitter, bristles, bend = rng.uniform(0.03, 0.2), rng.uniform(0, 0.35), rng.uniform(0, 1.5)
    count = int(min(1500, 1.6 / (width * length)))
    for y, x in rng.uniform(0, 1, (count, 2)):
        row, column = int(y * size), int(x * size)
        angle = flow[row, column]
        rows, columns, dy, dx = box(size, y, x, length)
        along = (dx * np.cos(angle) + dy * np.sin(angle)) / length
        across = (dy * np.cos(angle) - dx * np.sin(angle)) / width + bend * (along**2 - 0.3)
        reach = np.abs(across) + np.maximum(np.abs(along) * 4 - 3, 0)
        cover = np.clip((1 - reach) * width * size * 1.5 + 0.5, 0, 1)[..., None]
        shade = rng.normal(0, jitter) + bristles * np.sin(across * rng.uniform(3, 7) + rng.uniform(0, 6))
        colour = ground[row, column] + rng.normal(0, jitter / 2, 3) + shade[..., None]
        picture[rows, columns] += cover * (colour - picture[rows, columns])
    return picture


def flow_lines(rng: Rng, size: int) -> Picture:
    """Line-integral convolution (Cabral and Leedom, 1993): noise smeared along a flow."""
    flow, ground = _flow(rng, size), _ground(rng, size)
    grain = noise(rng, size, rng.uniform(0, 0.6))
    y, x = coordinates(size)
    total = grain.copy()
    reach = int(rng.integers(5, 16))
    for direction in (-1, 1):
        row, column = y, x
        for _ in range(reach):
            angle = sample_field(flow, row, column)
            row = row + direction * np.sin(angle) / size
            column = column + direction * np.cos(angle) / size
            total += sample_field(grain, row, column)
    lines = equalise(total)
    mix = rng.uniform(0.3, 0.8)
    return ground * (1 - mix) + paint(lines, palette(rng)) * mix


def dots(rng: Rng, size: int) -> Picture:
    """Round dots: a raster whose radii follow a tone, or pointillist dabs in colours near the ground's."""
    ground = _ground(rng, size)
    if rng.uniform() < 0.4:
        y, x = coordinates(size)
        angle, frequency = rng.uniform(0, np.pi), rng.uniform(8, 30)
        u = (x * np.cos(angle) + y * np.sin(angle)) * frequency
        v = (y * np.cos(angle) - x * np.sin(angle)) * frequency
        reach = np.hypot(u % 1 - 0.5, v % 1 - 0.5)
        tone = 0.1 + 0.5 * equalise(noise(rng, size, 2.2))
        cover = np.clip((tone - reach) * size / frequency + 0.5, 0, 1)[..., None]
        raster: Picture = ground * cover + palette(rng, 1)[0] * (1 - cover)
        return raster
    picture = ground * rng.uniform(0.2, 1.0)
    largest, jitter = rng.uniform(1.5, 6) / size, rng.uniform(0.03, 0.3)
    for cy, cx in rng.uniform(0, 1, (int(min(1800, 0.5 / largest**2)), 2)):
        radius = largest * rng.uniform(0.5, 1)
        rows, columns, dy, dx = box(size, cy, cx, radius * 1.5)
        cover = np.clip((radius - np.hypot(dy, dx)) * size + 0.5, 0, 1)[..., None]
        colour = ground[int(cy * size), int(cx * size)] + rng.normal(0, jitter, 3)
        picture[rows, columns] += cover * (colour - picture[rows, columns])
    return picture


def hatching(rng: Rng, size: int) -> Picture:
    """Ink lines in two to four directions, each laid only where the tone is dark enough."""
    y, x = coordinates(size)
    tone = equalise(noise(rng, size, 2.2))
    paper, ink = palette(rng, 2)
    cover = np.zeros((size, size))
    turns = int(rng.integers(2, 5))
    start, frequency = rng.uniform(0, np.pi), rng.uniform(12, 40)
    for turn in range(turns):
        angle = start + turn * np.pi / turns
        wobble = noise(rng, size, 2.2) * rng.uniform(0, 0.4)
        phase = (x * np.cos(angle) + y * np.sin(angle)) * frequency + wobble
        width = np.clip(tone - turn / turns, 0, 1)
        line = np.clip((width - np.abs(phase % 1 * 2 - 1)) * size / frequency + 0.5, 0, 1)
        cover = np.maximum(cover, line * (width > 0))
    grain = gabor_noise(rng, size, size / 6, rng.uniform(0, np.pi), size / 12) * rng.uniform(0, 0.06)
    wash = _ground(rng, size) * 0.5 + 0.5
    picture: Picture = (paper + (ink - paper) * cover[..., None]) * wash + grain[..., None]
    return picture
