"""nst.pictures.color_match and nst.pictures.color_match against numbers worked out by hand or published."""

import numpy as np
import pytest

from nst.pictures import color_match
from nst.pictures.color_match import (
    MAPS,
    _cholesky,
    _smoothed_along,
    by_blocks,
    from_lab,
    luma,
    match_histogram,
    moments,
    recolor_palette,
    to_gamut,
    to_lab,
)
from nst.pictures.picture import Picture

ARBITRARY = np.array([[0.05, 0.02, 0.01], [0.02, 0.04, 0.015], [0.01, 0.015, 0.03]])
OTHER = np.array([[0.02, -0.01, 0.0], [-0.01, 0.06, 0.02], [0.0, 0.02, 0.05]])


def test_moments_by_hand():
    """Red 0.2 and 0.6 (mean 0.4, variance 0.04), green their negative about 0.5, blue the same twice."""
    rgb = np.array([[[0.2, 0.6, 0.3], [0.6, 0.4, 0.3]]], np.float32)
    got = moments(Picture(rgb))
    np.testing.assert_allclose(got.mean, [0.4, 0.5, 0.3], atol=1e-7)
    np.testing.assert_allclose(got.covariance, [[0.04, -0.02, 0], [-0.02, 0.01, 0], [0, 0, 0]], atol=1e-7)


def test_moments_are_weighted_by_alpha():
    """Weights 1 and 1/4: the mean is 0.8 x 0.2 + 0.2 x 0.7 = 0.3, the variance 0.8 x 0.01 + 0.2 x 0.16."""
    rgb = np.array([[[0.2] * 3, [0.7] * 3, [0.9] * 3]], np.float32)
    got = moments(Picture(rgb, np.array([[1, 0.25, 0]], np.float32)))
    np.testing.assert_allclose(got.mean, [0.3] * 3, atol=1e-7)
    np.testing.assert_allclose(got.covariance, np.full((3, 3), 0.04), atol=1e-7)
    assert moments(Picture(rgb, np.zeros((1, 3), np.float32))) is None


def test_moments_are_the_same_in_blocks(monkeypatch):
    rgb = np.random.default_rng(0).random((7, 5, 3), np.float32)
    monkeypatch.setattr("nst.pictures.color_match.BLOCK", 4)
    got = moments(Picture(rgb))
    np.testing.assert_allclose(got.mean, rgb.mean(axis=(0, 1)), atol=1e-6)
    np.testing.assert_allclose(got.covariance, np.cov(rgb.reshape(-1, 3).T, bias=True), atol=1e-6)


def test_one_colour_has_no_variance_at_all():
    got = moments(Picture(np.full((9, 7, 3), 0.1, np.float32), np.full((9, 7), 0.3, np.float32)))
    np.testing.assert_array_equal(got.mean, np.full(3, np.float32(0.1)))
    np.testing.assert_array_equal(got.covariance, np.zeros((3, 3)))


@pytest.mark.parametrize("mode", MAPS)
def test_maps_carry_one_covariance_into_the_other(mode):
    matrix = MAPS[mode](ARBITRARY, OTHER)
    np.testing.assert_allclose(matrix @ ARBITRARY @ matrix.T, OTHER, atol=1e-14)
    np.testing.assert_allclose(MAPS[mode](OTHER, OTHER), np.eye(3), atol=1e-12)


@pytest.mark.parametrize("mode", MAPS)
def test_maps_of_independent_channels_scale_each(mode):
    matrix = MAPS[mode](np.diag([0.01, 0.04, 0.09]), np.diag([0.04, 0.04, 0.01]))
    np.testing.assert_allclose(matrix, np.diag([2, 1, 1 / 3]), atol=1e-12)


def test_cholesky_map_is_the_triangular_one():
    want = np.linalg.cholesky(OTHER) @ np.linalg.inv(np.linalg.cholesky(ARBITRARY))
    np.testing.assert_allclose(MAPS["match-chol"](ARBITRARY, OTHER), want, atol=1e-12)
    assert np.abs(np.triu(want, 1)).max() < 1e-12
    np.testing.assert_allclose(_cholesky(ARBITRARY), np.linalg.cholesky(ARBITRARY), atol=1e-12)


def test_principal_map_by_hand():
    """The roots of [[5, 4], [4, 5]] and its like are [[2, 1], [1, 2]]: eigenvalues 9 and 1 on the diagonals."""
    target = np.array([[5, 4, 0], [4, 5, 0], [0, 0, 1]], float)
    want = np.array([[2, 1, 0], [1, 2, 0], [0, 0, 1]], float) @ np.diag([1 / 2, 1, 1])
    np.testing.assert_allclose(MAPS["match-pca"](np.diag([4.0, 1, 1]), target), want, atol=1e-12)


def test_symmetric_map_is_symmetric_positive_and_moves_least():
    """E|Ax - x|^2 = tr(S_s + S_c - 2 A S_s) is least for the Monge-Kantorovich map."""
    cost = {mode: np.trace(ARBITRARY + OTHER - 2 * MAPS[mode](ARBITRARY, OTHER) @ ARBITRARY) for mode in MAPS}
    matrix = MAPS["match-sym"](ARBITRARY, OTHER)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    assert np.linalg.eigvalsh(matrix).min() > 0
    assert cost["match-sym"] < cost["match-pca"] - 1e-5
    assert cost["match-sym"] < cost["match-chol"] - 1e-5


@pytest.mark.parametrize("mode", MAPS)
def test_maps_reach_a_grey_target(mode):
    grey = np.full((3, 3), 0.04)
    matrix = MAPS[mode](ARBITRARY, grey)
    np.testing.assert_allclose(matrix @ ARBITRARY @ matrix.T, grey, atol=1e-9)


def test_histogram_by_hand():
    """Four greys take the values of a target with the same ranks; the tie takes the middle of its two."""
    source = np.array([0.1, 0.5, 0.5, 0.9], np.float32)
    target = np.array([0.8, 0.2, 0.4, 0.6], np.float32)
    pictures = [Picture(np.repeat(values.reshape(1, 4, 1), 3, axis=2)) for values in (source, target)]
    got = match_histogram(*pictures)
    np.testing.assert_allclose(got[0, :, 1], [0.2, 0.5, 0.5, 0.8], atol=1e-5)


def test_histogram_counts_by_alpha():
    """A target of 0.2 (weight 3 of 4) and 0.8: the lower of two equal parts has rank 1/4, the upper 3/4.

    The target's ranks are 3/8 and 7/8, so the lower part takes 0.2, the upper 0.2 + 0.6 x (3/8) / (1/2).
    """
    source = Picture(np.repeat(np.float32([[[0.3], [0.4]]]), 3, axis=2))
    target = Picture(np.repeat(np.float32([[[0.2], [0.8], [0.0]]]), 3, axis=2), np.float32([[0.75, 0.25, 0]]))
    np.testing.assert_allclose(match_histogram(source, target)[0, :, 2], [0.2, 0.65], atol=1e-5)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [  # sRGB primaries and secondaries under D65, as published (B. Lindbloom's calculator)
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (53.2408, 80.0925, 67.2032)),
        ((0, 1, 0), (87.7347, -86.1827, 83.1793)),
        ((0, 0, 1), (32.2970, 79.1875, -107.8602)),
        ((0, 1, 1), (91.1132, -48.0875, -14.1312)),
        ((1, 0, 1), (60.3242, 98.2343, -60.8249)),
        ((1, 1, 0), (97.1393, -21.5537, 94.4780)),
        ((0.5, 0.5, 0.5), (53.3890, 0, 0)),
        ((0.02, 0.02, 0.02), (1.3983, 0, 0)),  # both linear parts: 903.2963 x 0.02 / 12.92
    ],
)
def test_lab_of_known_colours(rgb, lab):
    np.testing.assert_allclose(to_lab(np.array(rgb, float)), lab, atol=2e-3)


def test_lab_there_and_back():
    rgb = np.random.default_rng(0).random((500, 3))
    np.testing.assert_allclose(from_lab(to_lab(rgb)), rgb, atol=1e-12)


def test_lab_outside_the_gamut_keeps_the_lightness():
    rng = np.random.default_rng(0)
    lab = np.stack([rng.uniform(0, 100, 500), *rng.uniform(-120, 120, (2, 500))], axis=-1)
    rgb = from_lab(lab)
    assert 0 <= rgb.min() <= rgb.max() <= 1
    np.testing.assert_allclose(to_lab(rgb)[:, 0], lab[:, 0], atol=1e-9)
    inside = np.abs(to_lab(rgb) - lab).max(axis=-1) < 1e-6
    assert 0.05 < inside.mean() < 0.6


def test_gamut_by_hand():
    """(1.2, 0.4, 0.4) about grey 0.6: 0.4 of 0.6 fits, so the offsets shrink by 2/3."""
    colors = np.array([[1.2, 0.4, 0.4], [0.7, 0.1, 0.3], [0.9, -0.1, 0.2], [1.3, 1, 1]])
    got = to_gamut(colors, np.array([[0.6], [0.4], [0.3], [1]]))
    want = [[1, 0.6 - 0.4 / 3, 0.6 - 0.4 / 3], [0.7, 0.1, 0.3], [0.75, 0, 0.225], [1, 1, 1]]
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_luma_of_the_primaries():
    np.testing.assert_allclose(luma(np.eye(3))[:, 0], [0.299, 0.587, 0.114])
    np.testing.assert_allclose(luma(np.ones((2, 3))), [[1], [1]])


def test_blocks_cover_the_picture(monkeypatch):
    monkeypatch.setattr(color_match, "BLOCK", 4)
    rgb = np.random.default_rng(0).random((3, 5, 3), np.float32)
    sizes = []

    def double(x, y):
        sizes.append(len(x))
        return x + y

    np.testing.assert_array_equal(by_blocks(double, rgb, rgb), 2 * rgb)
    assert sizes == [4, 4, 4, 3]


def chequered(first, second, side=24):
    """Two colours of CIE L*a*b* in two halves, each wide enough to have an inside that no smoothing reaches."""
    lab = np.empty((side, 2 * side, 3))
    lab[:, :side], lab[:, side:] = first, second
    return Picture(from_lab(lab).astype(np.float32))


def test_the_palette_by_hand():
    """One content colour a thing, of the painting's colours, with the painting's lightness.

    The content's a* is -10 and 10 in its halves, the picture's -4 and 4 in quarters of its own about a mean of 6: with
    equal halves their standard deviations are 10 and 4, so that the halves get 6 - 4 and 6 + 4.
    """
    content = chequered((60, -10, 0), (60, 10, 0))
    painted = Picture(np.concatenate([chequered((40, 2, 5), (70, 10, 5), 12).rgb] * 2, axis=1))
    content = Picture(content.rgb[:12])
    got = to_lab(recolor_palette(painted, content, 1).astype(np.float64))
    np.testing.assert_allclose(got[..., 0], to_lab(painted.rgb.astype(np.float64))[..., 0], atol=1e-3)
    np.testing.assert_allclose(got[:, :18, 1], 2, atol=0.02)
    np.testing.assert_allclose(got[:, 30:, 1], 10, atol=0.02)
    half = to_lab(recolor_palette(painted, content, 0.5).astype(np.float64))
    np.testing.assert_allclose(half[:, 13:18, 1], (10 + 2) / 2, atol=0.02)


def test_colours_end_where_strokes_do():
    """A mean over the 3x3 pixels of one lightness; across a step of 50 a pixel counts e^-50."""
    lightness = np.repeat([[30.0] * 3 + [80.0] * 3], 4, axis=0)
    chroma = np.random.default_rng(0).normal(0, 10, (4, 6, 2))
    smooth = _smoothed_along(lightness, chroma, np.ones((4, 6), np.float32))
    np.testing.assert_allclose(smooth[1, 1], chroma[:3, :3].mean(axis=(0, 1)), atol=1e-9)
    np.testing.assert_allclose(smooth[2, 2], chroma[1:4, 1:3].mean(axis=(0, 1)), atol=1e-9)
    np.testing.assert_allclose(smooth[2, 3], chroma[1:4, 3:5].mean(axis=(0, 1)), atol=1e-9)


def test_the_palette_is_the_same_in_bands(monkeypatch):
    rng = np.random.default_rng(1)
    painted, content = (Picture(rng.random((40, 9, 3), np.float32)) for _ in range(2))
    whole = recolor_palette(painted, content, 0.8)
    monkeypatch.setattr("nst.pictures.color_match.BLOCK", 9 * 7)
    np.testing.assert_allclose(recolor_palette(painted, content, 0.8), whole, atol=1e-6)
