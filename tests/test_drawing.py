"""The two pictures that docs/pictures/drawing draws: repeatable, and rich enough to transfer a style from and to."""

import math

import numpy as np
import pytest
from PIL import Image

from drawing import harbour
from drawing.stage import EYE, FOCAL, HORIZON, Stage
from drawing.strokes import fractal_noise, sample

PAINTERS = {"harbour": harbour.draw_harbour, "strokes": harbour.paint_strokes}


@pytest.fixture(scope="module")
def pictures():
    return {name: np.asarray(draw(192, 144), dtype=np.float64) for name, draw in PAINTERS.items()}


def structure(picture):
    """Coherence in [0, 1] and orientation in radians of the luminance gradient in blocks of 8 x 8 pixels."""
    dy, dx = np.gradient(picture @ [0.299, 0.587, 0.114])
    height, width = dx.shape
    xx, yy, xy = (
        p[: height // 8 * 8, : width // 8 * 8].reshape(height // 8, 8, width // 8, 8).mean((1, 3))
        for p in (dx * dx, dy * dy, dx * dy)
    )
    return np.hypot(xx - yy, 2 * xy) / (xx + yy), 0.5 * np.arctan2(2 * xy, xx - yy)


@pytest.mark.parametrize("name", PAINTERS)
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (31, 80), (90, 40)])
def test_any_size(name, size):
    picture = PAINTERS[name](*size)
    assert (picture.size, picture.mode) == (size, "RGB")


@pytest.mark.parametrize("name", PAINTERS)
def test_the_seed_decides_every_pixel(name, pictures):
    np.testing.assert_array_equal(np.asarray(PAINTERS[name](192, 144, 0)), pictures[name])
    other = np.asarray(PAINTERS[name](192, 144, 1), dtype=np.float64)
    assert np.abs(other - pictures[name]).mean() > 8


@pytest.mark.parametrize("name", PAINTERS)
def test_uses_the_tones_and_the_colours(name, pictures):
    low, high = np.percentile(pictures[name] @ [0.299, 0.587, 0.114], [1, 99])
    assert low < 60
    assert high > 200
    # Three independent colours: a tinted grey picture has one large eigenvalue and two near 0.
    spread = np.linalg.eigvalsh(np.cov(pictures[name].reshape(-1, 3).T))
    assert spread[0] > 30
    assert spread[1] > 300


def test_strokes_are_coherent_turn_every_way_and_leave_no_canvas_empty(pictures):
    picture = pictures["strokes"]
    coherence, orientation = structure(picture)
    shuffled, _ = structure(
        np.random.default_rng(0).permutation(picture.reshape(-1, 3)).reshape(picture.shape)
    )
    assert coherence.mean() > 0.45
    assert coherence.mean() > 2.5 * shuffled.mean()
    shares = np.histogram(orientation, 6, (-math.pi / 2, math.pi / 2))[0] / orientation.size
    assert shares.min() > 0.03
    blocks = picture.mean(-1).reshape(18, 8, 24, 8)
    assert blocks.std((1, 3)).min() > 2


def test_perspective_and_reflection_by_hand():
    plain, mirrored = (Stage(Image.new("RGB", (800, 600)), mirrored=m) for m in (False, True))
    spot = plain.afloat(0.75, 50.0, up=8.0)
    x, y, depth = plain.project(spot)
    assert (x, depth) == pytest.approx((600.0, 50.0))
    assert y == pytest.approx(HORIZON * 600 - (8.0 - EYE) * FOCAL * 800 / 50)
    # A mirror at height 0: a point 8 m up is seen 8 m below the surface, at the same x and depth.
    assert mirrored.project(spot) == pytest.approx((x, HORIZON * 600 + (8.0 + EYE) * FOCAL * 800 / 50, depth))


def test_noise_and_lookup():
    noise = fractal_noise(np.random.default_rng(3), 64, 1.2)
    assert (noise.shape, noise.dtype) == ((64, 64), np.float32)
    assert (noise.mean(), noise.std()) == pytest.approx((0, 1), abs=1e-4)
    tile = np.array([[0, 1], [2, 3]], dtype=np.float32)
    x, y = np.array([0.5, -0.5, 2.25]), np.array([0.5, 0.0, 1.0])
    np.testing.assert_allclose(sample(tile, x, y), [1.5, 0.5, 2.25])


def test_main_writes_both_pictures(tmp_path, monkeypatch, capsys):
    for name in ("draw_harbour", "paint_strokes"):
        monkeypatch.setattr(harbour, name, lambda width, height: Image.new("RGB", (width, height)))
    harbour.main(tmp_path / "new")
    sizes = {path.name: Image.open(path).size for path in (tmp_path / "new").iterdir()}
    assert sizes == {"harbour.png": (768, 576), "strokes.png": (640, 640)}
    assert len(capsys.readouterr().out.splitlines()) == 2
