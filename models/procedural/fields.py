"""Random scalar fields and palettes: what the procedural pictures are painted from.

A field is a (size, size) float64 array over the unit square; `Rng` is numpy's PCG64 generator.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Field",
    "Picture",
    "Rng",
    "box",
    "coordinates",
    "equalise",
    "gabor_noise",
    "gaussian_blur",
    "noise",
    "paint",
    "palette",
    "sample_field",
]

Field: TypeAlias = NDArray[np.float64]
Picture: TypeAlias = NDArray[np.float64]
Rng: TypeAlias = np.random.Generator

_LUMA = np.array([0.299, 0.587, 0.114])


def coordinates(size: int) -> tuple[Field, Field]:
    """(y, x) of the pixel centres in [0, 1], each (size, size)."""
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size
    return y, x


def _frequencies(size: int, angle: float, stretch: float) -> Field:
    """Radial frequency (cycles a picture) after a rotation and a stretch along one axis."""
    fy = np.fft.fftfreq(size, 1 / size)[:, None]
    fx = np.fft.rfftfreq(size, 1 / size)[None, :]
    along = fx * np.cos(angle) + fy * np.sin(angle)
    across = fy * np.cos(angle) - fx * np.sin(angle)
    radius: Field = np.hypot(along * stretch, across / stretch)
    return radius


def _filter(field: Field, response: Field) -> Field:
    filtered: Field = np.fft.irfft2(np.fft.rfft2(field) * response, s=field.shape)
    return filtered


def noise(rng: Rng, size: int, slope: float | None = None, stretch: float = 1.0, angle: float = 0.0) -> Field:
    """Gaussian noise with amplitude spectrum 1 / frequency^slope: mean 0, deviation 1, periodic."""
    slope = rng.uniform(0.8, 2.2) if slope is None else slope
    radius = _frequencies(size, angle, stretch)
    response = np.zeros_like(radius)
    np.power(radius, -slope, out=response, where=radius > 0)
    return _standard(_filter(rng.standard_normal((size, size)), response))


def gabor_noise(rng: Rng, size: int, frequency: float, angle: float, bandwidth: float) -> Field:
    """Band-pass noise around one wave vector (Lagae et al., 2009), made in the frequency domain.

    Args:
        rng: generator.
        size: side in pixels.
        frequency: cycles a picture.
        angle: direction of the wave vector, radians.
        bandwidth: deviation of the Gaussian lobe, cycles a picture.
    """
    fy = np.fft.fftfreq(size, 1 / size)[:, None]
    fx = np.fft.rfftfreq(size, 1 / size)[None, :]
    response = np.zeros(np.broadcast_shapes(fy.shape, fx.shape))
    for sign in (-1, 1):
        distance = (fx - sign * frequency * np.cos(angle)) ** 2 + (fy - sign * frequency * np.sin(angle)) ** 2
        response += np.exp(-distance / (2 * bandwidth**2))
    return _standard(_filter(rng.standard_normal((size, size)), response))


def gaussian_blur(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Periodic Gaussian blur of (H, W) or (H, W, C); sigma in pixels."""
    height, width = values.shape[:2]
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    response = np.exp(-2 * (np.pi * sigma) ** 2 * (fy**2 + fx**2))
    if values.ndim == 2:
        return _filter(values, response)
    return np.stack([_filter(values[..., c], response) for c in range(values.shape[2])], axis=2)


def _standard(field: Field) -> Field:
    field = field - field.mean()
    deviation = field.std()
    return field / deviation if deviation > 0 else field


def equalise(field: Field) -> Field:
    """Ranks in [0, 1]: every value equally frequent, so that a palette is used evenly."""
    order = np.argsort(field, axis=None)
    ranks = np.empty(field.size)
    ranks[order] = np.linspace(0, 1, field.size)
    return ranks.reshape(field.shape)


def sample_field(field: NDArray[np.float64], y: Field, x: Field) -> NDArray[np.float64]:
    """Nearest-pixel look-up at coordinates in [0, 1], periodic."""
    size = field.shape[0]
    rows = np.floor(y * size).astype(np.intp) % size
    columns = np.floor(x * size).astype(np.intp) % size
    values: NDArray[np.float64] = field[rows, columns]
    return values


def box(size: int, y: float, x: float, radius: float) -> tuple[slice, slice, Field, Field]:
    """The pixels around (y, x), all in [0, 1] units: row slice, column slice, and their offsets (dy, dx)."""
    rows = slice(max(0, int((y - radius) * size)), min(size, int((y + radius) * size) + 2))
    columns = slice(max(0, int((x - radius) * size)), min(size, int((x + radius) * size) + 2))
    dy = (np.arange(rows.start, max(rows.start, rows.stop)) + 0.5) / size - y
    dx = (np.arange(columns.start, max(columns.start, columns.stop)) + 0.5) / size - x
    return rows, columns, dy[:, None], dx[None, :]


def palette(rng: Rng, count: int | None = None) -> NDArray[np.float64]:
    """(count, 3) colours in [0, 1] that belong together: a few hues, a spread of lightness."""
    count = int(rng.integers(3, 8)) if count is None else count
    hue = rng.uniform() + rng.choice([0.0, 0.5, 1 / 3], count, p=[0.6, 0.25, 0.15])
    hue += rng.normal(0, 0.06, count)
    saturation = rng.uniform(0, 1, count) * rng.choice([0.35, 0.7, 1.0])
    value = rng.permutation((np.arange(count) + rng.uniform(0, 1, count)) / count)
    ramp = np.clip(np.abs((hue[:, None] + np.array([0, 2 / 3, 1 / 3])) % 1 * 6 - 3) - 1, 0, 1)
    colours: NDArray[np.float64] = value[:, None] * (1 - saturation[:, None] * (1 - ramp))
    if rng.uniform() < 0.5:  # from dark to light, as shading goes
        colours = colours[np.argsort(colours @ _LUMA)]
    return colours


def paint(values: Field, colours: NDArray[np.float64], steps: bool = False) -> Picture:
    """Map values in [0, 1] to colours, blended between neighbours or in flat steps: (H, W, 3)."""
    count = len(colours)
    if steps:
        flat: Picture = colours[np.minimum((values * count).astype(np.intp), count - 1)]
        return flat
    stops = np.linspace(0, 1, count)
    return np.stack([np.interp(values, stops, colours[:, c]) for c in range(3)], axis=-1)
