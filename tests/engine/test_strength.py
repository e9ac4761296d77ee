"""Open weights, `balance` and `style_strength`: what they mean for any picture, size and network."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import nst
from nst.errors import SettingsError
from nst.models.forward import activations
from nst.models.normalise import normalise
from nst.models.weights import NetworkWeights
from nst.settings import BALANCE

ONE_SIZE = {"backend": "numpy", "scales": 1, "size": "content"}
ONE_SIZE |= {"padding": "zero", "octave_noise": 0}  # as `activations` pads, and from the content itself
STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")


@pytest.fixture
def content(pictures):
    return np.asarray(Image.open(pictures.content))


@pytest.fixture
def style(pictures, content):
    """Of the content's size, so that nothing is resized."""
    rng = np.random.default_rng(5)
    painting = np.asarray(Image.open(pictures.style).resize(content.shape[1::-1]))
    return np.clip(painting + rng.normal(0, 30, painting.shape), 0, 255).astype(np.uint8)


def first(content, style, network, **options):
    return next(nst.StyleTransfer(content, style, weights=network, **{**ONE_SIZE, **options}).iterate())


def grams(network, picture):
    """G / M by layer, in plain numpy."""
    result = {}
    for layer, maps in activations(network, picture / np.float32(255)):
        flat = maps.reshape(len(maps), -1).astype(np.float64)
        result[layer] = flat @ flat.T / flat.shape[1]
    return result


def scaled(network: NetworkWeights, **factors: float) -> NetworkWeights:
    """The same function, with each layer's activations times a factor."""
    convolutions, before = {}, 1.0
    for layer, (weight, bias) in network.convolutions.items():
        after = factors.get(layer, 1.0)
        convolutions[layer] = (weight * np.float32(after / before), bias * np.float32(after))
        before = after
    return replace(network, convolutions=convolutions)


def test_the_open_style_loss_is_the_mean_over_the_layers_of_relative_distances(content, style, small_network):
    g, a = grams(small_network, content), grams(small_network, style)
    relative = {
        layer: np.square(g[layer] - a[layer]).sum() / np.square(a[layer]).sum() for layer in STYLE_LAYERS
    }
    record = first(content, style, small_network)
    assert record.losses().terms["style"] == pytest.approx(np.mean(list(relative.values())), rel=1e-5)
    assert record.weights["style"] == BALANCE
    weighted = {"conv1_1": 1.0, "conv4_1": 3.0}
    expected = (relative["conv1_1"] + 3 * relative["conv4_1"]) / 4
    record = first(content, style, small_network, style_layers=weighted)
    assert record.losses().terms["style"] == pytest.approx(expected, rel=1e-5)


def test_explicit_weights_are_the_papers_to_the_letter(content, style, small_network):
    g, a = grams(small_network, content), grams(small_network, style)
    energies = [
        np.square(g[layer] - a[layer]).sum() / (4 * small_network.channels(layer) ** 2)
        for layer in STYLE_LAYERS
    ]
    record = first(content, style, small_network, content_weight=1.0, style_weight=1e3)
    assert record.losses().terms["style"] == pytest.approx(sum(energies) / 5, rel=1e-5)
    assert record.weights == {"content": 1.0, "style": 1e3}


@pytest.mark.parametrize("loss", ["gram", "moments", "covariance", "w2"])
@pytest.mark.parametrize("change", ["rescaled", "another convention"])
def test_the_same_network_in_another_form_gives_the_same_picture(loss, change, content, style, small_network):
    """ReLU is homogeneous: what a network computes does not depend on the size of each layer's activations."""
    if change == "rescaled":
        other = scaled(
            small_network, conv1_1=8.0, conv2_1=0.25, conv3_1=30.0, conv4_1=0.02, conv4_2=5.0, conv5_1=100.0
        )
    else:  # fed with 0..255 in place of a mean of 0 and a deviation of 1, its filters made for that
        weight, bias = small_network.convolutions["conv1_1"]
        std, mean = np.asarray(small_network.std), np.asarray(small_network.mean)
        factor = (small_network.scale / 255 / std).astype(np.float32)
        convolutions = {**small_network.convolutions, "conv1_1": (weight * factor[None, :, None, None], bias)}
        other = replace(
            small_network,
            convolutions=convolutions,
            scale=255.0,
            mean=tuple(mean * 255 / small_network.scale),
            std=(1.0, 1.0, 1.0),
        )
    options = {**ONE_SIZE, "style_loss": loss, "steps": 4, "optimizer": "adam"}
    results = [
        nst.stylize(content / 255, style / 255, weights=network, **options)
        for network in (small_network, other)
    ]
    assert np.abs(results[0] - content / 255).max() > 0.05
    np.testing.assert_allclose(results[1], results[0], atol=2e-3)


@pytest.mark.slow
def test_a_normalised_network_paints_as_much_of_the_style(content, style, small_network):
    """Each channel on a scale of its own weights the channels of a layer anew, but no layer speaks louder."""
    pictures = [content / np.float32(255), style / np.float32(255)]
    other = normalise(small_network, pictures)
    options = {**ONE_SIZE, "steps": 80}
    plain, same = (nst.stylize(content, style, weights=net, **options) for net in (small_network, other))
    target = grams(small_network, style)

    def missing(result):
        g = grams(small_network, result)
        return np.mean([np.square(g[k] - target[k]).sum() / np.square(target[k]).sum() for k in STYLE_LAYERS])

    assert missing(plain) < 0.3 * missing(content)
    assert missing(same) < 0.4 * missing(content)


def test_a_layer_without_a_style_does_not_count(content, small_network):
    """Black through a network without biases: there is nothing to be relative to."""
    silent = replace(
        small_network,
        mean=(0.0, 0.0, 0.0),
        convolutions={
            name: (weight, 0 * bias) for name, (weight, bias) in small_network.convolutions.items()
        },
    )
    record = first(content, np.zeros_like(content), silent)
    assert record.losses().terms["style"] == 0
    assert np.isfinite(record.losses().total)


@pytest.mark.parametrize(("strength", "factor"), [(0.5, 1.0), (0.8, 16.0), (0.2, 1 / 16)])
def test_strength_is_a_factor_on_the_balance(strength, factor, content, style, small_network):
    weights = first(content, style, small_network, style_strength=strength).weights
    plain = first(content, style, small_network).weights
    assert weights == {"content": plain["content"], "style": pytest.approx(factor * BALANCE)}
    own = first(content, style, small_network, style_strength=strength, balance=2.0).weights
    assert own["style"] == pytest.approx(2.0 * factor)


def test_a_larger_picture_keeps_its_balance(content, style, small_network):
    for size in (48, 96):
        assert first(content, style, small_network, size=size).weights["style"] == BALANCE


def test_the_ends(content, style, small_network):
    assert set(first(content, style, small_network, style_strength=0.0).weights) == {"content"}
    assert set(first(content, style, small_network, style_strength=1.0).weights) == {"style"}
    options = {"weights": small_network, "steps": 3, "content_weight": 0, **ONE_SIZE}
    assert np.array_equal(nst.stylize(content, style, style_strength=0, **options), content)


def test_it_takes_the_place_of_the_weights(content, style, small_network):
    given = {"content_weight": 1e9, "style_weight": 1e-9}
    plain = first(content, style, small_network, style_strength=0.5).weights
    assert first(content, style, small_network, style_strength=0.5, **given).weights == plain


@pytest.mark.slow
def test_more_strength_is_more_style(content, style, small_network):
    styles, contents = [], []
    for strength in (
        0.1,
        0.3,
        0.5,
        0.7,
    ):  # there is hardly anything left to paint above, in so small a network
        transfer = nst.StyleTransfer(
            content, style, weights=small_network, style_strength=strength, steps=80, **ONE_SIZE
        )
        terms = list(transfer.iterate())[-1].losses().terms
        styles.append(terms["style"])
        contents.append(terms["content"])
    assert styles == sorted(styles, reverse=True)
    assert contents == sorted(contents)


def test_flat_pictures_do_not_break_it(small_network):
    flat = np.full((24, 32, 3), 120, np.uint8)
    for loss in ("gram", "moments", "covariance", "w2"):
        record = first(flat, flat, small_network, style_loss=loss, padding="replicate")
        assert np.isfinite(record.losses().total)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan"), "much", True])
def test_bad_strengths(strength, content, style, small_network):
    with pytest.raises(SettingsError, match="style strength is"):
        nst.StyleTransfer(content, style, weights=small_network, style_strength=strength)


@pytest.mark.parametrize("balance", [0, -1.0, float("inf"), "much", True])
def test_bad_balances(balance, content, style, small_network):
    with pytest.raises(SettingsError, match="balance is"):
        nst.StyleTransfer(content, style, weights=small_network, balance=balance)


def test_on_the_command_line(stylize):
    assert stylize("--style-strength", "0.3").status == 0
    assert "style strength is 3.0" in stylize("--style-strength", "3").stderr
    assert stylize("--balance", "10").status == 0
