"""Textures without content, reconstructions without style."""

import numpy as np
import pytest
from PIL import Image

import nst
from nst.errors import SettingsError


@pytest.fixture
def style(pictures):
    """(36, 28, 3) uint8."""
    return np.asarray(Image.open(pictures.style))


@pytest.fixture
def options(small_network):
    return {"backend": "numpy", "weights": small_network}


def last_losses(content, style, **options):
    return list(nst.StyleTransfer(content, style, size="content", **options).iterate())[-1].losses().terms


def test_a_texture_is_of_the_style_pictures_kind_and_size(style, options):
    result = nst.texture(style, steps=1, **options)
    assert (result.dtype, result.shape) == (np.uint8, (36, 28, 3))
    result = nst.texture([Image.fromarray(style), style], (40, 20), steps=1, **options)
    assert isinstance(result, Image.Image)
    assert result.size == (40, 20)
    assert nst.texture(style / 255, 24, steps=1, **options).shape == (24, 19, 3)


@pytest.mark.slow
def test_a_texture_has_the_statistics_of_the_style_and_no_content(style, options):
    def style_loss(picture):
        return last_losses(picture, style, **options, content_layers=(), steps=0)["style"]

    made = nst.texture(style / 255, (32, 32), steps=30, scales=1, **options)
    noise = np.random.default_rng(0).random((32, 32, 3), np.float32)
    assert style_loss(made) < 0.5 * style_loss(noise)
    assert np.array_equal(made, nst.texture(style / 255, (32, 32), steps=30, scales=1, **options))


def test_the_style_keeps_its_own_size(style, options):
    """36 pixels beside 72 are half of it; beside 18 they are shrunk to 18."""
    from nst.synthesis import texture_arguments

    assert texture_arguments([style], (72, 50), {})["style_scale"] == 0.5
    assert texture_arguments([style], (18, 18), {})["style_scale"] == 1.0
    assert texture_arguments([style], (18, 18), {"style_scale": 2.0})["style_scale"] == 2.0


SHALLOW = "conv1_1,conv2_1,conv3_1"
"""Layers whose halo, 12 pixels, small pictures have."""


def test_a_circular_texture_has_no_seam(style, options):
    """The step from the last to the first row or column is like any other."""
    options |= {"padding": "circular", "tv_weight": 0.05, "style_layers": SHALLOW}
    made = nst.texture(style / 255, (48, 40), steps=40, **options)
    assert made.shape == (40, 48, 3)
    for axis in (0, 1):
        first, last = made.take(0, axis), made.take(-1, axis)
        assert 0.5 < np.abs(first - last).mean() / np.abs(np.diff(made, axis=axis)).mean() < 1.5
    assert nst.texture(style, (50, 37), steps=0, **options).shape == (36, 48, 3)


@pytest.mark.parametrize("style_loss", ["gram", "w2"])
@pytest.mark.parametrize("smoothing", [False, True])
def test_a_style_has_no_border_either_where_the_result_has_none(style_loss, smoothing, options):
    """Stripes that are their own mirror image at every side: the torus has the style of the picture."""
    wave = 0.5 + 0.4 * np.cos(2 * np.pi * (np.arange(48) + 0.5) / 8)
    stripes = np.repeat((wave[:, None] * wave)[..., None], 3, axis=2)
    transfer = nst.StyleTransfer(
        stripes, stripes, padding="circular", content_weight=0, style_layers=SHALLOW, style_loss=style_loss,
        smoothing=smoothing, scales=1, size="content", octave_noise=0, **options,
    )  # fmt: skip
    start = next(transfer.iterate())
    assert (
        start.losses().terms["style"] < 1e-5
    )  # 0.016 to 0.023 with an edge that is repeated; roots cost digits


def test_a_circular_picture_is_enlarged_without_a_seam(options):
    """A wave of one period stays one: enlarging it by itself would bend it at the border."""
    wave = np.sin(2 * np.pi * (np.arange(24) + 0.5) / 24)
    fine = 0.5 + 0.25 * np.sin(2 * np.pi * (np.arange(48) + 0.5) / 48)
    options |= {"padding": "circular", "style_layers": (), "content_layers": "conv1_1", "scales": (24, 48)}
    transfer = nst.StyleTransfer(np.full((48, 48, 3), 0.5), [], init="noise", steps=0, **options)
    coarse = np.broadcast_to(0.5 + 0.25 * wave, (1, 3, 24, 24)).astype(np.float32)
    for x in (coarse, coarse.swapaxes(2, 3)):
        found = transfer.start.go_on(x, 48, 48)
        found = found if x is coarse else found.swapaxes(2, 3)
        np.testing.assert_allclose(found, np.broadcast_to(fine, (1, 3, 48, 48)), atol=2e-3)


def test_a_circular_picture_wraps_around_once(style, options):
    with pytest.raises(SettingsError, match="conv5_1 needs 80x80 at least with circular padding"):
        nst.texture(style, (48, 48), padding="circular", **options)
    assert nst.texture(style, (96, 80), padding="circular", steps=0, **options).shape == (80, 96, 3)
    large = np.asarray(Image.fromarray(style).resize((256, 128)))
    transfer = nst.StyleTransfer(large, large, padding="circular", scales=4, size="content", **options)
    assert [longest for longest, _ in transfer.schedule] == [181, 256]  # 128 and 91 would be 64 and 45 high


def test_a_preset_makes_a_texture(style, options):
    recipe = nst.preset("crowson", steps=1, weights=options["weights"], backend="numpy")
    assert nst.texture(style, **{**recipe, "size": 32}).shape == (32, 25, 3)


def test_inversion_of_smoothed_features(pictures, options):
    """There is no style to take the temperature from: it is the content's."""
    content = np.asarray(Image.open(pictures.content)) / 255
    assert (
        nst.invert(content, "conv1_1", steps=1, smoothing=True, size="content", **options).shape
        == content.shape
    )
    transfer = nst.StyleTransfer(
        content,
        [],
        content_layers="conv1_1",
        style_layers=(),
        init="noise",
        smoothing=True,
        steps=40,
        size="content",
        **options,
    )
    first, *_, last = (record.losses().total for record in transfer.iterate())
    assert last < 0.05 * first


def test_inversion_matches_the_layer(pictures, options):
    content = np.asarray(Image.open(pictures.content)) / 255
    shallow = nst.invert(content, "conv1_1", steps=60, size="content", **options)
    assert (shallow.shape, shallow.dtype) == (content.shape, content.dtype)
    deep = nst.invert(content, "conv4_2", steps=60, size="content", **options)
    noise = np.random.default_rng(0).random(content.shape, np.float32)

    def content_loss(layer, picture):
        return last_losses(
            content, [], init=picture, content_layers=layer, style_layers=(), steps=0, **options
        )["content"]

    assert content_loss("conv4_2", deep) < 0.1 * content_loss("conv4_2", noise)
    assert content_loss("conv1_1", shallow) < 0.05 * content_loss("conv1_1", noise)
    far = [np.abs(picture - content).mean() for picture in (shallow, deep, noise)]
    assert far[0] < far[1]
    assert far[0] < 0.7 * far[2]


def test_no_style_picture(pictures, options):
    with pytest.raises(SettingsError, match="no style picture: give at least one"):
        nst.stylize(pictures.content, [], **options)
    with pytest.raises(SettingsError, match="no style picture: give at least one"):
        nst.texture([], **options)
    with pytest.raises(SettingsError, match="no style picture to start from"):
        nst.invert(pictures.content, init="statistics", size="content", **options)
    with pytest.raises(SettingsError, match="size is 0x5"):
        nst.texture(pictures.style, (0, 5), **options)


@pytest.fixture
def small(command, weights_file):
    """small(command, ...): with the small network on numpy, 2 steps."""

    def run(*arguments):
        return command(*arguments, "--weights", weights_file, "--backend", "numpy", "--steps", 2)

    return run


def test_the_texture_command(small, pictures, tmp_path):
    result = small("texture", pictures.style, "-o", "t.png", "--size", "40x24", "--trace", "t.json")
    assert result.status == 0, result.stderr
    assert Image.open("t.png").size == (40, 24)
    assert small("texture", pictures.style, pictures.other, "-o", "t.png").status == 0
    assert Image.open("t.png").size == (28, 36)
    assert small("texture", pictures.style, "-o", "t.png", "--preset", "crowson").status == 0
    assert Image.open("t.png").size == (28, 36)
    assert "is not a size" in small("texture", pictures.style, "-o", "t.png", "--size", "big").stderr
    assert "No such option" in small("texture", pictures.style, "-o", "t.png", "--content-weight", 1).stderr


@pytest.mark.slow
def test_the_invert_command(small, pictures):
    result = small("invert", pictures.content, "--layer", "conv2_1", "-o", "i.png", "--size", "32")
    assert result.status == 0, result.stderr
    assert Image.open("i.png").size == (32, 24)
    assert "of 2 steps" in result.stdout
    assert small("invert", pictures.content, "-o", "i.png", "--preset", "neural-style").status == 0
    assert "unknown layer" in small("invert", pictures.content, "--layer", "fc7", "-o", "i.png").stderr


@pytest.mark.parametrize("power", [1, 2])
def test_total_variation_goes_round_a_circular_picture(power, style, options):
    x = style[:32, :16].astype(np.float64) / 255
    losses = last_losses(
        *(x, []),
        **options,
        content_layers="conv1_1",
        style_layers=(),
        tv_weight=1.0,
        tv_power=power,
        padding="circular",
        steps=0,
    )
    around = sum((np.abs(np.roll(x, 1, axis) - x) ** power).sum() for axis in (0, 1))
    assert losses["tv"] == pytest.approx(around, rel=1e-6)
