"""Moments, covariance and Wasserstein-2 against numbers worked out by hand, an eigendecomposition, and differences."""

import numpy as np
import pytest

from nst.backends import get_backend
from nst.losses.style import StyleTerm
from nst.losses.style_statistics import STYLE_LOSSES
from nst.losses.term import Totals
from nst.losses.wasserstein import RIDGE, square_root, wasserstein_energy, wasserstein_targets

BACKEND = get_backend("numpy")
# two channels at four positions: means 2 and 1, mean squares 5 and 3, variances 1 and 2, mean product 3
F = np.array([[3.0, 1.0, 3.0, 1.0], [1.0, 1.0, 3.0, -1.0]]).reshape(1, 2, 2, 2)


def means_of(f):
    """The three means, by their definitions."""
    batch, channels, rows, columns = f.shape
    flat = f.reshape(batch, channels, -1)
    second = np.stack([part @ part.T for part in flat]) / (rows * columns)
    kinds = {"first": flat.mean(2), "squares": (flat**2).mean(2)}
    return {kind: mean[:, :, None, None] for kind, mean in kinds.items()} | {"second": second}


def term_for(loss, channels, **options):
    return StyleTerm({"conv1_1": 1.0}, {"conv1_1": channels}, loss=STYLE_LOSSES[loss], **options)


def constants_for(loss, a):
    targets = STYLE_LOSSES[loss].targets(means_of(a))
    return {f"style/conv1_1/{name}": array for name, array in targets.items()}


def energy(loss, f, constants, backend=BACKEND, **options):
    """Value and gradient of the loss by the features themselves."""
    term = term_for(loss, f.shape[1], **options)

    def function(ops, x, c):
        statistics = term.statistics(ops, x, {"conv1_1": x}, c)
        value = term.energy(ops, Totals(statistics, c, {"conv1_1": f.shape[2] * f.shape[3]}))
        return value, {"style": value}

    c = {name: backend.from_numpy(array) for name, array in constants.items()}
    x = backend.from_numpy(f)
    result = backend.compile(function, x, c)(x, c)
    return float(result.total), np.asarray(result.gradient, np.float64)


def root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def wasserstein(f, a):
    """The formula, by eigendecompositions."""
    (n, m) = (g.reshape(g.shape[1], -1) for g in (f, a))
    S, S_a = (np.cov(g, bias=True) for g in (n, m))
    ridge = RIDGE * np.linalg.eigvalsh(S_a)[-1] * np.eye(len(S))
    S, S_a = S + ridge, S_a + ridge
    trace = np.trace(S + S_a - 2 * root(root(S_a) @ S @ root(S_a)))
    return (np.sum((n.mean(1) - m.mean(1)) ** 2) + trace) / len(S)


def test_means_by_hand():
    means = means_of(F)
    assert means["first"].ravel().tolist() == [2.0, 1.0]
    assert means["squares"].ravel().tolist() == [5.0, 3.0]
    assert means["second"][0].tolist() == [[5.0, 3.0], [3.0, 3.0]]
    term = term_for("covariance", 2)

    def function(ops, x, c):
        totals = Totals(term.statistics(ops, x, {"conv1_1": x}, c), {}, {"conv1_1": 4})
        return term.means(ops, totals)["conv1_1"]

    got = BACKEND.evaluate(function, F, {})
    assert sorted(got) == ["first", "second"]
    for kind, mean in got.items():
        np.testing.assert_array_equal(mean, means[kind])


def test_moments_by_hand():
    # against means 0 and 1 and deviations 1 and 0: (2^2 + 0 + 0 + sqrt(2)^2) / 2 = 3
    constants = {
        "style/conv1_1/mean": np.array([0.0, 1.0]).reshape(1, 2, 1, 1),
        "style/conv1_1/deviation": np.array([1.0, 0.0]).reshape(1, 2, 1, 1),
        "style/conv1_1/ridge": np.zeros((1, 2, 1, 1)),
    }
    assert energy("moments", F, constants)[0] == pytest.approx(3.0, rel=1e-14)


def test_covariance_by_hand():
    # Sigma = [[5 - 4, 3 - 2], [3 - 2, 3 - 1]] = [[1, 1], [1, 2]]; minus the identity: 0, 1, 1, 1; over 4 N^2 = 16
    constants = {"style/conv1_1/covariance": np.eye(2)[None]}
    assert energy("covariance", F, constants)[0] == pytest.approx(3 / 16, rel=1e-14)


def test_wasserstein_by_hand():
    # diagonal covariances: (sqrt(1) - sqrt(4))^2 + (sqrt(2) - sqrt(2))^2, and means 3 and 0 apart: (9 + 1) / 2
    ridge = 4 * RIDGE
    targets = wasserstein_targets(np.array([3.0, 0.0]).reshape(1, 2, 1, 1), np.diag([4.0, 2.0])[None])
    mean, covariance = np.zeros((1, 2, 1, 1)), np.diag([1.0, 2.0])[None]
    constants = {**targets, "S": covariance}

    def function(ops, x, c):
        return {"y": wasserstein_energy(ops, x, c["S"], c, 2)}

    want = (9 + (np.sqrt(1 + ridge) - np.sqrt(4 + ridge)) ** 2) / 2
    assert BACKEND.evaluate(function, mean, constants)["y"] == pytest.approx(want, rel=1e-12)
    assert want == pytest.approx(5.0, rel=1e-3)


@pytest.mark.parametrize(
    "shape", [(1, 6, 5, 7), (1, 12, 2, 3)], ids=["full-rank", "fewer-positions-than-channels"]
)
def test_wasserstein_equals_the_eigendecomposition(shape):
    rng = np.random.default_rng(1)
    f, a = np.maximum(rng.standard_normal((2, *shape)), 0)
    assert energy("w2", f, constants_for("w2", a))[0] == pytest.approx(wasserstein(f, a), rel=1e-9)


@pytest.mark.parametrize("loss", list(STYLE_LOSSES))
@pytest.mark.parametrize(
    "shape", [(1, 6, 5, 7), (1, 12, 2, 3)], ids=["full-rank", "fewer-positions-than-channels"]
)
def test_gradients_equal_differences(loss, shape):
    rng = np.random.default_rng(2)
    f, a, d = rng.standard_normal((3, *shape))
    constants, step = constants_for(loss, a), 1e-5
    slope = np.sum(energy(loss, f, constants)[1] * d)
    above, below = (energy(loss, f + sign * step * d, constants)[0] for sign in (1, -1))
    assert (above - below) / (2 * step) == pytest.approx(slope, rel=1e-6)


def test_the_wasserstein_gradient_equals_differences_of_the_eigendecomposition():
    rng = np.random.default_rng(3)
    f, a, d = rng.standard_normal((3, 1, 5, 4, 4))
    step = 1e-5
    slope = np.sum(energy("w2", f, constants_for("w2", a))[1] * d)
    difference = (wasserstein(f + step * d, a) - wasserstein(f - step * d, a)) / (2 * step)
    assert difference == pytest.approx(slope, rel=1e-6)


def test_square_root_serves_a_condition_of_a_million():
    rng = np.random.default_rng(4)
    vectors = np.linalg.qr(rng.standard_normal((30, 30)))[0]
    values = np.geomspace(1e-6, 1, 30)
    a = ((vectors * values) @ vectors.T)[None]
    want = (vectors * np.sqrt(values)) @ vectors.T
    errors = {}
    for dtype in ("float64", "float32"):
        backend = type(BACKEND)(dtype=dtype)
        identity = backend.from_numpy(np.eye(30)[None])
        y = backend.evaluate(
            lambda o, x, c: {"y": square_root(o, x, c["i"])}, backend.from_numpy(a), {"i": identity}
        )
        errors[dtype] = np.linalg.norm(y["y"][0] - want) / np.linalg.norm(want)
    assert errors["float64"] < 1e-4
    assert errors["float32"] < 2e-4


@pytest.mark.parametrize("loss", list(STYLE_LOSSES))
def test_the_loss_is_least_at_its_own_style(loss):
    rng = np.random.default_rng(5)
    a, other = rng.random((2, 1, 8, 3, 3))
    constants = constants_for(loss, a)
    here, gradient = energy(loss, a, constants)
    there, slope = energy(loss, other, constants)
    assert abs(here) < 1e-6 * there
    assert np.linalg.norm(gradient) < 1e-4 * np.linalg.norm(slope)
    for seed in range(5):
        near = a + 0.01 * np.random.default_rng(seed).standard_normal(a.shape)
        assert energy(loss, near, constants)[0] > here


@pytest.mark.parametrize("loss", ["covariance", "w2"])
def test_covariances_do_not_see_a_shift_of_a_channel(loss):
    rng = np.random.default_rng(6)
    f, a = rng.random((2, 1, 4, 5, 5))
    shift = np.array([1.0, 0.0, -2.0, 0.5]).reshape(1, 4, 1, 1)
    constants = constants_for(loss, a)
    change = energy(loss, f + shift, constants)[0] - energy(loss, f, constants)[0]
    means = (f.mean((0, 2, 3)) - a.mean((0, 2, 3)))[:, None, None]
    want = {"covariance": 0.0, "w2": np.sum((means + shift) ** 2 - means**2) / 4}
    assert change == pytest.approx(want[loss], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("loss", list(STYLE_LOSSES))
@pytest.mark.parametrize("style", ["silent", "flat"])
def test_a_style_without_variation_is_no_division_by_zero(loss, style):
    a = np.zeros((1, 4, 3, 3)) if style == "silent" else np.full((1, 4, 3, 3), 2.0)
    f = np.random.default_rng(7).random((1, 4, 3, 3))
    for picture in (a, f):
        value, gradient = energy(loss, picture, constants_for(loss, a), type(BACKEND)(dtype="float32"))
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("loss", list(STYLE_LOSSES))
def test_the_unit_is_the_loss_of_a_picture_without_features(loss):
    a = np.random.default_rng(8).random((1, 3, 4, 4))
    constants, term = constants_for(loss, a), term_for(loss, 3)
    got = BACKEND.evaluate(lambda o, x, c: term.featureless_losses(o, c), a, constants)["conv1_1"]
    expected = energy(loss, np.zeros((1, 3, 2, 2)), constants)[0]
    if loss == "covariance":  # and a hundredth of the Gram matrix, so that there is a unit for flat styles
        flat = a.reshape(3, 16)
        expected += np.square(0.01 * flat @ flat.T / 16).sum() / (4 * 3**2)
    assert got == pytest.approx(expected, rel=1e-12)
    assert got > 0


@pytest.mark.parametrize("loss", list(STYLE_LOSSES))
def test_a_mirrored_collage_has_the_same_statistics(loss):
    rng = np.random.default_rng(9)
    f, a = rng.random((2, 1, 4, 3, 5))
    constants = constants_for(loss, a)
    collage = np.concatenate([f, f[..., ::-1]], axis=2)
    assert energy(loss, collage, constants)[0] == pytest.approx(energy(loss, f, constants)[0], rel=1e-12)


@pytest.mark.parametrize("loss", list(STYLE_LOSSES))
def test_a_batch_is_the_sum_of_its_pictures(loss):
    rng = np.random.default_rng(10)
    f, a = rng.random((2, 2, 4, 5, 5))
    both = energy(loss, f, constants_for(loss, a))[0]
    single = [energy(loss, f[n : n + 1], constants_for(loss, a[n : n + 1]))[0] for n in (0, 1)]
    assert both == pytest.approx(sum(single), rel=1e-5)


def test_float32_carries_the_wasserstein_loss():
    """Activations as large as those of an unnormalised VGG19, fewer positions than channels."""
    rng = np.random.default_rng(11)
    f, a = 3000 * np.maximum(rng.standard_normal((2, 1, 64, 5, 6)) @ rng.standard_normal((6, 6)), 0)
    constants = constants_for("w2", a)
    want, slope = energy("w2", f, constants)
    got, gradient = energy("w2", f, constants, type(BACKEND)(dtype="float32"))
    assert got == pytest.approx(want, rel=1e-4)
    assert np.linalg.norm(gradient - slope) < 3e-3 * np.linalg.norm(slope)
