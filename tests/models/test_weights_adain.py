"""AdaIN's normalised VGG19: a 1x1 convolution of colours in front, paddings in between; files built here."""

from collections import OrderedDict

import numpy as np
import pytest

from nst.backends import get_backend
from nst.engine.weighting import kind_of
from nst.errors import WeightsError
from nst.models.importers import import_file
from nst.models.random import random_weights
from nst.models.weights import load_weights, save_weights

POSITIONS = (2, 5, 9, 12, 16, 19, 22, 25, 29, 32, 35, 38, 42, 45, 48, 51)  # of the 3x3 convolutions
BGR_255 = np.array([[0, 0, 255], [0, 255, 0], [255, 0, 0]], np.float32)  # as published
MINUS_MEAN = np.array([-103.939, -116.779, -123.68], np.float32)


def state_dict(colour=BGR_255, bias=MINUS_MEAN, width=1 / 16, depth="conv5_4"):
    """{position.part: array}, the names of the published file; biases are not 0."""
    rng = np.random.default_rng(3)
    state = OrderedDict({"0.weight": np.reshape(colour, (3, 3, 1, 1)), "0.bias": np.asarray(bias)})
    pairs = random_weights(5, width, depth).convolutions.values()
    for position, (weight, zeros) in zip(POSITIONS, pairs, strict=False):
        state[f"{position}.weight"] = weight / 60 if position == 2 else weight
        state[f"{position}.bias"] = rng.normal(0, 0.1, zeros.shape).astype(np.float32)
    return state


def write(path, state, legacy=True):
    torch = pytest.importorskip("torch")
    tensors = OrderedDict((name, torch.from_numpy(np.array(array))) for name, array in state.items())
    torch.save(tensors, path, _use_new_zipfile_serialization=not legacy)
    return path


def sequential(state, padding):
    """The network as the file's authors build it, down to relu2_1: layer -> module of all that is before."""
    import torch
    from torch import nn

    def convolution(position):
        weight = state[f"{position}.weight"]
        return nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2:])

    pad = {"reflect": lambda: nn.ReflectionPad2d(1), "zero": lambda: nn.ZeroPad2d(1)}[padding]
    layers = [convolution(0), pad(), convolution(2), nn.ReLU(), pad(), convolution(5), nn.ReLU()]
    layers += [nn.MaxPool2d(2, 2, ceil_mode=True), pad(), convolution(9), nn.ReLU()]
    network = nn.Sequential(*layers)
    kept = {k: torch.from_numpy(np.array(v)) for k, v in state.items() if int(k.split(".")[0]) < len(layers)}
    network.load_state_dict(kept)
    return {"conv1_1": network[:4], "conv1_2": network[:7], "conv2_1": network}


@pytest.mark.parametrize("legacy", [True, False])
def test_the_features_are_the_file_s(tmp_path, legacy):
    """The whole picture with zeros around, the inner part with the reflections that the file was used with."""
    torch = pytest.importorskip("torch")
    state = state_dict()
    imported = import_file(write(tmp_path / "vgg_normalised.pth", state, legacy))
    assert (imported.convention, imported.certain) == ("stored", True)
    weights = imported.weights
    assert len(weights.layer_names) == 16
    assert (weights.scale, weights.std) == (255.0, (1.0, 1.0, 1.0))
    np.testing.assert_allclose(weights.mean, (123.68, 116.779, 103.939), rtol=1e-6)
    x = np.random.default_rng(1).random((1, 3, 24, 32)).astype(np.float32)
    backend = get_backend("numpy")
    network = backend.network(weights, ["conv1_1", "conv1_2", "conv2_1"], "max")
    found = backend.evaluate(lambda ops, x, c: network(ops, x), backend.from_numpy(x), {})
    for padding, rim in (("zero", 0), ("reflect", 4)):
        for layer, module in sequential(state, padding).items():
            with torch.no_grad():
                want = module(torch.from_numpy(x)).numpy()
            got = backend.to_numpy(found[layer])
            inner = (..., slice(rim, want.shape[2] - rim), slice(rim, want.shape[3] - rim))
            np.testing.assert_allclose(got[inner], want[inner], rtol=1e-4, atol=1e-5 * want.max())
            if padding == "reflect":  # the border is another one, as docs/weights.md says
                assert np.abs(got - want).max() > 0.01 * want.max()


def test_any_order_factors_and_means(tmp_path):
    """Channel 0 is 2 G + 1, channel 1 is 3 B - 4, channel 2 is 5 R + 6."""
    colour, bias = np.float32([[0, 2, 0], [0, 0, 3], [5, 0, 0]]), np.float32([1, -4, 6])
    state = state_dict(colour, bias)
    weights = import_file(write(tmp_path / "a", state)).weights
    r, g, b = rgb = np.random.default_rng(2).random((3, 3, 3))  # one patch, (channel, row, column)
    want = np.einsum("oikl,ikl->o", state["2.weight"], np.stack([2 * g + 1, 3 * b - 4, 5 * r + 6]))
    factor, shift = weights.input_affine
    net_input = rgb * factor[:, None, None] + shift[:, None, None]
    got = np.einsum("oikl,ikl->o", weights.convolutions["conv1_1"][0], net_input)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "colour",
    [
        [[0, 1, 255], [0, 255, 0], [255, 0, 0]],  # a trace of another colour
        [[0, 0, -255], [0, 255, 0], [255, 0, 0]],
        [[0, 0, 255], [0, 0, 255], [255, 0, 0]],
        [[0, 0, np.nan], [0, 255, 0], [255, 0, 0]],
        np.zeros((3, 3)),
    ],
)
def test_what_is_no_input_convention_is_refused(tmp_path, colour):
    path = write(tmp_path / "a.pth", state_dict(np.float32(colour)))
    with pytest.raises(WeightsError, match=r"a\.pth .*its first layer mixes colours") as caught:
        import_file(path)
    assert "\n" not in str(caught.value)


def test_other_faults_are_named(tmp_path):
    state = state_dict()
    path = write(tmp_path / "a.pth", state)
    with pytest.raises(WeightsError, match="its first layer says how its input is meant"):
        import_file(path, convention="torchvision")
    write(path, {name: array for name, array in state.items() if name != "0.bias"})
    with pytest.raises(WeightsError, match=r"colour\.bias is missing"):
        import_file(path)
    write(path, {name: array for name, array in state.items() if name != "25.weight"})
    with pytest.raises(WeightsError, match=r"conv3_4\.weight is missing"):
        import_file(path)
    write(path, {**state, "0.weight": np.ones((3, 3, 3, 3), np.float32)})
    with pytest.raises(WeightsError, match="its first layer has shapes"):
        import_file(path)


def test_it_is_a_normalised_network_whatever_it_is_called(tmp_path):
    """At full width, since the weights of presets are for that; also after it was kept under another name."""
    path = write(tmp_path / "a.pth", state_dict(width=1, depth="conv2_1"))
    imported = import_file(path, "adain").weights
    assert kind_of(imported) == "normalised"
    save_weights(imported, tmp_path / "kept.safetensors")
    assert kind_of(load_weights(tmp_path / "kept.safetensors")) == "normalised"
