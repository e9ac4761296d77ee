"""The random network: the same numbers everywhere, every channel alive with a mean activation of 1."""

import numpy as np
import pytest

from nst.errors import SettingsError
from nst.models import vgg
from nst.models.random import MEAN, STD, probe, random_weights


def _reference_features(network, picture):
    """Layer -> (N, H, W), by sliding windows instead of the module's nine products."""
    maps = ((picture - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1))).astype(np.float64)
    features = {}
    for layer in vgg.LAYERS:
        if isinstance(layer, vgg.Pool):
            n, h, w = maps.shape
            maps = maps.reshape(n, h // 2, 2, w // 2, 2).mean(axis=(2, 4))
            continue
        weight, bias = network.convolutions[layer.name]
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(maps, ((0, 0), (1, 1), (1, 1))), (3, 3), (1, 2)
        )
        maps = np.maximum(
            np.einsum("ihwkl,oikl->ohw", windows, weight, optimize=True) + bias[:, None, None], 0
        )
        features[layer.name] = maps
    return features


def test_every_channel_has_a_mean_activation_of_one():
    for layer, maps in _reference_features(random_weights(3, width=0.125), probe()).items():
        means = maps.mean(axis=(1, 2))
        assert np.abs(means - 1).max() < 1 / 200, (
            layer
        )  # 8 bits of the factor, and those of the layers before


def test_about_half_of_the_activations_are_zero():
    for layer, maps in _reference_features(random_weights(0, width=0.125), probe()).items():
        assert 0.3 < (maps > 0).mean() < 0.85, layer


def test_a_deeper_network_starts_with_the_same_numbers():
    shallow, deep = random_weights(5, 0.125, "conv3_2"), random_weights(5, 0.125, "conv5_1")
    assert shallow.layer_names == vgg.LAYER_NAMES[:6]
    assert deep.layer_names == vgg.LAYER_NAMES[:13]
    for layer in shallow.layer_names:
        np.testing.assert_array_equal(shallow.convolutions[layer][0], deep.convolutions[layer][0])


def test_the_numbers_are_pinned():
    """Seeds in papers and bug reports must mean the same on every machine and in every release."""
    assert random_weights(0, 0.125).sha256[:12] == "b0d9a060fa2f"


def test_seeds_differ_and_widths_scale_the_channels():
    first, second = random_weights(0, 0.125), random_weights(1, 0.125)
    assert first.sha256 != second.sha256
    assert first.name == "random-0"
    assert [random_weights(0, 0.25).channels(f"conv{i}_1") for i in (1, 2, 3, 4, 5)] == [16, 32, 64, 128, 128]


def test_biases_are_zero_and_the_factors_have_eight_bits():
    network = random_weights(0, 0.125, "conv1_1")
    weight, bias = network.convolutions["conv1_1"]
    assert not bias.any()
    generator = np.random.Generator(np.random.PCG64(0))
    he = (generator.standard_normal((3, 3, 8, 3)) * np.sqrt(2 / 27)).astype(np.float32).transpose(2, 3, 0, 1)
    ratios = (weight.astype(np.float64) / he)[:, 1, 1, 1]
    mantissa = np.abs(np.frexp(ratios)[0]) * 256
    np.testing.assert_allclose(mantissa, np.round(mantissa), atol=1e-4)


@pytest.mark.parametrize("settings", [{"seed": -1}, {"width": 0}, {"width": 5}, {"depth": "conv6_1"}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(SettingsError):
        random_weights(**settings)
