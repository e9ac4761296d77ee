"""The normalised network: mean activation 1 for every channel, the same function up to that factor."""

import numpy as np
import pytest
from PIL import Image

from nst.errors import WeightsError
from nst.models import vgg
from nst.models.normalise import mean_activations, normalise
from nst.models.random import random_weights
from nst.models.store.resolve import obtain
from nst.models.weights import NetworkWeights


def reference_features(network, picture):
    """Layer -> (N, H, W) in float64 by sliding windows, written apart from the module's own forward pass."""
    maps = ((network.scale * picture - np.array(network.mean)) / np.array(network.std)).transpose(2, 0, 1)
    features = {}
    for layer in vgg.LAYERS[: vgg.LAYERS.index(vgg.Conv(network.layer_names[-1])) + 1]:
        if isinstance(layer, vgg.Pool):
            n, h, w = maps.shape
            maps = maps[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2).mean(axis=(2, 4))
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


@pytest.fixture
def network():
    """Biases, an input scale of 255, and one dead channel."""
    rng = np.random.default_rng(4)
    convolutions = {}
    for layer, (weight, bias) in random_weights(2, 1 / 16, "conv4_1").convolutions.items():
        convolutions[layer] = (weight * 3, rng.normal(0, 2, bias.shape).astype(np.float32))
    convolutions["conv2_1"][1][1] = -1e6
    return NetworkWeights("test", convolutions, 255.0, (123.68, 116.779, 103.939), (50.0, 50.0, 50.0))


PICTURES = [np.random.default_rng(i).uniform(0, 1, (32, 40 + i, 3)) ** (i + 1) for i in range(3)]


def test_mean_activations_become_one_and_features_only_change_scale(network):
    normalised = normalise(network, PICTURES)
    assert normalised.name == "test-normalised"
    means = dict.fromkeys(network.layer_names, 0)
    for picture in PICTURES:
        for layer, maps in reference_features(network, picture).items():
            means[layer] = means[layer] + maps.mean(axis=(1, 2)) / len(PICTURES)
    assert means["conv2_1"][1] == 0
    for layer, computed in mean_activations(network, PICTURES).items():
        np.testing.assert_allclose(computed, means[layer], rtol=1e-5, atol=1e-4)
    before = [reference_features(network, picture) for picture in PICTURES]
    after = [reference_features(normalised, picture) for picture in PICTURES]
    for layer in network.layer_names:
        alive = means[layer] > 0
        got = np.mean([features[layer].mean(axis=(1, 2)) for features in after], axis=0)
        np.testing.assert_allclose(got[alive], 1, rtol=1e-4)
        expected = before[0][layer][alive] / means[layer][alive, None, None]
        np.testing.assert_allclose(after[0][layer][alive], expected, rtol=1e-3, atol=1e-4)


def test_without_pictures_eight_of_the_package_are_taken(root):
    """Always the same ones: another sample in the package changes no network."""
    network = random_weights(0, 1 / 16, "conv1_2")
    names = ["rocket", "cat", "starry_night", "shipwreck", "strokes", "dots", "waves", "glass"]
    pictures = []
    for name in names:
        picture = Image.open(root / "nst" / "samples" / f"{name}.jpg")
        width, height = picture.size
        size = [round(256 * side / max(width, height)) for side in picture.size]
        pictures.append(np.asarray(picture.resize(size, Image.Resampling.LANCZOS)) / 255)
    assert normalise(network).sha256 == normalise(network).sha256
    for layer, means in mean_activations(normalise(network), pictures).items():
        np.testing.assert_allclose(means, 1, rtol=1e-4, err_msg=layer)


def test_no_picture_is_refused(network):
    with pytest.raises(WeightsError, match="no picture"):
        normalise(network, [])


def test_the_embedded_network_is_normalised_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("NST_HOME", str(tmp_path))
    monkeypatch.setenv("NST_OFFLINE", "1")
    small = random_weights(0, 1 / 16, "conv1_2")
    monkeypatch.setattr("nst.models.embedded.load_embedded", lambda: small)
    made = obtain("vgg19-embedded-normalised")
    assert made.sha256 == normalise(small).sha256
    assert made.name == "vgg19-embedded-normalised"
    monkeypatch.setattr("nst.models.embedded.load_embedded", lambda: pytest.fail("it is in the cache"))
    assert obtain("vgg19-embedded-normalised").sha256 == made.sha256
