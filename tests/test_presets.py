"""Presets: the recipes of other programs, worked out by hand, and how the command line takes them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import nst
from nst.backends.numpy.backend import NumpyBackend
from nst.cli.commands.presets import COLUMNS, cell
from nst.engine.pyramid import split_steps
from nst.engine.weighting import TYPICAL, converted, kind_of, losses_of
from nst.errors import SettingsError
from nst.models.random import random_weights
from nst.presets import PRESETS, preset
from nst.settings import STYLE_LAYERS, make_settings

CHANNELS = dict(zip(STYLE_LAYERS, (64, 128, 256, 512, 512), strict=True))

# style weight of each layer times E_l = 1 / (4 N^2 M^2) sum d^2, at the widths of VGG19
FACTORS = {
    "gatys2016": [200.0, 200.0, 200.0, 200.0, 200.0],  # beta 1000, w_l 1/5
    # 1000 / N^2 mean d^2 of Gram matrices over M = 4000 / N^2 E
    "gatys-pytorch": [0.9765625, 0.244140625, 0.06103515625, 0.0152587890625, 0.0152587890625],
    # 100 mean d^2 of Gram matrices over N M = 400 / N^2 E
    "neural-style": [0.09765625, 0.0244140625, 0.006103515625, 0.00152587890625, 0.00152587890625],
    "neural-style-pt": [0.09765625, 0.0244140625, 0.006103515625, 0.00152587890625, 0.00152587890625],
    "crowson": [0.7507331, 0.1876833, 0.04692082, 0.01173021, 0.002932551],  # 256 : 64 : 16 : 4 : 1, sum 1
}
# times 1/2 sum (F - P)^2 at conv4_2 of 64 x 48 pixels: 512 maps of 8 x 6 positions, so a mean is 2 / 24576 of it
CONTENT = {
    "gatys2016": 8.138021e-5,  # the mean, as in the authors' code
    "gatys-pytorch": 8.138021e-5,
    "neural-style": 4.069010e-4,
    "neural-style-pt": 4.069010e-4,
    "crowson": 1.220703e-6,
}
# times the sum over neighbours of |difference|^power of a picture of 64 x 48 in [0, 1]
TV = {
    "gatys2016": (0.0, 2),
    "gatys-pytorch": (0.0, 2),
    "neural-style": (32.5125, 2),  # 0.001 / 2 of the squares on 0..255
    "neural-style-pt": (0.255, 1),  # 0.001 of the absolute values on 0..255
    "crowson": (2.170139e-4, 2),  # 2 times a mean over 3 * 64 * 48 = 9216
}


def settings_of(name, **changes):
    arguments = {"style_layers": {}, "content_layers": {}, **preset(name, **changes)}
    arguments.pop("weights", None)
    return make_settings(**arguments)


@pytest.fixture(scope="module")
def vgg19():
    return random_weights(0)


@pytest.mark.parametrize("name", FACTORS)
def test_factors(name, vgg19):
    settings = settings_of(name)
    losses = {loss.name: loss for loss in losses_of(settings, vgg19)}
    style, content = losses["style"], losses["content"]
    assert list(style.weights) == list(STYLE_LAYERS)
    assert style.channels == CHANNELS
    weighted = [style.beta * factor for factor in style.weights.values()]
    np.testing.assert_allclose(weighted, FACTORS[name], rtol=1e-6)
    factors = content.factors(48, 64)
    assert list(factors) == ["conv4_2"]
    np.testing.assert_allclose(content.alpha * factors["conv4_2"], CONTENT[name], rtol=1e-6)
    assert ("tv" in losses) == (TV[name][0] > 0)
    if "tv" in losses:
        np.testing.assert_allclose(losses["tv"].weight(48, 64), TV[name][0], rtol=1e-6)
        assert losses["tv"].power == TV[name][1]


def test_the_rest_of_the_recipes():
    paper, lua, crowson = (settings_of(name) for name in ("gatys2016", "neural-style", "crowson"))
    assert (paper.pooling, paper.init, paper.optimizer, paper.scales) == ("avg", "noise", "lbfgs", 1)
    assert paper.content_weight / paper.style_weight == 1e-3
    assert (lua.pooling, lua.init, lua.optimizer, lua.scales) == ("max", "noise", "lbfgs", 1)
    assert (lua.steps, lua.history, lua.size) == (1000, 100, 512)
    assert (crowson.pooling, crowson.init, crowson.optimizer) == ("max", "content", "adam")
    assert (crowson.style_loss, crowson.average, crowson.padding) == ("w2", 0.99, "replicate")
    # 512 pixels: 128, 181, 256, 362, 512; 3000 steps in all
    assert split_steps(crowson.steps, (128, 181, 256, 362, 512)) == (1000, 500, 500, 500, 500)
    adam = nst.Adam(rate=crowson.rate)
    assert (adam.rate, adam.beta1, adam.beta2, adam.box) == (0.02, 0.9, 0.99, (0.0, 1.0))


def test_the_loss_of_neural_style_is_what_it_computes(small_network, pictures):
    """5 mean (F - P)^2 + 100 sum_l mean (G / (C M) - A / (C M))^2 + 1e-3 sum |difference of 0..255|."""
    changes = {"content_weight": 5.0, "style_weight": 100.0, "size": "content", "steps": 0}
    arguments = preset("neural-style-pt", **changes)
    transfer = nst.StyleTransfer(
        pictures.content, pictures.style, backend="numpy", weights=small_network, **arguments
    )
    (record,) = transfer.iterate()
    x = np.random.default_rng(0).random((1, 3, 24, 32), np.float32)
    backend = NumpyBackend()
    network = backend.network(small_network, (*STYLE_LAYERS, "conv4_2"), "max")

    def features(picture):
        return backend.evaluate(lambda ops, y, _: network(ops, y), backend.from_numpy(picture), {})

    def planes(picture):
        return np.asarray(picture, np.float64).transpose(2, 0, 1)[None] / 255

    def gram(maps):
        flat = maps[0].reshape(maps.shape[1], -1)
        return flat @ flat.T / flat.size

    style = Image.open(pictures.style).resize((25, 32), Image.Resampling.LANCZOS)  # the longer side is 32 too
    mine, p, a = features(x), features(planes(Image.open(pictures.content))), features(planes(style))
    losses = record.losses()
    content = 5 * np.mean((mine["conv4_2"] - p["conv4_2"]) ** 2)
    np.testing.assert_allclose(record.weights["content"] * losses.terms["content"], content, rtol=1e-5)
    total = content + 1e-3 * 255 * (np.abs(np.diff(x, axis=2)).sum() + np.abs(np.diff(x, axis=3)).sum())
    # the recipe has VGG19's widths, this network is narrower
    narrower = {layer: (mine[layer].shape[1] / CHANNELS[layer]) ** 2 for layer in STYLE_LAYERS}
    total += 100 * sum(
        narrower[layer] * np.mean((gram(mine[layer]) - gram(a[layer])) ** 2) for layer in STYLE_LAYERS
    )
    np.testing.assert_allclose(losses.total, total, rtol=0.01)  # two ways to shrink the style picture


def test_means_do_not_depend_on_the_scale(small_network, pictures):
    transfer = nst.StyleTransfer(
        *(pictures.content, pictures.style),
        backend="numpy",
        weights=small_network,
        means=("content",),
        content_weight=7.0,
        size="content",
        scales=(24, 32),
        steps=(1, 1),
    )
    assert {record.weights["content"] for record in transfer.iterate()} == {7.0}


KINDS = [
    ({"scale": 255.0, "name": "vgg19"}, "caffe"),
    ({"scale": 255.0, "name": "vgg19-normalised"}, "normalised"),
    ({"std": (0.229, 0.224, 0.225), "name": "vgg19-torchvision"}, "torchvision"),
    ({"name": "random-0"}, "other"),
]


@pytest.mark.parametrize(("fields", "kind"), KINDS)
def test_kinds_of_network(fields, kind, vgg19, small_network):
    plain = {"scale": 1.0, "std": (1.0, 1.0, 1.0)}
    assert kind_of(replace(vgg19, **(plain | fields))) == kind
    assert kind_of(replace(small_network, **(plain | fields))) == "other"


def test_weights_for_another_network_are_carried_over(small_network, pictures):
    def weights(**changes):
        arguments = preset("neural-style", size="content", steps=0, **changes)
        transfer = nst.StyleTransfer(
            pictures.content, pictures.style, backend="numpy", weights=small_network, **arguments
        )
        return next(transfer.iterate()).weights

    there = TYPICAL["caffe"]
    unit = 5.0 * there["conv4_2"].squares
    style = [400 * there[layer].products / 4 / CHANNELS[layer] ** 2 for layer in STYLE_LAYERS]
    found = weights()
    assert found["style"] == pytest.approx(sum(style) / unit, rel=1e-6)
    assert found["tv"] == pytest.approx(1e-3 * 255**2 / 2 / unit, rel=1e-6)
    assert weights(content_weight=3.0) == {"content": 3.0, "style": 100.0, "tv": pytest.approx(32.5125)}
    # half way is the recipe's own balance; 0.8 is 16 times as much
    assert weights(style_strength=0.8)["style"] == pytest.approx(16 * found["style"], rel=1e-6)


def test_carried_weights_are_those_of_the_network_that_they_are_made_for():
    """On a network whose silences are the typical ones, the relative loss is the recipe's, up to one factor for all."""
    settings = settings_of("crowson")
    found = converted(settings, 48, 64)
    there = TYPICAL["torchvision"]
    content = 0.015 * there["conv4_2"].squares  # a mean of squares
    for layer, weight in settings.style_layers.items():
        assert found.balance * found.style_layers[layer] == pytest.approx(
            weight * there[layer].squares / content, rel=1e-6
        )
    assert found.tv_weight == pytest.approx(2.0 / content)
    assert (found.content_weight, found.style_weight, found.tuned_for, found.means) == (
        None,
        None,
        None,
        ("tv",),
    )
    # a sum over 512 maps of 6 x 8 positions, halved, instead of a mean
    summed = converted(replace(settings, means=()), 48, 64)
    assert summed.balance == pytest.approx(found.balance / (512 * 48 / 2))


def test_an_unknown_preset():
    with pytest.raises(SettingsError, match="choose from gatys2016, "):
        nst.preset("vangogh")


def test_a_network_is_asked_for_only_where_it_is(monkeypatch):
    monkeypatch.setattr("nst.models.store.cache.is_cached", lambda name: name == "vgg19-torchvision")
    assert preset("crowson")["weights"] == "vgg19-torchvision"
    assert preset("gatys2016")["weights"] == "vgg19-embedded-normalised"
    assert "weights" not in preset("gatys-pytorch")
    assert preset("crowson", weights="embedded")["weights"] == "embedded"


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_runs_and_given_options_win(name, stylize):
    result = stylize("--preset", name, "--steps", "1", "--history", "7", "--trace", "t.json")
    assert result.status == 0, result.stderr
    told = "suit a" in result.stderr
    assert told == ("tuned_for" in PRESETS[name].settings)
    with open("t.json") as file:
        settings = json.load(file)["settings"]
    assert (settings["steps"], settings["size"], settings["history"]) == (1, 32, 7)
    recipe = PRESETS[name].settings
    for key in ("pooling", "init", "style_loss", "average", "padding", "rate", "optimizer"):
        if key in recipe:
            assert settings[key] == recipe[key], key
    if told:  # layer by layer, for this network
        assert settings["tuned_for"] is None
        assert sum(settings["style_layers"].values()) == pytest.approx(1.0)
        return
    for key in ("style_layers", "content_layers"):
        assert settings[key] == pytest.approx(recipe.get(key, settings[key]))
    assert tuple(settings["means"]) == recipe.get("means", ())


def test_options_before_the_preset_win_as_well(stylize):
    assert stylize("--steps", "1", "--preset", "fast", "--pooling", "max", "--trace", "t.json").status == 0
    with open("t.json") as file:
        settings = json.load(file)["settings"]
    assert (settings["steps"], settings["pooling"], settings["size"]) == (1, "max", 32)


def test_steps_that_go_on():
    assert split_steps((60, 30, "..."), (100, 200, 300)) == (60, 30, 30)
    assert split_steps((60, 30, "..."), (300,)) == (60,)
    with pytest.raises(SettingsError, match="2 numbers of steps for 3 scales"):
        split_steps((60, 30), (100, 200, 300))
    for steps in (("...",), (1, "...", 2), (1, "more")):
        with pytest.raises(SettingsError, match="steps is"):
            make_settings(content_layers={"conv1_1": 1.0}, style_layers={}, steps=steps)


def test_the_command(command):
    table = command("presets").stdout
    for name in PRESETS:
        assert f"\n{name} " in table
        assert f"\n{name}: {PRESETS[name].summary}\n" in table
    page = command("presets", "crowson").stdout
    assert "1000,500,..." in page
    assert "conv1_1=0.750733138" in page
    assert PRESETS["crowson"].note in page.replace("\n", " ") + " "


def test_the_table_in_the_documentation(root):
    lines = (root / "docs" / "presets.md").read_text().splitlines()
    for name in PRESETS:
        row = " | ".join([f"| `{name}`", *(cell(name, column) for column in COLUMNS)]) + " |"
        assert row in lines
