"""A picture in windows: the same losses, weights and gradient as the picture at once."""

import numpy as np
import pytest

from nst.backends import get_backend
from nst.engine.cache import Context
from nst.engine.stage import Stage
from nst.engine.weighting import losses_of
from nst.pictures.masks import Masks
from nst.pictures.picture import Picture, planar
from nst.pictures.scene import make_scene
from nst.settings import make_settings

HEIGHT, WIDTH = 205, 243  # divide by nothing
SETTINGS = {
    "content_layers": {"conv4_2": 1.0},
    "style_layers": dict.fromkeys(("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"), 0.2),
    "tv_weight": 0.01,
}


def picture(seed, height, width):
    """Smooth structure and noise."""
    rng = np.random.default_rng(seed)
    waves = np.sin(np.outer(np.arange(height), rng.random(3))[:, None] + np.arange(width)[:, None] / 9)
    return Picture(np.clip(0.5 + 0.3 * waves + 0.1 * rng.standard_normal(waves.shape), 0, 1).astype("f4"))


CONTENT, STYLES = picture(1, HEIGHT, WIDTH), [picture(2, 230, 200), picture(3, 64, 300)]
# all but the deepest block: windows, and with them the picture, of half the side
LESS = {
    "content_layers": {"conv3_2": 1.0},
    "style_layers": dict.fromkeys(("conv1_1", "conv2_1", "conv3_1", "conv4_1"), 0.25),
    "content": picture(1, 101, 121),
    "styles": [picture(2, 115, 100), picture(3, 64, 150)],
}


def stage(small_network, backend, side, masks=None, content=CONTENT, styles=STYLES, **options):
    settings = make_settings(**SETTINGS | options)
    scene = make_scene(content, styles, [0.3, 0.7], masks)
    return Stage(
        scene, losses_of(settings, small_network), Context(settings, small_network, backend, (side,))
    )


def evaluate(small_network, backend, side, **options):
    made = stage(small_network, backend, side, **options)
    problem, content = made.problem, made.scene.content
    x = backend.from_numpy(planar(picture(4, content.height, content.width)))
    evaluation = made.evaluate(x)
    names = sorted(evaluation.terms)
    numbers = backend.space.scalars([evaluation.total, *(evaluation.terms[name] for name in names)])
    weights = [weight for _, weight in problem.terms]
    return np.concatenate([numbers, weights]), backend.to_numpy(evaluation.gradient), problem


def region():
    mask = np.zeros((40, 50), np.float32)
    mask[5:30, 10:] = 1
    mask[20:, 5:40] = 0.5
    return mask


OPTIONS = {
    "gram": {},
    "moments": {"style_loss": "moments"},
    "covariance": {"style_loss": "covariance"},
    "w2": {"style_loss": "w2"},
    "smoothed": {"smoothing": True},
    "max": {"pooling": "max"},
    "no content": {"content_weight": 0},
    "style of nothing": {"style_weight": 0},
    "zeros outside": {"padding": "zero"},
    "swapped": {"content_swap": 0.7},
    "swapped regions": {
        "content_swap": 1.0,
        "masks": Masks((region(), None), (region(), None), protect=region(), feather=3.0),
    },
    "smoothed and swapped": {"smoothing": True, "content_swap": 1.0},
    "regions": {"masks": Masks((region(), None), content=region(), feather=3.0)},
    "source masks": {"masks": Masks((), (region(), None), protect=region())},
    "smoothed regions": {"smoothing": True, "masks": Masks((region(), None), content=region())},
}


DEEP = {"gram", "regions"}


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_every_loss_is_exact(small_network, name):
    backend = get_backend("numpy", dtype="float64")
    side, options = (200, OPTIONS[name]) if name in DEEP else (96, LESS | OPTIONS[name])
    whole, gradient, problem = evaluate(small_network, backend, None, **options)
    tiled, in_windows, pieces = evaluate(small_network, backend, side, **options)
    assert len(problem.encoder.views) == 1
    assert len(pieces.encoder.views) >= 4
    np.testing.assert_allclose(tiled, whole, rtol=1e-11)
    np.testing.assert_allclose(in_windows, gradient, atol=1e-11 * np.abs(gradient).max(), rtol=0)


@pytest.mark.slow
def test_a_circular_picture_is_exact(small_network):
    backend, content = get_backend("numpy", dtype="float64"), picture(1, 96, 128)
    options = LESS | {"content": content, "padding": "circular"}
    whole, gradient, _ = evaluate(small_network, backend, None, **options)
    tiled, in_windows, pieces = evaluate(small_network, backend, 112, **options)
    assert len(pieces.encoder.views) >= 2
    np.testing.assert_allclose(tiled, whole, rtol=1e-11)
    np.testing.assert_allclose(in_windows, gradient, atol=1e-11 * np.abs(gradient).max(), rtol=0)


def test_a_circular_picture_has_no_border(small_network):
    """Rolled by whole positions of the deepest layer, it has the rolled gradient."""
    backend = get_backend("numpy", dtype="float64")
    options = {"padding": "circular", "content_weight": 0, "tv_weight": 0, "content": picture(1, 64, 96)}
    objective = stage(small_network, backend, None, **options).evaluate
    x = planar(picture(4, 64, 96))
    gradient = backend.to_numpy(objective(backend.from_numpy(x)).gradient)
    rolled = np.roll(x, (16, 48), axis=(2, 3))
    of_rolled = backend.to_numpy(objective(backend.from_numpy(rolled)).gradient)
    expected = np.roll(gradient, (16, 48), axis=(2, 3))
    np.testing.assert_allclose(of_rolled, expected, atol=1e-12 * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize("name", ["torch", pytest.param("tf", marks=pytest.mark.slow), "onnx"])
def test_every_backend_is_exact_to_rounding(small_network, name):
    """Within the limit of the conformance table for a gradient in float32."""
    from nst.conformance.compare import tolerance

    backend = get_backend(name, "cpu")
    whole, gradient, _ = evaluate(small_network, backend, None)
    tiled, in_windows, _ = evaluate(small_network, backend, 200)
    np.testing.assert_allclose(tiled, whole, rtol=tolerance("float32", "loss").limit)
    error = np.linalg.norm(in_windows - gradient) / np.linalg.norm(gradient)
    assert error < tolerance("float32", "gradient").limit


@pytest.mark.slow
def test_no_seam(small_network):
    """The error is not larger along the cuts than elsewhere, and no larger than rounding."""
    backend = get_backend("numpy", dtype="float32")
    _, gradient, _ = evaluate(small_network, backend, None)
    _, in_windows, pieces = evaluate(small_network, backend, 200)
    error = np.abs(in_windows - gradient)[0].max(axis=0)
    cuts = {view.window.columns.low for view in pieces.encoder.views} - {0}
    near = np.zeros(WIDTH, bool)
    for cut in cuts:
        near[cut - 2 : cut + 2] = True
    assert error[:, near].max() < 3e-6 * np.abs(gradient).max()
    assert error[:, near].mean() < 3 * error[:, ~near].mean()


def test_onnx_compiles_nothing_while_it_runs(small_network, monkeypatch):
    """A program for each function and shape at the first evaluation, none at the next."""
    from nst.backends.onnx import backend as onnx_backend

    built = []

    class Counted(onnx_backend.Program):
        def __init__(self, *arguments, **options):
            built.append(1)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(onnx_backend, "Program", Counted)
    backend, content = get_backend("onnx", "cpu"), picture(1, 200, 210)
    objective = stage(small_network, backend, 224, content=content, padding="replicate").evaluate
    x = backend.from_numpy(planar(content))
    objective(x)
    first = len(built)
    objective(x)
    assert len(built) == first
