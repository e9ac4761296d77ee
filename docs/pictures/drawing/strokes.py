"""The style picture of `make demo`: an oil painting of flowing brush strokes, drawn by code.

A flow field with vortices gives every stroke its direction, a colour field that is carried along by the
same flow gives it its paint, and the height of the paint is lit from the upper left at the end.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["fractal_noise", "paint_strokes", "sample"]

Array = npt.NDArray[np.float32]

# Sky, dark to bright, in sRGB: ultramarine, cobalt, azure, turquoise, pale green, cream, warm yellow, orange.
_SKY = (
    (0.00, 14, 16, 66),
    (0.16, 26, 40, 132),
    (0.34, 34, 86, 182),
    (0.50, 44, 148, 190),
    (0.62, 122, 198, 186),
    (0.74, 236, 232, 180),
    (0.88, 252, 208, 76),
    (1.00, 246, 148, 30),
)
# Sea, dark to bright: violet black, indigo, bottle green, teal, ochre, gold, straw.
_SEA = (
    (0.00, 22, 12, 48),
    (0.20, 22, 30, 84),
    (0.38, 12, 76, 96),
    (0.54, 34, 132, 124),
    (0.66, 176, 122, 44),
    (0.84, 242, 178, 52),
    (1.00, 252, 230, 150),
)
# Swirls: centre x, centre y, core radius, circulation (positive turns clockwise), in units of the picture.
_SWIRLS = ((0.35, 0.38, 0.155, 1.0), (0.68, 0.53, 0.110, -0.9), (0.09, 0.66, 0.060, -0.5))
# Glowing stars: centre x, centre y, radius of the halo.
_STARS = (
    (0.83, 0.18, 0.140),
    (0.10, 0.13, 0.085),
    (0.56, 0.10, 0.062),
    (0.93, 0.50, 0.060),
    (0.13, 0.47, 0.050),
)
# Layers of paint: stroke length and width (pixels of a 640-pixel picture), coats, spread of the tone.
_LAYERS = ((96, 20, 1.6, 0.05), (60, 11, 1.4, 0.07), (44, 6.8, 1.3, 0.09), (30, 4.4, 0.5, 0.13))


def fractal_noise(rng: np.random.Generator, size: int, falloff: float, *, stretch: float = 1.0) -> Array:
    """Periodic noise of shape (size, size), mean 0 and variance 1, amplitude ~ frequency^-falloff.

    `stretch` above 1 makes the grain longer in x than in y.
    """
    frequency_y = np.fft.fftfreq(size)[:, None]
    frequency_x = np.fft.rfftfreq(size)[None, :] * stretch
    radius = np.maximum(np.hypot(frequency_x, frequency_y), 1.0 / size)
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) * radius**-falloff
    spectrum[0, 0] = 0.0
    noise = np.fft.irfft2(spectrum, s=(size, size))
    return np.asarray(noise / noise.std(), dtype=np.float32)


def sample(tile: Array, x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> Array:
    """Bilinear lookup in a periodic tile of shape (h, w) at pixel coordinates x, y of any common shape."""
    h, w = tile.shape
    left, top = np.floor(x), np.floor(y)
    fx, fy = (x - left).astype(np.float32), (y - top).astype(np.float32)
    x0, y0 = left.astype(np.int64) % w, top.astype(np.int64) % h
    x1, y1 = (x0 + 1) % w, (y0 + 1) % h
    upper = tile[y0, x0] * (1 - fx) + tile[y0, x1] * fx
    lower = tile[y1, x0] * (1 - fx) + tile[y1, x1] * fx
    return np.asarray(upper * (1 - fy) + lower * fy, dtype=np.float32)


def paint_strokes(width: int, height: int, seed: int = 0) -> Image.Image:
    """Paint the style picture: swirls and stars over a rolling sea, in thousands of brush strokes.

    Returns an RGB picture of `width` x `height` pixels; the same seed gives the same pixels.
    """
    rng = np.random.default_rng(seed)
    angle, tone, sea = _composition(width, height, rng)
    palettes = _palette(_SKY), _palette(_SEA)
    shades = (tone * 255).astype(np.int64)
    paint = np.where(sea[..., None], palettes[1][shades], palettes[0][shades])
    relief = np.zeros((height, width), dtype=np.float32)
    bristles = fractal_noise(rng, 256, 0.55, stretch=14.0)
    scale = max(min(width, height) / 640, 0.12)
    for length, breadth, coats, spread in _LAYERS:
        area = length * breadth * scale * scale
        for x, y in _scatter(width, height, 0.45 * area / coats, rng):
            row, column = min(max(int(y), 0), height - 1), min(max(int(x), 0), width - 1)
            shade = 255 * (tone[row, column] + spread * rng.standard_normal())
            colour = palettes[int(sea[row, column])][min(max(int(shade), 0), 255)]
            _stroke(paint, relief, bristles, angle, colour, (x, y), length * scale, breadth * scale, rng)
    return _light(paint, relief)


def _composition(
    width: int, height: int, rng: np.random.Generator
) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """Stroke direction (radians), tone in [0, 1] and the mask of the sea, each of shape (height, width)."""
    unit = min(width, height)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    shift = rng.uniform(-0.025, 0.025, (len(_SWIRLS) + len(_STARS), 2))
    polar = []
    for (px, py, radius, *_), (sx, sy) in zip(_SWIRLS + _STARS, shift, strict=True):
        dx, dy = (x - (px + sx) * width) / unit, (y - (py + sy) * height) / unit
        polar.append((dx / radius, dy / radius, np.hypot(dx, dy) / radius))
    swirls, stars = polar[: len(_SWIRLS)], polar[len(_SWIRLS) :]
    drift = sample(fractal_noise(rng, 256, 2.6), x / unit * 120, y / unit * 120)
    horizon = height * (0.80 + 0.022 * np.sin(x / width * 7.0 + 0.6) - 0.03 * x / width)
    sea = y > horizon

    # A river of air runs from left to right; the swirls and the stars bend it.
    u = 0.55 + 0.10 * drift
    v = -0.16 + 0.26 * np.sin(x / width * 5.2 + 0.8) + 0.22 * drift
    for (*_, turn), (dx, dy, r) in zip(_SWIRLS, swirls, strict=True):
        push = 2.4 * turn * np.exp(-((r / 1.75) ** 2)) * (1 - 0.3 * np.exp(-r * r))
        u, v = u - dy * push - 0.16 * dx * abs(push), v + dx * push - 0.16 * dy * abs(push)
    for dx, dy, r in stars:
        push = 4.5 * np.exp(-((r / 1.15) ** 2))
        u, v = u - dy * push, v + dx * push
    swell = 0.20 * np.sin(y / unit * 40 + x / unit * 13 + 2 * drift) + 0.15 * np.cos(x / width * 7.0 + 0.6)
    u, v = np.where(sea, 1.0, u), np.where(sea, swell, v)
    speed = np.hypot(u, v) + 1e-6
    u, v = (u / speed).astype(np.float32), (v / speed).astype(np.float32)

    # Walk up the flow, then look up the noise: the flow draws it out into streaks and winds it into spirals.
    back_x, back_y = x.copy(), y.copy()
    for _ in range(26):
        row = np.clip(back_y, 0, height - 1).astype(np.int64)
        column = np.clip(back_x, 0, width - 1).astype(np.int64)
        back_x -= 0.012 * unit * u[row, column]
        back_y -= 0.012 * unit * v[row, column]
    streaks = sample(fractal_noise(rng, 512, 1.25), back_x / unit * 330, back_y / unit * 330)
    tone = 0.29 + 0.13 * streaks - 0.13 * (1 - y / height)
    for lane, strength in ((0.33, 0.22), (0.60, 0.30), (0.70, 0.22)):
        tone += strength * np.exp(-(((back_y / height - lane) / 0.022) ** 2))
    for dx, dy, r in swirls:
        arms = np.sin(2 * np.arctan2(dy, dx) + 5 * r)
        ring = 0.7 * np.exp(-(((r - 0.8) / 0.6) ** 2))
        tone += ring * (0.55 + 0.20 * arms + 0.17 * streaks - tone) + 0.34 * np.exp(-((r / 0.3) ** 2))
    for _, _, r in stars:
        glow = np.clip(1.25 * np.exp(-((r / 0.75) ** 2)), 0, 1)
        tone += glow * (0.97 - 0.16 * np.cos(r * 11) * np.clip(r * 2, 0, 1) - tone) + 0.12 * np.exp(
            -((r - 1.1) ** 2) * 9
        )
    depth = np.clip((y - horizon) / (height - horizon), 0, 1)
    water = 0.27 + 0.13 * streaks + 0.22 * np.exp(-((depth / 0.07) ** 2))
    for (dx, _, _), (_, _, radius) in zip(stars, _STARS, strict=True):
        column = np.exp(-((dx / (0.45 + 0.4 * depth)) ** 2))
        glint = np.clip(0.2 + 0.8 * streaks + 0.5 * np.sin(depth * 30), 0, 1)
        water += (0.25 + 2.2 * radius) * column * glint
    tone = np.clip(np.where(sea, water, tone), 0, 1)
    return np.arctan2(v, u), tone.astype(np.float32), sea


def _palette(stops: tuple[tuple[float, int, int, int], ...]) -> Array:
    """256 colours from dark to bright, shape (256, 3), values in [0, 255]."""
    table = np.array(stops)
    tones = np.linspace(0, 1, 256)
    return np.stack([np.interp(tones, table[:, 0], table[:, c]) for c in (1, 2, 3)], axis=-1).astype(
        np.float32
    )


def _scatter(width: int, height: int, area: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Jittered grid of points in random order, one for each `area` pixels; shape (n, 2), columns x and y."""
    pitch = area**0.5
    columns, rows = int(width / pitch) + 2, int(height / pitch) + 2
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    points = (grid - 0.5 + rng.uniform(-0.5, 0.5, grid.shape)) * pitch
    return rng.permutation(points, axis=0)


def _stroke(
    paint: Array,
    relief: Array,
    bristles: Array,
    angle: Array,
    colour: Array,
    centre: tuple[float, float],
    length: float,
    breadth: float,
    rng: np.random.Generator,
) -> None:
    """Lay one stroke of about `length` x `breadth` pixels over `paint` and `relief`, in place."""
    height, width = angle.shape

    def direction(px: float, py: float) -> float:
        return float(angle[min(max(int(py), 0), height - 1), min(max(int(px), 0), width - 1)])

    x, y = centre
    random = rng.random(10).tolist()
    half = 0.5 * length * (0.65 + 0.7 * random[0])
    wide = 0.5 * breadth * (0.7 + 0.6 * random[1])
    theta = direction(x, y) + 0.16 * (random[2] - 0.5)
    c, s = math.cos(theta), math.sin(theta)
    turn = direction(x + c * half, y + s * half) - direction(x - c * half, y - s * half)
    turn = (turn + math.pi) % (2 * math.pi) - math.pi
    sag = 0.25 * half * min(max(turn, -1.2), 1.2)

    reach_x = abs(c) * half + abs(s) * (wide + abs(sag)) + 1
    reach_y = abs(s) * half + abs(c) * (wide + abs(sag)) + 1
    x0, x1 = max(int(x - reach_x), 0), min(int(x + reach_x) + 2, width)
    y0, y1 = max(int(y - reach_y), 0), min(int(y + reach_y) + 2, height)
    if x0 >= x1 or y0 >= y1:
        return
    gx = (np.arange(x0, x1) - x).astype(np.float32)[None, :]
    gy = (np.arange(y0, y1) - y).astype(np.float32)[:, None]
    along = gx * (c / half) + gy * (s / half)
    square = along * along
    across = gy * c - gx * s - sag * square
    # A blunt start and a drawn-out end.
    outline = wide * np.sqrt(np.clip((1 - square) * (1.19 - 0.52 * along), 0, 1))
    hair = bristles[
        (across * (13 / max(breadth, 3)) + 256 * random[3]).astype(np.int32) & 255,
        (along * (0.5 * half) + 256 * random[4]).astype(np.int32) & 255,
    ]
    away = np.abs(across)
    cover = np.clip(outline - away + 0.3, 0, 1) * np.clip(1.9 - 1.3 * square + 0.45 * hair, 0, 1)
    tint = colour * (0.90 + 0.2 * random[5]) + 26 * (np.array(random[6:9], dtype=np.float32) - 0.5)
    region = paint[y0:y1, x0:x1]
    region += cover[..., None] * ((1 + 0.06 * hair)[..., None] * tint - region)
    mound = relief[y0:y1, x0:x1]
    # The brush pushes the paint outwards: the rim of a stroke stands higher than its middle.
    rim = np.minimum(away / wide, 1) ** 2
    mound += cover * ((0.62 + 0.13 * hair + 0.3 * rim) * (0.6 + 0.5 * random[9]) - mound)


def _light(paint: Array, relief: Array) -> Image.Image:
    """Light the relief from the upper left and quantise."""
    padded = np.pad(relief, 1, mode="edge")
    slope = (padded[2:, 2:] - padded[:-2, :-2]) + 0.5 * (padded[2:, 1:-1] - padded[:-2, 1:-1])
    shade = 1 + 0.34 * np.clip(slope, -1, 1)
    shine = 60 * np.clip(slope - 0.45, 0, 1)
    lit = paint * shade[..., None] + shine[..., None]
    return Image.fromarray(np.clip(lit + 0.5, 0, 255).astype(np.uint8), "RGB")
