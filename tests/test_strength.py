"""`style_strength`: pulls of content and style in a ratio that pictures and networks do not change."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import nst
from nst.backends.numpy.backend import NumpyBackend
from nst.engine.strength import halfway, pull_ratio
from nst.errors import SettingsError
from nst.pictures.picture import Picture

ONE_SIZE = {"backend": "numpy", "scales": 1}


@pytest.fixture
def content(pictures):
    return np.asarray(Image.open(pictures.content))


@pytest.fixture
def style(pictures):
    return np.asarray(Image.open(pictures.style))


def weights_at(content, style, network, strength, **options):
    transfer = nst.StyleTransfer(
        content, style, weights=network, style_strength=strength, **ONE_SIZE, **options
    )
    return next(transfer.iterate()).weights


def gradient_norm(content, style, network, **off):
    """|gradient| of one loss of weight 1 at the picture of `halfway`."""
    x = halfway(Picture(content.astype(np.float32) / 255))
    transfer = nst.StyleTransfer(
        content, style, weights=network, init=x[0].transpose(1, 2, 0), steps=0, **ONE_SIZE, **off
    )
    stage = next(transfer.iterate())._stage
    gradient = NumpyBackend().to_numpy(stage.evaluate(stage.backend.from_numpy(x)).gradient)
    return np.linalg.norm(gradient)


def test_the_curve():
    assert pull_ratio(0.5) == 1.0
    assert pull_ratio(0.8) == pytest.approx(4.0)
    assert pull_ratio(0.2) == pytest.approx(1 / 4)
    assert pull_ratio(0.1) < pull_ratio(0.3) < pull_ratio(0.9)


def test_the_picture_has_the_colours_of_the_content_and_half_its_structure(content):
    given = content.astype(np.float32) / 255
    x = halfway(Picture(given))[0].transpose(1, 2, 0)
    np.testing.assert_allclose(x.mean(axis=(0, 1)), given.mean(axis=(0, 1)), rtol=1e-4)
    rest = 2 * x - given
    np.testing.assert_allclose(np.sort(rest, axis=None), np.sort(given, axis=None), atol=1e-5)
    assert np.abs(rest - given).mean() > 0.05


@pytest.mark.parametrize("strength", [0.2, 0.5, 0.9])
def test_the_ratio_of_the_pulls(strength, content, style, small_network):
    weights = weights_at(content, style, small_network, strength)
    by_content = gradient_norm(content, style, small_network, content_weight=1.0, style_weight=0.0)
    by_style = gradient_norm(content, style, small_network, content_weight=0.0, style_weight=1.0)
    ratio = weights["style"] * by_style / (weights["content"] * by_content)
    assert ratio == pytest.approx(strength / (1 - strength), rel=1e-4)


def test_larger_activations_change_nothing(content, style, small_network):
    """All activations 8 times as large: E_l grows by 8^4, the content loss by 8^2; the picture stays."""
    layers = dict(small_network.convolutions)
    louder = {name: (weight, 8 * bias) for name, (weight, bias) in layers.items()}
    louder["conv1_1"] = (8 * layers["conv1_1"][0], 8 * layers["conv1_1"][1])
    loud = replace(small_network, convolutions=louder)

    def run(network):
        options = {**ONE_SIZE, "weights": network, "style_strength": 0.6, "steps": 4}
        return nst.stylize(content / 255, style / 255, **options)

    quiet_result, loud_result = run(small_network), run(loud)
    assert np.abs(quiet_result - loud_result).max() < 2e-3
    assert np.abs(quiet_result - content / 255).max() > 0.05
    a, b = (weights_at(content, style, network, 0.6) for network in (small_network, loud))
    assert a["style"] / a["content"] == pytest.approx(64 * b["style"] / b["content"], rel=1e-3)


def test_a_larger_picture_keeps_its_balance(content, style, small_network):
    """Of weights relative to the losses of a blank picture, that is: the form that carries over."""
    balances = []
    for size in (48, 96):
        transfer = nst.StyleTransfer(
            content, style, weights=small_network, style_strength=0.5, size=size, **ONE_SIZE
        )
        balances.append(transfer._balanced[1].balance)
    assert 0.6 < balances[0] / balances[1] < 1.7


def test_the_start_plays_no_part(content, style, small_network):
    ratios = [
        weights_at(content, style, small_network, 0.7, init=init) for init in ("content", "noise", "style")
    ]
    assert ratios[0] == ratios[1] == ratios[2]


def test_the_ends(content, style, small_network):
    assert set(weights_at(content, style, small_network, 0.0)) == {"content"}
    assert set(weights_at(content, style, small_network, 1.0)) == {"style"}
    nothing = nst.stylize(
        content, style, weights=small_network, style_strength=0, steps=3, content_weight=0, **ONE_SIZE
    )
    assert np.array_equal(nothing, content)


def test_it_takes_the_place_of_the_weights(content, style, small_network):
    given = {"content_weight": 1e9, "style_weight": 1e-9}
    plain = weights_at(content, style, small_network, 0.5)
    assert weights_at(content, style, small_network, 0.5, **given) == plain


def test_more_strength_is_more_style(content, style, small_network):
    styles, contents = [], []
    for strength in (0.2, 0.5, 0.8):
        transfer = nst.StyleTransfer(
            content, style, weights=small_network, style_strength=strength, steps=15, **ONE_SIZE
        )
        terms = list(transfer.iterate())[-1].losses().terms
        styles.append(terms["style"])
        contents.append(terms["content"])
    assert styles[0] > styles[1] > styles[2]
    assert contents[0] < contents[1] < contents[2]


def test_flat_pictures_do_not_break_it(small_network):
    flat = np.full((24, 32, 3), 120, np.uint8)
    weights = weights_at(flat, flat, small_network, 0.5)
    assert all(np.isfinite(list(weights.values())))


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan"), "much", True])
def test_bad_values(strength, content, style, small_network):
    with pytest.raises(SettingsError, match="style strength is"):
        nst.StyleTransfer(content, style, weights=small_network, style_strength=strength)


def test_on_the_command_line(stylize):
    assert stylize("--style-strength", "0.3").status == 0
    assert "style strength is 3.0" in stylize("--style-strength", "3").stderr
