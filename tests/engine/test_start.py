"""What a run starts from."""

import numpy as np
import pytest

from nst.engine.start import Start
from nst.pictures.masks import Masks
from nst.pictures.picture import Picture
from nst.pictures.scene import make_scene
from nst.settings import make_settings

SIZE = (60, 40)


def picture(seed, height, width):
    return Picture(np.random.default_rng(seed).random((height, width, 3), np.float32))


def start(init, given=None, **options):
    settings = make_settings(
        content_layers={"conv2_1": 1.0}, style_layers={"conv1_1": 1.0}, init=init, **options
    )
    return Start(settings, picture(1, 40, 60), [picture(2, 90, 30)], given)


def test_content_at_its_own_size_is_the_content():
    own = start("content")
    expected = own.content.rgb.transpose(2, 0, 1)[None]
    assert np.array_equal(own.first(*SIZE), expected)
    assert np.array_equal(own.base(*SIZE), expected)


def test_noise_is_uniform_seeded_and_has_no_base():
    own = start("noise", seed=3)
    noise = own.first(*SIZE)
    assert noise.shape == (1, 3, 40, 60)
    assert np.array_equal(noise, start("noise", seed=3).first(*SIZE))
    assert not np.array_equal(noise, start("noise", seed=4).first(*SIZE))
    assert not own.base(*SIZE).any()
    assert (noise.min(), noise.max()) == pytest.approx((0, 1), abs=0.01)
    assert noise.mean() == pytest.approx(0.5, abs=0.02)  # 7200 values of deviation 0.29: 0.0034
    assert noise.var() == pytest.approx(1 / 12, rel=0.05)


def test_statistics_have_mean_and_covariance_of_the_style():
    own = start("statistics")
    rng = np.random.default_rng(0)
    shades = 0.5 + 0.1 * rng.standard_normal((200, 200, 1)) * np.array([1.0, 0.5, -1.0])
    own = Start(own.settings, own.content, [Picture(shades.astype(np.float32))], None)
    pixels = own.first(300, 300)[0].reshape(3, -1)
    np.testing.assert_allclose(pixels.mean(axis=1), 0.5, atol=2e-3)
    expected = 0.01 * np.array([[1, 0.5, -1], [0.5, 0.25, -0.5], [-1, -0.5, 1]])
    np.testing.assert_allclose(np.cov(pixels), expected, atol=4e-4)


def test_style_and_a_picture_of_ones_own_cover_the_result():
    wide = Picture(np.repeat(np.linspace(0, 1, 160, dtype=np.float32)[None, :, None], 40, 0).repeat(3, 2))
    covered = start("picture", wide).first(40, 40)
    # the middle 40 of 160 columns
    np.testing.assert_allclose(covered[0, 0, 20], wide.rgb[0, 60:100, 0], atol=1e-5)
    assert start("style").first(*SIZE).shape == (1, 3, 40, 60)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_blend_with_noise(share):
    own = start("content", init_noise=share, seed=5)
    noise = start("noise", seed=5).first(*SIZE)
    expected = (1 - share) * own.base(*SIZE) + share * noise
    np.testing.assert_allclose(own.first(*SIZE), expected, atol=1e-6)


def scene(width, height, styles, shares=None, **masks):
    content = Picture(np.full((height, width, 3), 0.5, np.float32))
    return make_scene(content, styles, shares or [1 / len(styles)] * len(styles), Masks(**masks))


def striped(seed, deviations, side=160):
    """White noise of these deviations for red, green and blue."""
    noise = np.random.default_rng(seed).standard_normal((side, side, 3)) * deviations
    return Picture((0.5 + noise).astype(np.float32))


def added(own, seen, ratio=0.5):
    """The noise that a size gets beside what is carried to it, (H, W, 3)."""
    width, height = seen.size
    coarse = np.full((1, 3, round(ratio * height), round(ratio * width)), 0.5, np.float32)
    flat = Start(own.settings, seen.content, own.styles, None)
    rough, smooth = (flat.refined(coarse, seen, amount) for amount in (1.0, 0.0))
    assert np.array_equal(smooth, flat.go_on(coarse, width, height))
    return (rough - smooth)[0].transpose(1, 2, 0).astype(np.float64)


def powers(noise, low, high):
    """Mean power of the luminance between two frequencies: along the axes, and along the diagonals."""
    waves = np.abs(np.fft.fft2(noise.mean(axis=2))) ** 2
    down, across = np.fft.fftfreq(len(noise))[:, None], np.fft.fftfreq(noise.shape[1])
    radius, angle = np.hypot(down, across), np.degrees(np.arctan2(np.abs(down), np.abs(across)))
    ring = (radius >= low) & (radius < high)
    return waves[ring & ((angle < 15) | (angle > 75))].mean(), waves[ring & (abs(angle - 45) < 15)].mean()


def test_a_new_octave_is_as_strong_as_the_styles_detail_there_and_has_no_direction():
    """Of a white style, half the size and a blur of a coarse pixel leave about what a Gaussian of two pixels does."""
    own, style = start("content"), striped(3, (0.1, 0.05, 0.02))
    noise = added(own, scene(200, 160, [style]))
    # 1 - exp(-2 pi^2 2^2 f^2) is lost at frequency f; its square, averaged over all frequencies of the square
    frequency = np.hypot(np.fft.fftfreq(160)[:, None], np.fft.fftfreq(160))
    left = np.square(1 - np.exp(-2 * np.pi**2 * 4 * frequency**2)).mean()
    np.testing.assert_allclose(noise.std(axis=(0, 1)), np.sqrt(left) * np.array([0.1, 0.05, 0.02]), rtol=0.05)
    along, across = powers(noise, 0.2, 0.5)
    assert along == pytest.approx(across, rel=0.1)
    assert sum(powers(noise, 0, 0.03)) < 0.02 * (along + across)  # slow changes are carried, not invented
    # whatever lines the style has
    lines = Picture(np.repeat(style.rgb[:1], 160, axis=0))
    along, across = powers(added(own, scene(200, 160, [lines])), 0.2, 0.5)
    assert along == pytest.approx(across, rel=0.1)


def test_the_colours_of_a_new_octave_go_together_as_the_styles_do():
    grey = np.random.default_rng(4).normal(0.5, 0.1, (90, 90, 1)).astype(np.float32)
    noise = added(start("content"), scene(120, 80, [Picture(grey.repeat(3, axis=2))]))
    np.testing.assert_allclose(np.corrcoef(noise.reshape(-1, 3).T), 1.0, atol=1e-3)


def test_a_new_octave_has_a_seed_and_a_size():
    style, at = striped(5, 0.1), scene(64, 48, [striped(5, 0.1)])
    noise = added(start("content", seed=1), at)
    assert np.array_equal(noise, added(start("content", seed=1), at))
    other = added(start("content", seed=2), at)
    assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.05
    smaller = added(start("content", seed=1), scene(62, 48, [style]))
    assert abs(np.corrcoef(noise[:, :62].ravel(), smaller.ravel())[0, 1]) < 0.05


def test_each_style_roughens_its_region_and_nothing_what_is_protected():
    strong, weak = striped(6, 0.1), striped(7, 0.02)
    left = np.zeros((80, 120), np.float32)
    left[:, :60] = 1
    kept = np.zeros((80, 120), np.float32)
    kept[:20] = 1
    own = start("content")
    noise = added(own, scene(120, 80, [strong, weak], regions=(left, None), protect=kept))
    alone = [added(own, scene(120, 80, [style])).std() for style in (strong, weak)]
    assert not noise[:18].any()
    assert noise[22:, :58].std() == pytest.approx(alone[0], rel=0.1)
    assert noise[22:, 62:].std() == pytest.approx(alone[1], rel=0.1)
    # a blend of both has the energy of both
    blend = added(own, scene(120, 80, [strong, weak], [0.75, 0.25]))
    assert blend.var() == pytest.approx(0.75 * alone[0] ** 2 + 0.25 * alone[1] ** 2, rel=0.1)


def test_of_a_style_only_what_counts_is_heard():
    half = striped(8, 0.1).rgb.copy()
    half[:, 80:] = 0.5
    shown = np.zeros((160, 160), np.float32)
    shown[:, :80] = 1
    seen, whole = scene(120, 80, [Picture(half)], sources=(shown,)), scene(120, 80, [striped(8, 0.1)])
    own = start("content")
    assert added(own, seen).std() == pytest.approx(added(own, whole).std(), rel=0.1)


def test_a_new_octave_fits_its_other_side():
    """A step over the border is no larger than a step within."""
    noise = added(start("content", padding="circular"), scene(96, 64, [striped(9, 0.1)]))
    within, over = np.abs(np.diff(noise, axis=1)).mean(), np.abs(noise[:, 0] - noise[:, -1]).mean()
    assert over == pytest.approx(within, rel=0.2)


def test_the_first_size_is_roughened_where_it_starts_from_a_photograph():
    at = scene(60, 40, [striped(1, 0.1)])
    for init, rough in (("content", True), ("noise", False), ("style", False), ("statistics", False)):
        own = start(init)
        assert np.array_equal(own.roughened(at, 0.7), own.first(60, 40)) is not rough
        assert np.array_equal(own.roughened(at, 0.0), own.first(60, 40))
