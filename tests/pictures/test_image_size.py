"""Sizes, resampling, alpha and 8-bit rounding of pictures in memory."""

import numpy as np
import pytest

from nst.pictures.kinds import from_object
from nst.pictures.picture import Picture, cover, fit_longest_side, resize, to_uint8


def _rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_to_uint8_rounds_half_to_even_and_clips():
    # k / 510 * 255 = k / 2: halves are exact in binary after the multiplication in float64
    values = np.array([-0.5, 0.0, 0.5 / 255, 1.5 / 255, 2.5 / 255, 254.4 / 255, 254.6 / 255, 1.0, 7.0])
    assert to_uint8(values).tolist() == [0, 0, 0, 2, 2, 254, 255, 255, 255]
    assert to_uint8(values).dtype == np.uint8


def test_every_8_bit_value_survives():
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_uint8(levels.astype(np.float32) / np.float32(255)), levels)


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [
        ((640, 480), 512, (512, 384)),
        ((480, 640), 512, (384, 512)),
        ((100, 33), 50, (50, 16)),  # 16.5 rounds to even
        ((10, 3), 100, (100, 30)),
        ((1000, 1), 10, (10, 1)),  # 0.01 would vanish
        ((1, 1000), 10, (1, 10)),
        ((1, 1), 7, (7, 7)),
    ],
)
def test_fit_longest_side(size, longest, expected):
    assert fit_longest_side(*size, longest) == expected


@pytest.mark.parametrize("size", [(5, 3), (16, 11), (40, 50), (7, 40), (1, 1)])
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_a_constant_stays_constant(size, alpha):
    rgb = np.full((11, 16, 3), (0.1, 0.5, 0.9), np.float32)
    result = resize(Picture(rgb, None if alpha is None else np.full((11, 16), alpha, np.float32)), *size)
    assert result.size == size
    assert result.rgb.dtype == np.float32
    np.testing.assert_allclose(result.rgb, np.broadcast_to(rgb[0, 0], (size[1], size[0], 3)), atol=2e-6)
    if alpha is not None:
        np.testing.assert_allclose(result.alpha, alpha, atol=1e-6)


@pytest.mark.parametrize("width", [8, 24, 31, 100, 200])
def test_a_ramp_keeps_its_mean_and_its_slope(width):
    # pixel centres: column x of w covers (x + 0.5) / w of the width
    ramp = ((np.arange(64) + 0.5) / 64).astype(np.float32)
    result = resize(Picture(np.tile(ramp[None, :, None], (4, 1, 3))), width, 4).rgb
    assert result.mean() == pytest.approx(0.5, abs=1e-5)
    expected = (np.arange(width) + 0.5) / width
    inner = slice(width // 5, width - width // 5)  # the kernels see the border further out
    np.testing.assert_allclose(result[2, inner, 1], expected[inner], atol=3e-3)


def test_reducing_does_not_alias():
    # Columns of a one-pixel checkerboard: nothing but a frequency that the smaller picture cannot hold.
    board = (np.indices((96, 96)).sum(0) % 2).astype(np.float32)
    result = resize(Picture(np.repeat(board[..., None], 3, 2)), 23, 23).rgb
    np.testing.assert_allclose(result[2:-2, 2:-2], 0.5, atol=0.01)


@pytest.mark.parametrize("width", [7, 15, 64])
def test_an_edge_never_leaves_the_range(width):
    rgb = np.zeros((20, 20, 3), np.float32)
    rgb[:, 10:] = 1
    result = resize(Picture(rgb), width, width).rgb
    assert result.min() == 0
    assert result.max() == 1
    assert np.all(np.diff(result[width // 2, :, 0][width // 2 - 1 : width // 2 + 1]) > 0.3)


def test_resampling_is_more_precise_than_8_bits():
    ramp = np.linspace(0.5, 0.5 + 1 / 255, 64, dtype=np.float32)
    result = resize(Picture(np.tile(ramp[None, :, None], (64, 1, 3))), 32, 32).rgb
    assert len(np.unique(result[16, :, 0])) == 32


def test_same_size_is_the_same_picture():
    picture = Picture(_rng().random((5, 4, 3), dtype=np.float32))
    assert picture.resized(4, 5) is picture


@pytest.mark.parametrize("size", [(8, 8), (20, 20), (64, 64), (100, 30)])
def test_hidden_colours_do_not_bleed(size):
    # left half visible red, right half fully transparent green
    rgb = np.zeros((32, 32, 3), np.float32)
    rgb[:, :16, 0] = 1
    rgb[:, 16:, 1] = 1
    alpha = np.zeros((32, 32), np.float32)
    alpha[:, :16] = 1
    result = resize(Picture(rgb, alpha), *size)
    assert result.rgb[..., 1].max() < 1e-5
    assert result.rgb[..., 0].min() > 1 - 1e-4
    assert result.alpha.mean() == pytest.approx(0.5, abs=0.01)


def test_cover_crops_the_centre():
    columns = np.tile(np.arange(12, dtype=np.float32)[None, :, None] / 11, (4, 1, 3))
    result = cover(Picture(columns), 4, 4)
    assert result.size == (4, 4)
    np.testing.assert_allclose(result.rgb, columns[:, 4:8], atol=1e-6)


def test_cover_keeps_the_aspect_ratio():
    # A disc stays a disc: 60 x 40 filled with a centred disc of radius 10, seen at 20 x 20 with radius 5.
    y, x = np.mgrid[0:40, 0:60] + 0.5
    disc = (np.hypot(x - 30, y - 20) < 10).astype(np.float32)
    result = cover(Picture(np.repeat(disc[..., None], 3, 2)), 20, 20).rgb[..., 0]
    assert result.sum() == pytest.approx(np.pi * 5**2, rel=0.03)
    np.testing.assert_allclose(result, result.T, atol=1e-4)
    assert cover(Picture(np.ones((3, 9, 3), np.float32)), 50, 7).size == (50, 7)


def test_hidden_colours_become_a_continuation_of_the_visible_ones():
    rgb = _rng().integers(0, 256, (9, 13, 4), dtype=np.uint8)
    rgb[..., 3] = 0
    rgb[2:7, 3:8] = (200, 100, 50, 255)
    rgb[2, 8] = (10, 20, 30, 15)  # alpha 15/255 is below 1/16: hidden
    rgb[3, 8] = (10, 20, 30, 16)  # 16/255 is just above: visible
    picture, restore = from_object(rgb)
    expected = np.array([200, 100, 50], np.float32) / 255
    np.testing.assert_allclose(picture.rgb[2:7, 3:8], np.broadcast_to(expected, (5, 5, 3)), atol=1e-6)
    np.testing.assert_allclose(picture.rgb[3, 8] * 255, [10, 20, 30], atol=1e-4)
    assert np.abs(picture.rgb[2, 8] - expected).max() < 0.2
    assert np.abs(picture.rgb[:, :3] - expected).max() < 0.1
    assert np.array_equal(restore(picture)[..., 3], rgb[..., 3])


def test_nothing_visible_is_white():
    picture, _ = from_object(np.zeros((4, 5, 4), np.uint8))
    assert np.all(picture.rgb == 1)
    assert np.all(picture.alpha == 0)
