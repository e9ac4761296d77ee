"""The topology against numbers worked out by hand, and the weight file format."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from nst.errors import SettingsError, WeightsError
from nst.models import vgg
from nst.models.random import random_weights
from nst.models.weights import NetworkWeights, load_weights, save_weights


def test_sixteen_convolutions_in_blocks_of_2_2_4_4_4():
    blocks = [name[4] for name in vgg.LAYER_NAMES]
    assert [blocks.count(b) for b in "12345"] == [2, 2, 4, 4, 4]
    assert vgg.LAYER_NAMES[0] == "conv1_1"
    assert vgg.LAYER_NAMES[-1] == "conv5_4"


def test_computed_only_as_deep_as_asked():
    names = [layer.name for layer in vgg.layers_up_to(["conv2_1", "conv1_1"])]
    assert names == ["conv1_1", "conv1_2", "pool1", "conv2_1"]


@pytest.mark.parametrize(
    ("layer", "field"),
    # by hand: each 3x3 convolution adds 2 strides, each pooling one, and then the stride doubles
    [("conv1_1", 3), ("conv1_2", 5), ("conv2_1", 10), ("conv3_1", 24), ("conv4_1", 68), ("conv5_1", 156)],
)
def test_receptive_field(layer, field):
    assert vgg.receptive_field(layer) == field


def test_receptive_field_is_what_the_network_sees(small_network):
    """Change one pixel and see which positions of conv3_1 move: as many as its field covers."""
    from nst.backends import get_backend

    backend = get_backend("numpy")
    network = backend.network(small_network, ["conv3_1"], "avg")
    x = np.random.default_rng(0).random((1, 3, 64, 64))
    y = x.copy()
    y[0, :, 32, 32] += 0.5

    def maps(picture):
        return backend.evaluate(lambda o, p, c: network(o, p), picture, {})["conv3_1"]

    moved = np.abs(maps(y) - maps(x)).max(axis=(0, 1)).max(axis=1) > 0
    # position i sees pixels 4 i - 10 ... 4 i + 13 (24 of them): pixel 32 is seen by 5 ... 10
    assert np.flatnonzero(moved).tolist() == [5, 6, 7, 8, 9, 10]


def test_layer_size_drops_odd_rows():
    assert vgg.layer_size("conv1_2", 37, 50) == (37, 50)
    assert vgg.layer_size("conv3_4", 37, 50) == (9, 12)
    assert vgg.layer_size("conv5_1", 15, 50) == (0, 3)
    assert vgg.minimum_size(["conv1_1", "conv5_1"]) == 16


def test_unknown_layer_names_the_choice():
    with pytest.raises(SettingsError, match=r"unknown layer 'conv6_1': choose from conv1_1, .*conv5_4$"):
        vgg.validate_layers(["conv1_1", "conv6_1"])
    with pytest.raises(SettingsError, match="no layer asked for"):
        vgg.layers_up_to([])


def tensors(width=2, depth=2, dtype=np.float32):
    rng = np.random.default_rng(0)
    result, channels = {}, 3
    for name in vgg.LAYER_NAMES[:depth]:
        result[f"{name}.weight"] = rng.standard_normal((width, channels, 3, 3)).astype(dtype)
        result[f"{name}.bias"] = rng.standard_normal(width).astype(dtype)
        channels = width
    return result


def write(path, arrays, **metadata):
    save_file(arrays, path, {k: v if isinstance(v, str) else json.dumps(v) for k, v in metadata.items()})
    return path


def test_a_file_round_trips(tmp_path):
    weights = random_weights(3, 0.0625)
    save_weights(weights, tmp_path / "w.safetensors")
    loaded = load_weights(tmp_path / "w.safetensors")
    assert loaded.sha256 == weights.sha256
    assert (loaded.name, loaded.mean) == (weights.name, weights.mean)


def test_half_precision_is_read_as_float32(tmp_path):
    arrays = tensors(dtype=np.float16)
    loaded = load_weights(write(tmp_path / "w.safetensors", arrays, name="half"))
    weight, _ = loaded.convolutions["conv1_2"]
    assert weight.dtype == np.float32
    np.testing.assert_array_equal(weight, arrays["conv1_2.weight"].astype(np.float32))


def test_bgr_files_are_turned_into_rgb(tmp_path):
    """A Caffe file: net_input = 255 x - mean in B, G, R order."""
    arrays = tensors(depth=1)
    mean = [103.939, 116.779, 123.68]
    loaded = load_weights(
        write(tmp_path / "w.safetensors", arrays, channel_order="BGR", scale="255", mean=mean, std=[1, 1, 1])
    )
    rgb = np.random.default_rng(1).random((3, 3, 3))  # one 3x3 patch, (channel, row, column)
    bgr_input = 255 * rgb[::-1] - np.array(mean)[:, None, None]
    expected = np.einsum("oihw,ihw->o", arrays["conv1_1.weight"], bgr_input)
    factor, shift = loaded.input_affine
    rgb_input = rgb * factor[:, None, None] + shift[:, None, None]
    got = np.einsum("oihw,ihw->o", loaded.convolutions["conv1_1"][0], rgb_input)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_std_divides_after_the_mean(tmp_path):
    loaded = load_weights(
        write(tmp_path / "w.safetensors", tensors(), mean=[0.5, 0.4, 0.3], std=[0.5, 0.25, 0.2])
    )
    factor, shift = loaded.input_affine
    np.testing.assert_allclose(factor * 0.75 + shift, [0.5, 1.4, 2.25], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("conv1_1.weight"), "conv1_1 has only one of weight and bias"),
        (lambda a: [a.pop("conv1_1.weight"), a.pop("conv1_1.bias")], "layers must be conv1_1, got conv1_2"),
        (
            lambda a: a.update({"conv1_2.weight": np.zeros((2, 5, 3, 3), "f")}),
            r"conv1_2.weight has shape \(2, 5",
        ),
        (lambda a: a.update({"conv1_1.bias": np.zeros(7, "f")}), r"conv1_1.bias has shape \(7,\)"),
        (lambda a: a["conv1_2.weight"].__setitem__((0, 0, 0, 0), np.nan), "conv1_2.weight holds NaN"),
        (lambda a: a.update({"conv1_1.bias": np.zeros(2, "f8")}), "float64, expected float32 or float16"),
        (lambda a: a.clear(), "no convolution found"),
    ],
)
def test_a_damaged_file_names_the_layer(tmp_path, change, message):
    arrays = tensors()
    change(arrays)
    arrays = arrays or {"other": np.zeros(1, "f")}
    with pytest.raises(WeightsError, match=message) as caught:
        load_weights(write(tmp_path / "w.safetensors", arrays))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("channel_order", "GBR", "channel_order is 'GBR'"),
        ("scale", "many", "scale is 'many'"),
        ("mean", "[1, 2]", "mean is"),
        ("std", "[1, 0, 1]", "std must be positive"),
        ("std", "nonsense", "std is"),
    ],
)
def test_bad_metadata_is_named(tmp_path, key, value, message):
    with pytest.raises(WeightsError, match=message):
        load_weights(write(tmp_path / "w.safetensors", tensors(), **{key: value}))


def test_not_a_weights_file(tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(WeightsError, match="not found"):
        load_weights(path)
    path.write_bytes(b"not safetensors at all")
    with pytest.raises(WeightsError, match="damaged or not safetensors"):
        load_weights(path)
    whole = write(tmp_path / "whole.safetensors", tensors()).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        load_weights(path)


def test_a_layer_below_the_weights_is_refused(tmp_path):
    weights = load_weights(write(tmp_path / "w.safetensors", tensors(depth=2), name="short"))
    with pytest.raises(SettingsError, match="'short' end at conv1_2: conv2_1 is not there"):
        weights.require(["conv1_1", "conv2_1"])


def test_the_hash_covers_every_number():
    base = random_weights(0, 0.0625, "conv1_2")
    changed = {name: (w.copy(), b.copy()) for name, (w, b) in base.convolutions.items()}
    changed["conv1_2"][1][3] += 1e-6
    other = NetworkWeights(base.name, changed, base.scale, base.mean, base.std)
    assert other.sha256 != base.sha256
    assert NetworkWeights("x", base.convolutions, base.scale, base.mean, base.std).sha256 == base.sha256
    assert NetworkWeights("x", base.convolutions, base.scale, (0, 0, 0), base.std).sha256 != base.sha256
