"""What a run starts from."""

import numpy as np
import pytest

from nst.engine.start import Start
from nst.pictures.picture import Picture
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
