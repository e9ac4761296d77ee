"""The temporal loss against numbers by hand, finite differences, and through the engine at every size."""

import numpy as np
import pytest

import nst
from nst import get_backend
from nst.encoding.encoder import Encoder
from nst.engine.cache import Context
from nst.engine.stage import Stage
from nst.engine.weighting import losses_of
from nst.losses.objective import loss_function
from nst.losses.temporal import Temporal
from nst.pictures.picture import Picture
from nst.pictures.scene import make_scene
from nst.settings import Settings

BACKEND = get_backend("numpy")
WARPED = np.float32([[[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]])  # (1, 2, 3)
BELIEVED = np.float32([[1.0, 0.25]])


def objective(temporal, x, width, height):
    own = temporal.prepare(Encoder(BACKEND, None, (), height, width), None)
    function = loss_function([(own.term, own.weight)], None, height, width)
    return BACKEND.compile(function, x, own.shared)(x, own.shared)


def test_by_hand():
    """(1 * (0.01 + 0.04 + 0.09) + 0.25 * (0.16 + 0.25 + 0.36)) / 6 at x = 0, times the weight."""
    x = BACKEND.from_numpy(np.zeros((1, 3, 1, 2)))
    result = objective(Temporal(10.0, WARPED, BELIEVED), x, 2, 1)
    value = (0.14 + 0.25 * 0.77) / 6
    assert float(result.terms["temporal"]) == pytest.approx(value, rel=1e-6)
    assert float(result.total) == pytest.approx(10 * value, rel=1e-6)
    # d/dx = 2 c (x - w) / D
    expected = np.float64([[[-0.2, -0.2]], [[-0.4, -0.25]], [[-0.6, -0.3]]]) / 6 * 10
    np.testing.assert_allclose(BACKEND.to_numpy(result.gradient)[0], expected, rtol=1e-6)


def test_gradient_against_finite_differences():
    generator = np.random.default_rng(0)
    temporal = Temporal(3.0, generator.random((5, 4, 3), np.float32), generator.random((5, 4), np.float32))
    x, way = generator.random((1, 3, 5, 4)), generator.standard_normal((1, 3, 5, 4))

    def total(step):
        return float(objective(temporal, BACKEND.from_numpy(x + step * way), 4, 5).total)

    slope = (total(1e-4) - total(-1e-4)) / 2e-4
    gradient = BACKEND.to_numpy(objective(temporal, BACKEND.from_numpy(x), 4, 5).gradient)
    assert float((gradient * way).sum()) == pytest.approx(slope, rel=1e-6)


def test_it_is_a_mean_so_that_size_does_not_matter():
    flat = Temporal(1.0, np.full((6, 8, 3), 0.75, np.float32), np.ones((6, 8), np.float32))
    for width, height in ((8, 6), (16, 12), (4, 3)):
        x = BACKEND.from_numpy(np.full((1, 3, height, width), 0.25))
        assert float(objective(flat, x, width, height).total) == pytest.approx(0.25, rel=1e-6)


def test_what_is_not_believed_is_free():
    x = BACKEND.from_numpy(np.ones((1, 3, 1, 2)))
    result = objective(Temporal(1.0, WARPED, np.zeros((1, 2), np.float32)), x, 2, 1)
    assert float(result.total) == 0
    assert not BACKEND.to_numpy(result.gradient).any()


@pytest.fixture(scope="module")
def scene():
    generator = np.random.default_rng(1)
    return [Picture(generator.random((64, 80, 3), np.float32)) for _ in range(3)]


@pytest.mark.parametrize("side", [None, 32])
def test_beside_content_and_style_in_one_piece_and_in_windows(side, scene, small_network):
    content, style, warped = scene
    believed = np.random.default_rng(2).random((64, 80), np.float32)
    temporal = Temporal(50.0, warped.rgb, believed)
    settings = Settings(content_layers={"conv2_1": 1.0}, style_layers={"conv1_1": 1.0, "conv2_1": 1.0})
    x = BACKEND.from_numpy(np.random.default_rng(3).random((1, 3, 64, 80)))
    parts = []
    for extra in ((), (temporal,)):
        losses = (*losses_of(settings, small_network), *extra)
        context = Context(settings, small_network, BACKEND, (side,))
        parts.append(Stage(make_scene(content, [style], [1.0]), losses, context).evaluate(x))
    alone = objective(temporal, x, 80, 64)
    assert float(parts[1].total) == pytest.approx(float(parts[0].total) + float(alone.total), rel=1e-6)
    assert float(parts[1].terms["temporal"]) == pytest.approx(float(alone.terms["temporal"]), rel=1e-9)
    gradients = [BACKEND.to_numpy(part.gradient) for part in (*parts, alone)]
    np.testing.assert_allclose(gradients[1], gradients[0] + gradients[2], rtol=1e-4, atol=1e-9)


def test_through_a_pyramid(scene, small_network):
    """A weight that drowns everything else: the result is the warped picture, whatever the sizes on the way."""
    content, style, warped = (picture.rgb for picture in scene)
    smooth = np.repeat(np.repeat(warped[::16, ::16], 16, axis=0), 16, axis=1)
    temporal = Temporal(1e6, smooth, np.ones(smooth.shape[:2], np.float32))
    transfer = nst.StyleTransfer(
        content, style, backend=BACKEND, weights=small_network, steps=8, scales=(40, 80), extra_terms=[temporal],
        content_layers="conv2_1", style_layers="conv1_1,conv2_1", size="content", metric=0,
    )  # fmt: skip
    *_, record = transfer.iterate()
    assert record.scales == 2
    assert record.weights["temporal"] == 1e6
    np.testing.assert_allclose(record.image(), smooth, atol=0.02)
