"""VGG16 as a topology: what depends on the layers that a network has follows them, in every backend."""

from dataclasses import replace

import numpy as np
import pytest

import nst
from nst.backends import get_backend
from nst.backends.numpy.backend import NumpyBackend
from nst.encoding.windows import halo, smallest_side
from nst.engine.cache import Context
from nst.engine.stage import Stage
from nst.engine.weighting import losses_of
from nst.errors import SettingsError, WeightsError
from nst.losses.regions import carry
from nst.models import vgg
from nst.models.random import random_weights
from nst.models.weights import NetworkWeights, load_weights, save_weights
from nst.pictures.picture import Picture, planar
from nst.pictures.scene import make_scene
from nst.settings import make_settings

BLOCKS = (2, 2, 3, 3, 3)  # Simonyan and Zisserman (2014), table 1, configuration D


def layer_names():
    return [f"conv{block}_{i}" for block, count in enumerate(BLOCKS, 1) for i in range(1, count + 1)]


@pytest.fixture(scope="module")
def vgg16():
    """4, 8, 16, 32, 32 channels, biases that are not 0, an input convention, a name that frameworks do not like."""
    rng = np.random.default_rng(6)
    wide = random_weights(3, 1 / 16).convolutions
    kept = {}
    for layer in layer_names():
        weight, bias = wide[layer]
        kept[layer] = (weight, rng.normal(0, 0.2, bias.shape).astype(np.float32))
    return NetworkWeights("_my own (16)", kept, 1.0, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


def features_of(network, picture):
    """Layer -> (N, H, W) in float64 from (3, H, W), block by block; average pooling."""
    maps = (picture - np.reshape(network.mean, (3, 1, 1))) / np.reshape(network.std, (3, 1, 1))
    features = {}
    for block, count in enumerate(BLOCKS, 1):
        if block > 1:
            n, h, w = maps.shape
            maps = maps[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2).mean(axis=(2, 4))
        for i in range(1, count + 1):
            weight, bias = network.convolutions[f"conv{block}_{i}"]
            padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
            windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
            maps = np.einsum("ihwkl,oikl->ohw", windows, weight.astype(np.float64), optimize=True)
            maps = np.maximum(maps + bias[:, None, None], 0)
            features[f"conv{block}_{i}"] = maps
    return features


def test_thirteen_convolutions():
    assert list(vgg.VGG16_LAYER_NAMES) == layer_names()
    names = [layer.name for layer in vgg.layers_up_to(["conv4_1"], vgg.VGG16_LAYER_NAMES)]
    assert names[-5:] == ["conv3_1", "conv3_2", "conv3_3", "pool3", "conv4_1"]


@pytest.mark.parametrize(
    ("layer", "field", "around"),
    # by hand: a convolution adds 2 strides, a pooling one and doubles it; half of it, rounded up to the stride
    [("conv3_3", 40, 20), ("conv4_1", 60, 32), ("conv4_3", 92, 48), ("conv5_1", 132, 80)],
)
def test_receptive_field_and_halo(layer, field, around):
    assert vgg.receptive_field(layer, vgg.VGG16_LAYER_NAMES) == field
    assert halo([layer], vgg.VGG16_LAYER_NAMES) == around
    assert smallest_side([layer], vgg.VGG16_LAYER_NAMES) == 2 * around + 2 * vgg.stride(layer)


def test_a_file_round_trips(vgg16, tmp_path):
    save_weights(vgg16, tmp_path / "w.safetensors")
    loaded = load_weights(tmp_path / "w.safetensors")
    assert loaded.sha256 == vgg16.sha256
    assert loaded.layer_names == tuple(layer_names())


def test_a_layer_that_is_not_there_is_named(vgg16):
    with pytest.raises(
        SettingsError, match=r"'_my own \(16\)' are a VGG16, which has no conv3_4: choose another layer"
    ):
        vgg16.require(("conv1_1", "conv3_4"))
    with pytest.raises(SettingsError, match="end at conv5_3: conv5_4 is not there"):
        vgg16.require(["conv5_4"])
    with pytest.raises(SettingsError, match="unknown layer 'conv3_4'"):
        vgg.layers_up_to(["conv3_4"], vgg16.layer_names)


@pytest.mark.parametrize("missing", ["conv3_3", "conv4_2", "conv1_1"])
def test_a_gap_in_either_network_is_refused(vgg16, missing):
    for whole in (vgg16.convolutions, random_weights(0, 1 / 16).convolutions):
        rest = {layer: pair for layer, pair in whole.items() if layer != missing}
        with pytest.raises(WeightsError, match="layers must be"):
            NetworkWeights("gap", rest)


def test_vgg19_with_a_gap_is_no_vgg16():
    rest = {k: v for k, v in random_weights(0, 1 / 16).convolutions.items() if k != "conv3_4"}
    with pytest.raises(WeightsError, match=r"conv3_3, conv3_4, conv4_1.*got .*conv3_3, conv4_1"):
        NetworkWeights("gap", rest)


@pytest.mark.parametrize("name", ["numpy", "torch", "tf", "onnx"])
def test_features_and_gradient_in_every_backend(vgg16, need, name):
    """Against a forward pass written apart, and differences of its loss 1/2 sum F^2."""
    need(name)
    backend = get_backend(name, "cpu")
    layers = ("conv1_2", "conv3_3", "conv4_1", "conv5_1", "conv5_3")
    x = np.random.default_rng(7).random((3, 34, 41)).astype(np.float32).astype(np.float64)
    network = backend.network(vgg16, layers, "avg")
    found = backend.evaluate(lambda ops, x, c: network(ops, x), backend.from_numpy(x[None]), {})
    want = features_of(vgg16, x)
    assert sorted(found) == sorted(layers)
    for layer in layers:
        got = np.asarray(backend.to_numpy(found[layer]), np.float64)[0]
        np.testing.assert_allclose(got, want[layer], rtol=1e-4, atol=1e-4 * want[layer].max())

    def function(ops, x, constants):
        maps = network(ops, x)
        total = ops.add(*(ops.scale(ops.sum(ops.square(maps[layer])), 0.5) for layer in layers[1:3]))
        return total, {"total": total}

    def loss(x):
        return sum(0.5 * (features_of(vgg16, x)[layer] ** 2).sum() for layer in layers[1:3])

    picture = backend.from_numpy(x[None])
    evaluation = backend.compile(function, picture, {})(picture, {})
    gradient = np.asarray(backend.to_numpy(evaluation.gradient), np.float64)[0]
    rng = np.random.default_rng(8)
    for _ in range(8):
        direction = rng.standard_normal(x.shape)
        slope = (loss(x + 1e-6 * direction) - loss(x - 1e-6 * direction)) / 2e-6
        scale = np.linalg.norm(gradient)
        assert np.sum(gradient * direction) == pytest.approx(slope, abs=1e-4 * scale)


def scene(seed, height, width):
    return Picture(np.random.default_rng(seed).random((height, width, 3)).astype(np.float32))


@pytest.mark.parametrize("padding", ["zero", "circular"])
def test_windows_are_exact(vgg16, padding):
    """Windows whose halo is VGG16's own give the loss and the gradient of the whole."""
    backend = NumpyBackend(dtype="float64")
    settings = make_settings(
        content_layers={"conv3_3": 1.0}, style_layers={"conv2_1": 0.5, "conv4_1": 0.5}, padding=padding
    )
    content, style = scene(1, 104, 152), scene(2, 60, 70)
    x = backend.from_numpy(planar(scene(3, 104, 152)).astype(np.float64))
    pictures, losses = make_scene(content, [style], [1.0]), losses_of(settings, vgg16)
    whole, tiled = (
        Stage(pictures, losses, Context(settings, vgg16, backend, (side,))) for side in (None, 96)
    )
    assert len(tiled.problem.encoder.views) > 1
    assert tiled.problem.encoder.margin == (32 if padding == "circular" else 0)
    want, got = whole.evaluate(x), tiled.evaluate(x)
    assert got.total == pytest.approx(want.total, rel=1e-12)
    np.testing.assert_allclose(got.gradient, want.gradient, atol=1e-12 * np.abs(want.gradient).max())


def test_a_mask_goes_through_the_network_s_own_layers():
    """A single pixel reaches the positions whose receptive field of 60 pixels, every 8, holds it."""
    mask = np.zeros((1, 200), np.float32)
    mask[0, 96] = 1
    reached = np.flatnonzero(
        carry(np.repeat(mask, 200, 0), ["conv4_1"], vgg.VGG16_LAYER_NAMES)["conv4_1"][12]
    )
    # position i sees pixels 8 i - 26 ... 8 i + 33, as many on both sides of its own 8
    assert reached.tolist() == [i for i in range(25) if 8 * i - 26 <= 96 <= 8 * i + 33]


def test_a_whole_transfer(vgg16, pictures):
    result = nst.stylize(pictures.content, pictures.style, weights=vgg16, backend="numpy", size=32, steps=3)
    other = replace(vgg16, convolutions=random_weights(3, 1 / 16).convolutions)
    deeper = nst.stylize(pictures.content, pictures.style, weights=other, backend="numpy", size=32, steps=3)
    assert not np.array_equal(np.asarray(result), np.asarray(deeper))


def test_on_the_command_line(vgg16, stylize, tmp_path):
    save_weights(vgg16, tmp_path / "sixteen.safetensors")
    done = stylize("--weights", tmp_path / "sixteen.safetensors")
    assert done.status == 0, done.stderr
    refused = stylize("--weights", tmp_path / "sixteen.safetensors", "--style-layers", "conv1_1,conv3_4")
    assert refused.status == 2
    assert "which has no conv3_4" in refused.stderr
    assert refused.stderr.count("\n") == 1
