"""The two pictures, drawn by code: `python -m drawing.harbour FOLDER`, in docs/pictures.

`draw_harbour` is the content picture (a harbour town in the evening sun), `paint_strokes` the style picture.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from drawing.houses import draw_houses
from drawing.stage import EYE, FOCAL, HORIZON, Stage
from drawing.strokes import fractal_noise, paint_strokes, sample
from drawing.waterside import draw_boats, draw_bridge, draw_quay

__all__ = ["draw_harbour", "main", "paint_strokes"]

Array = npt.NDArray[np.float32]

_OVERSAMPLING = 3
_SUN = (0.700, 0.415)  # in picture widths and heights
_GLOW = np.array([255, 196, 120], dtype=np.float32)
# Height above the horizon in picture heights, then the colour of the clear sky.
_SKY = (
    (0.00, 255, 206, 148),
    (0.07, 252, 190, 142),
    (0.17, 226, 176, 160),
    (0.30, 156, 164, 184),
    (0.45, 88, 128, 174),
    (0.60, 52, 88, 146),
)


def draw_harbour(width: int, height: int, seed: int = 0) -> Image.Image:
    """Draw the content picture: old houses on a quay, a bridge and boats in the evening sun.

    Returns an RGB picture of `width` x `height` pixels; the same seed gives the same pixels.
    """
    rng = np.random.default_rng(seed)
    town_seed = int(rng.integers(2**31))
    y = np.arange(height)
    horizon = HORIZON * height
    backdrop = _sky(width, height, rng)
    mirror = np.clip(2 * horizon - y, 0, height - 1).astype(np.int64)
    reflection = _with_town(backdrop[mirror], town_seed, mirrored=True)
    backdrop = np.where((y > horizon)[:, None, None], _water(reflection, rng), backdrop)
    picture = _with_town(backdrop, town_seed, mirrored=False)
    # Weathered walls and foliage: what the town covers gets a grain, the rest stays as smooth as air.
    town = np.abs(picture - np.clip(backdrop, 0, 255)).max(axis=-1, keepdims=True) > 6
    grain = fractal_noise(rng, 512, 0.8)[y[:, None] % 512, np.arange(width) % 512, None]
    picture = picture * (1 + 0.045 * grain * town)
    return Image.fromarray(_finish(picture), "RGB")


def _grid(width: int, height: int) -> tuple[Array, Array]:
    """Pixel coordinates x, shape (1, width), and y, shape (height, 1)."""
    return np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]


def _with_town(backdrop: Array, seed: int, *, mirrored: bool) -> Array:
    """The backdrop with the town in front of it, or with its mirror image in the water."""
    height, width, _ = backdrop.shape
    canvas = Image.fromarray(np.clip(backdrop + 0.5, 0, 255).astype(np.uint8), "RGB")
    canvas = canvas.resize((width * _OVERSAMPLING, height * _OVERSAMPLING), Image.Resampling.NEAREST)
    stage, rng = Stage(canvas, mirrored), np.random.default_rng(seed)
    draw_bridge(stage)
    draw_houses(stage, rng)
    draw_quay(stage, rng)
    draw_boats(stage)
    return np.asarray(canvas.reduce(_OVERSAMPLING), dtype=np.float32)


def _sky(width: int, height: int, rng: np.random.Generator) -> Array:
    """Evening sky with the sun, clouds in perspective and hills, shape (height, width, 3), in [0, 255]."""
    x, y = _grid(width, height)
    table = np.array(_SKY)
    rise = np.maximum((HORIZON * height - y) / height, 0)
    clear = np.concatenate([np.interp(rise, table[:, 0], table[:, c]) for c in (1, 2, 3)], axis=-1)[
        :, None, :
    ]
    to_sun = np.hypot(x / width - _SUN[0], (y / height - _SUN[1]) * height / width)[..., None]
    sky = clear + 0.32 * np.exp(-to_sun / 0.15) * _GLOW

    # The clouds hang in a level sheet, so they crowd together towards the horizon.
    away = 1 / (rise + 0.09)
    across, along = (x / width - 0.5) * away * 70 + 900, away * 95 + 0 * x
    tile = fractal_noise(rng, 512, 1.55)
    thick = sample(tile, across, along)
    towards_sun = sample(tile, across + 9 * (_SUN[0] - x / width), along + 3.5)
    cover = np.clip((thick + 0.10) / 1.3, 0, 1)[..., None]
    cover = cover * cover * (3 - 2 * cover) * np.clip(rise / 0.05, 0, 1)[..., None]
    edge = np.clip(0.50 + 0.9 * (thick - towards_sun) - 0.12 * thick, 0, 1)[..., None]
    near_sun = np.exp(-to_sun / 0.40)
    bright = np.array([255, 206, 170]) + near_sun * np.array([0, 30, 0])
    dark = np.array([104, 100, 142]) + near_sun * np.array([110, 50, 0])
    sky = sky + 0.9 * cover * (dark + (bright - dark) * edge - sky)
    sky = sky + (np.array([255, 250, 226]) - sky) * np.exp(-((to_sun / 0.021) ** 6))
    return np.asarray(_hills(sky.astype(np.float32), rng), dtype=np.float32)


def _hills(sky: Array, rng: np.random.Generator) -> Array:
    """Three wooded ridges in front of the sky, paler with distance."""
    height, width, _ = sky.shape
    x, y = _grid(width, height)
    rough = fractal_noise(rng, 512, 1.6)
    leaves = fractal_noise(rng, 256, 1.0)
    for index, (level, swing, colour) in enumerate(
        ((0.105, 0.035, (186, 152, 164)), (0.070, 0.024, (142, 124, 132)), (0.036, 0.011, (104, 98, 88)))
    ):
        ridge = sample(rough, x / width * 150 + 170 * index, 0 * x + 60 + 97 * index)
        crest = height * (HORIZON - level - swing * ridge * 0.7 + level * 0.35 * x / width)
        cover = np.clip(y - crest + 0.5, 0, 1)[..., None]
        texture = sample(leaves, x / width * 300 + 0 * y, y / width * 700 + 0 * x)[..., None] * (
            5 + 5 * index
        )
        warm = np.exp(-(((x / width - _SUN[0]) / 0.22) ** 2))[..., None] * 0.42
        paint = np.array(colour) + texture + warm * (_GLOW - np.array(colour))
        sky = sky + cover * (paint - sky)
    return sky


def _water(reflection: Array, rng: np.random.Generator) -> Array:
    """Rippled water: the reflection, looked up where the slope of the waves sends the eye."""
    height, width, _ = reflection.shape
    x, y = _grid(width, height)
    below = np.maximum(y - HORIZON * height, 0.7)
    metres = EYE * FOCAL * width / below
    across = (x - width / 2) * metres / (FOCAL * width)
    tile = fractal_noise(rng, 512, 1.15)
    level = metres + 0 * x
    # Far waves are smaller than a pixel: only their mean, a calm mirror, is left of them.
    calm = 1 / (1 + (metres / 38) ** 2)
    slope = (
        sample(tile, across * 5, level * 15) * calm
        + 0.7 * sample(tile, across * 1.6 + 99, level * 4.5) * calm**0.5
    )
    gust = np.clip(0.75 + 0.5 * sample(tile, across * 0.5 + 50, level * 1.3), 0.25, 1.6)
    slope = (slope + 0.5 * sample(tile, across * 11 + 7, level * 40) / (1 + (metres / 22) ** 4)) * gust
    row = y + slope * height * 0.026 * (0.25 + below / (0.45 * height))
    row = np.maximum(height - 1 - np.abs(height - 1 - row), HORIZON * height)
    column = np.clip(x + slope * width * 0.0035, 0, width - 1)
    mirror = np.stack([sample(reflection[..., c], column, row) for c in range(3)], axis=-1)
    depth = (below / (height * (1 - HORIZON)))[..., None]
    body = np.array([28, 62, 78]) + depth * np.array([-8, -14, -14])
    share = np.clip(0.90 - 0.34 * depth - 0.15 * slope[..., None], 0.25, 0.98)
    water = body + share * (0.94 * mirror - body)
    # The path of the sun: crests that face it flash; close to the eye they are too broad for that.
    path = np.exp(-(((x / width - _SUN[0]) / (0.036 + 0.06 * depth[..., 0])) ** 2))
    flash = np.clip(slope * 2.4 - 0.25, 0, 1) * path * np.clip(metres / 12, 0, 1) ** 3
    return np.asarray(water + flash[..., None] * (np.array([255, 232, 176]) - water) * 0.9, dtype=np.float32)


def _finish(picture: Array) -> npt.NDArray[np.uint8]:
    """The bloom of the sun over everything, a light vignette and a soft shoulder; then 8 bits."""
    height, width, _ = picture.shape
    x, y = _grid(width, height)
    to_sun = np.hypot(x / width - _SUN[0], (y / height - _SUN[1]) * height / width)[..., None]
    bloomed = picture + 0.26 * np.exp(-to_sun / 0.09) * (_GLOW - 0.35 * picture)
    corner = ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2)[..., None]
    toned = np.clip(bloomed * (1.05 - 0.34 * corner), 0, 255) / 255
    toned = toned + 0.18 * (toned * toned * (3 - 2 * toned) - toned)
    return np.asarray(np.clip(255 * toned + 0.5, 0, 255), dtype=np.uint8)


def main(folder: Path) -> None:
    """Write harbour.png (768 x 576) and strokes.png (640 x 640) into a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in (("harbour.png", draw_harbour(768, 576)), ("strokes.png", paint_strokes(640, 640))):
        picture.save(folder / name)
        print(f"wrote {folder / name}: {picture.width} x {picture.height}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw the two pictures of `make demo`.")
    parser.add_argument("folder", type=Path, help="where harbour.png and strokes.png go")
    main(parser.parse_args().folder)
