"""Picture families that are one formula over the whole plane: noise, waves, cells, networks, relief."""

from __future__ import annotations

import numpy as np

from nst.models.procedural.fields import (
    Field,
    Picture,
    Rng,
    coordinates,
    equalise,
    gabor_noise,
    gaussian_blur,
    noise,
    paint,
    palette,
)

__all__ = [
    "coloured_noise",
    "gabor",
    "gradients",
    "pattern_network",
    "radial_waves",
    "shaded_heights",
    "turing",
    "voronoi",
    "warped_stripes",
]


def coloured_noise(rng: Rng, size: int) -> Picture:
    """Anisotropic power-law noise through a palette, with a second noise for the hue."""
    angle, stretch = rng.uniform(0, np.pi), np.exp(rng.uniform(0, 1.2))
    field = equalise(noise(rng, size, None, stretch, angle))
    picture = paint(field, palette(rng), steps=rng.uniform() < 0.25)
    other = paint(field, palette(rng))
    blend = equalise(noise(rng, size, 2.0))[..., None]
    return picture * blend + other * (1 - blend)


def gabor(rng: Rng, size: int) -> Picture:
    """A sum of one to three band-pass noises: woven, grained, brushed surfaces."""
    field = np.zeros((size, size))
    for _ in range(int(rng.integers(1, 4))):
        frequency = size * np.exp(rng.uniform(np.log(0.03), np.log(0.25)))
        lobe = frequency * rng.uniform(0.08, 0.4)
        field += gabor_noise(rng, size, frequency, rng.uniform(0, np.pi), lobe) * rng.uniform(0.3, 1)
    field += noise(rng, size, 2.0) * rng.uniform(0, 1)
    return paint(equalise(field), palette(rng))


def gradients(rng: Rng, size: int) -> Picture:
    """Smooth skies and fogs: a few colours over a slow ramp, hardly any detail."""
    y, x = coordinates(size)
    angle = rng.uniform(0, 2 * np.pi)
    field = x * np.cos(angle) + y * np.sin(angle) + noise(rng, size, 2.5) * rng.uniform(0.02, 0.3)
    grain = rng.standard_normal((size, size, 1)) * rng.choice([0.0, 0.01, 0.03])
    picture: Picture = paint(equalise(field), palette(rng, 3)) + grain
    return picture


def _profile(rng: Rng, phase: Field) -> Field:
    """A periodic profile in [0, 1] of a phase in cycles: sine, triangle or hard edge."""
    kind = rng.integers(0, 3)
    if kind == 0:
        return 0.5 + 0.5 * np.sin(2 * np.pi * phase)
    triangle = np.abs((phase % 1) * 2 - 1)
    if kind == 1:
        return triangle
    return np.clip((triangle - rng.uniform(0.2, 0.8)) * rng.uniform(4, 16) + 0.5, 0, 1)


def warped_stripes(rng: Rng, size: int) -> Picture:
    """Parallel stripes bent by a slow noise."""
    y, x = coordinates(size)
    angle = rng.uniform(0, np.pi)
    frequency = np.exp(rng.uniform(np.log(3), np.log(24)))
    warp = noise(rng, size, rng.uniform(1.8, 2.6)) * rng.uniform(0, 1.5)
    field = _profile(rng, (x * np.cos(angle) + y * np.sin(angle)) * frequency + warp)
    tint = paint(equalise(noise(rng, size, 2.0)), palette(rng))
    mix = rng.uniform(0, 0.6)
    return paint(field, palette(rng)) * (1 - mix) + tint * mix


def radial_waves(rng: Rng, size: int) -> Picture:
    """Rings, rays and spirals around one to three centres."""
    y, x = coordinates(size)
    phase = noise(rng, size, 2.2) * rng.uniform(0, 0.6)
    for _ in range(int(rng.integers(1, 4))):
        cy, cx = rng.uniform(-0.1, 1.1, 2)
        radius, theta = np.hypot(y - cy, x - cx), np.arctan2(y - cy, x - cx)
        phase += radius * rng.uniform(2, 16) + rng.integers(-6, 7) * theta / (2 * np.pi)
    picture = paint(_profile(rng, phase), palette(rng))
    shade = equalise(noise(rng, size, 2.0))[..., None]
    return picture * (1 - rng.uniform(0, 0.6) * shade)


def voronoi(rng: Rng, size: int) -> Picture:
    """Voronoi cells: flat, shaded from the centre, or leaded like a church window."""
    y, x = coordinates(size)
    count = int(np.exp(rng.uniform(np.log(12), np.log(160))))
    points = rng.uniform(-0.05, 1.05, (count, 2))
    metric = rng.choice([1.0, 2.0])
    stretch = np.exp(rng.uniform(-0.6, 0.6))
    away = np.stack(
        [(np.abs(y - py) * stretch) ** metric + (np.abs(x - px) / stretch) ** metric for py, px in points]
    )
    nearest = away.argmin(axis=0)
    first, second = np.partition(away, 1, axis=0)[:2] ** (1 / metric)
    colours = paint(rng.uniform(0, 1, count), palette(rng, 6))[nearest]
    shade = 1 - rng.uniform(0, 0.8) * first / first.max()
    edge = np.clip((second - first) * size / rng.uniform(1, 4), 0, 1) if rng.uniform() < 0.6 else 1.0
    picture: Picture = colours * (shade * edge)[..., None]
    return picture


def pattern_network(rng: Rng, size: int) -> Picture:
    """A compositional pattern network (Stanley, 2007): a random small net of the coordinates."""
    y, x = coordinates(size)
    y, x = (y - 0.5) * 4, (x - 0.5) * 4
    values = np.stack([y, x, np.hypot(y, x), noise(rng, size, 2.2) * 0.5, np.ones_like(x)])
    for depth in range(int(rng.integers(2, 5))):
        gain = 2.0 if depth == 0 else 3.0
        mix = rng.normal(0, gain / np.sqrt(len(values)), (16, len(values)))
        values = np.tensordot(mix, values, axes=1)
        values[:6], values[6:12] = np.sin(2 * values[:6]), np.tanh(values[6:12])
        values[12:] = np.exp(-(values[12:] ** 2))
    # The channels share most of their readout, as they do in photographs: light first, then colour.
    readout = rng.normal(0, 0.8, (1, len(values))) + rng.normal(0, 0.4, (3, len(values)))
    picture: Picture = 1 / (1 + np.exp(-np.moveaxis(np.tensordot(readout, values, axes=1), 0, -1)))
    return picture


def turing(rng: Rng, size: int) -> Picture:
    """Spots and labyrinths of an activator and an inhibitor (Young's form of Turing's patterns, 1984)."""
    field = rng.standard_normal((size, size))
    sigma = rng.uniform(1.0, 3.5)
    ratio, offset = rng.uniform(1.4, 2.2), rng.uniform(-0.3, 0.3)
    for _ in range(12):
        difference = gaussian_blur(field, sigma) - gaussian_blur(field, sigma * ratio)
        field = np.tanh(4 * difference / difference.std() + offset)
    tint = paint(equalise(noise(rng, size, 2.0)), palette(rng))
    mix = rng.uniform(0, 0.5)
    return paint(field * 0.5 + 0.5, palette(rng)) * (1 - mix) + tint * mix


def relief(rng: Rng, size: int, height: Field, strength: float) -> Field:
    """Lambert shading in [0, 1] of a height field lit from a random side."""
    slope_y, slope_x = np.gradient(height)
    slope_y, slope_x = strength * slope_y, strength * slope_x
    angle, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 1.0)
    light = np.array([np.cos(angle), np.sin(angle), np.tan(elevation)])
    light /= np.linalg.norm(light)
    normal = np.sqrt(1 + slope_y**2 + slope_x**2)
    shade: Field = np.clip((light[2] - light[0] * slope_x - light[1] * slope_y) / normal, 0, 1)
    return shade


def shaded_heights(rng: Rng, size: int) -> Picture:
    """A rough surface under one lamp, coloured by its height."""
    height = noise(rng, size, rng.uniform(1.2, 2.2), np.exp(rng.uniform(0, 0.8)), rng.uniform(0, np.pi))
    albedo = paint(equalise(height + noise(rng, size, 2.0)), palette(rng))
    light = relief(rng, size, height, size * rng.uniform(0.02, 0.06))
    return albedo * (0.15 + 0.85 * light[..., None])
