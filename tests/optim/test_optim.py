"""L-BFGS and Adam against textbook formulas, and each guard rail."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from nst.backends.numpy.space import NumpySpace
from nst.optim import LBFGS, Adam
from nst.optim.lbfgs import curvature_scale, two_loop
from nst.protocol import Evaluation

SPACE = NumpySpace()


def objective(function, gradient):
    """Of x (1, n), from functions of n numbers."""
    return lambda x: Evaluation(np.asarray(function(x[0])), {}, np.asarray(gradient(x[0]), x.dtype)[None])


def quadratic(diagonal):
    d = np.asarray(diagonal, float)
    return objective(lambda x: 0.5 * np.sum(d * x * x), lambda x: d * x)


def rosenbrock():
    return objective(
        lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2,
        lambda x: np.array([-2 * (1 - x[0]) - 400 * x[0] * (x[1] - x[0] ** 2), 200 * (x[1] - x[0] ** 2)]),
    )


def run(optimizer, f, x, steps):
    x = np.asarray(x, float)[None]
    state = optimizer.start(SPACE, x, f(x))
    states = [state]
    for _ in range(steps):
        state = optimizer.advance(SPACE, f, state)
        states.append(state)
        if state.stopped:
            break
    return states


@pytest.mark.parametrize("factor", [1.0, 3.0])
@pytest.mark.parametrize("k", [0, 1, 3, 7])
def test_two_loop_is_dense_bfgs(k, factor):
    # H_{j+1} = (I - rho s y^T) H_j (I - rho y s^T) + rho s s^T; Nocedal and Wright, eq. 6.17
    rng = np.random.default_rng(k)
    n = 12
    s = rng.standard_normal((k, n))
    curvature = rng.standard_normal((n, n))
    y = s @ (curvature @ curvature.T + np.eye(n))  # positive definite, so that s . y > 0
    g = rng.standard_normal(n)
    H = np.eye(n) * (factor * (s[-1] @ y[-1]) / (y[-1] @ y[-1]) if k else 1.0)
    for s_i, y_i in zip(s, y, strict=True):
        rho = 1 / (s_i @ y_i)
        V = np.eye(n) - rho * np.outer(y_i, s_i)
        H = V.T @ H @ V + rho * np.outer(s_i, s_i)
    basis = np.vstack([s, y, g])
    np.testing.assert_allclose(two_loop(basis @ basis.T, factor) @ basis, -H @ g, rtol=1e-8)


@pytest.mark.parametrize(("pairs", "factor"), [(0, 1.0), (3, 1.2), (10, 5 / 3), (30, 3.0), (100, 3.0)])
def test_the_reach_grows_with_the_pairs_up_to_three(pairs, factor):
    assert curvature_scale(pairs) == pytest.approx(factor)


def test_lbfgs_steps_are_dense_bfgs_steps():
    """The whole loop, Gram matrix carried along, against the recursion with matrices (unit steps)."""
    f = quadratic([1.0, 2.0, 4.0, 3.0])
    states = run(LBFGS(history=20), f, [1.0, -1.0, 0.5, 2.0], 5)
    pairs = []
    for before, after in itertools.pairwise(states[1:]):
        previous = states[len(pairs)]
        s, y = before.x[0] - previous.x[0], (before.evaluation.gradient - previous.evaluation.gradient)[0]
        pairs.append((s, y))
        H = np.eye(4) * (1 + len(pairs) / 15) * (s @ y) / (y @ y)
        for s_i, y_i in pairs:
            V = np.eye(4) - np.outer(y_i, s_i) / (s_i @ y_i)
            H = V.T @ H @ V + np.outer(s_i, s_i) / (s_i @ y_i)
        step = after.x[0] - before.x[0]
        expected = -H @ before.evaluation.gradient[0]
        cosine = step @ expected / np.linalg.norm(step) / np.linalg.norm(expected)
        assert cosine == pytest.approx(1.0, abs=1e-9)


def dense(height, width, power):
    """`smooth` as a matrix, from its effect on every pixel."""
    pixels = np.eye(height * width).reshape(-1, 1, height, width)
    return np.array([SPACE.smooth(pixel[None], power).ravel() for pixel in pixels]).T


def test_a_metric_is_lbfgs_in_the_pictures_that_the_filter_makes():
    # with x = F u the textbook's L-BFGS on u -> f(F u), whose gradient is F^T grad f
    F, rng = dense(6, 8, 0.5), np.random.default_rng(5)
    weights, goal = 1 + 9 * rng.random(48), rng.standard_normal(48)
    f = lambda x: 0.5 * np.sum(weights * (x - goal) ** 2) + 0.1 * np.sum((x - goal) ** 4)  # noqa: E731
    slope = lambda x: weights * (x - goal) + 0.4 * (x - goal) ** 3  # noqa: E731
    u = run(LBFGS(history=4), objective(lambda u: f(F @ u), lambda u: F.T @ slope(F @ u)), np.zeros(48), 12)

    def picture_objective(x):
        return Evaluation(np.asarray(f(x.ravel())), {}, slope(x.ravel()).reshape(x.shape))

    x = np.zeros((1, 1, 6, 8))
    state = (method := LBFGS(history=4, metric=1.0)).start(SPACE, x, picture_objective(x))
    for past in u[1:]:
        state = method.advance(SPACE, picture_objective, state)
        np.testing.assert_allclose(state.x.ravel(), F @ past.x[0], rtol=1e-7, atol=1e-10)
        assert state.total == pytest.approx(past.total)
    assert state.step == 12


def test_the_metric_weighs_waves_by_their_frequency_in_every_direction():
    # ((f + c) / (1/4 + c))^-1/2 with c = 4 / 32, f up to 1/4 in cycles per pixel
    F, n = dense(32, 32, 0.5), np.arange(32) + 0.5
    for i, j, f in (
        (0, 0, 0),
        (4, 0, 1 / 16),
        (0, 4, 1 / 16),
        (6, 8, 10 / 64),
        (12, 12, 1 / 4),
        (20, 20, 1 / 4),
    ):
        wave = np.outer(np.cos(np.pi * i * n / 32), np.cos(np.pi * j * n / 32)).ravel()
        np.testing.assert_allclose(F @ wave, ((f + 1 / 8) / (3 / 8)) ** -0.5 * wave, atol=1e-9)
    np.testing.assert_allclose(F, F.T, atol=1e-12)


def test_lbfgs_solves_rosenbrock():
    states = run(LBFGS(), rosenbrock(), [-1.2, 1.0], 80)
    np.testing.assert_allclose(states[-1].x[0], [1.0, 1.0], atol=1e-5)


def test_lbfgs_first_step_has_length_one():
    before, after = run(LBFGS(), quadratic([3.0, 4.0]), [30.0, -40.0], 1)
    step = after.x[0] - before.x[0]
    assert np.linalg.norm(step) == pytest.approx(1.0)
    g = before.evaluation.gradient[0]
    assert step @ g == pytest.approx(-np.linalg.norm(g))  # along steepest descent


def test_lbfgs_keeps_at_most_its_history():
    states = run(LBFGS(history=3), quadratic(np.arange(1.0, 9.0)), np.ones(8), 6)
    assert [len(state.slots) for state in states] == [0, 1, 2, 3, 3, 3, 3]
    last, xs = states[-1], np.vstack([state.x for state in states])
    gs = np.vstack([state.evaluation.gradient for state in states])
    basis = np.vstack([np.diff(xs, axis=0)[-3:], np.diff(gs, axis=0)[-3:], gs[-1:]])
    kept = last.stack[[*last.slots, *(slot + 3 for slot in last.slots)]]
    np.testing.assert_allclose(kept, basis[:-1], rtol=1e-12)
    # The cache is what it says. A sum of n products is right to n eps |a| |b| (Higham 2002, eq. 3.5), whatever it comes
    # to: here a step and the gradient are orthogonal, and what is left of their product depends on the BLAS.
    lengths = np.linalg.norm(basis, axis=1)
    bound = 2 * 8 * np.finfo(float).eps  # n = 8, and both sides are such sums
    cosines = (gram / np.outer(lengths, lengths) for gram in (last.gram, basis @ basis.T))
    np.testing.assert_allclose(*cosines, rtol=0, atol=bound)


def test_lbfgs_never_rises_beyond_rounding():
    totals = [state.total for state in run(LBFGS(), rosenbrock(), [-1.2, 1.0], 60)]
    assert all(b <= a * (1 + 2e-6) for a, b in itertools.pairwise(totals))


def test_lbfgs_backtracks_until_armijo_holds():
    # f = x^4 from 0.1: the first step of length one overshoots to 0.9 and must be shortened
    f = objective(lambda x: np.sum(x**4), lambda x: 4 * x**3)
    before, after = run(LBFGS(), f, [0.1], 1)
    t = (after.x[0, 0] - before.x[0, 0]) / -(4 * 0.1**3)
    assert after.total <= before.total - 1e-4 * t * (4 * 0.1**3) ** 2 + 1e-6 * before.total


def test_lbfgs_skips_a_pair_without_curvature():
    # along a straight slope the gradient does not change: y = 0
    f = objective(lambda x: np.sum(x), lambda x: np.ones_like(x))
    states = run(LBFGS(), f, [5.0, 5.0], 3)
    assert all(state.slots == () for state in states)
    assert states[-1].total == pytest.approx(10 - 3 * np.sqrt(2))


def test_lbfgs_forgets_its_history_when_the_direction_is_no_descent():
    state = run(LBFGS(), quadratic([1.0, 2.0]), [3.0, 1.0], 2)[-1]
    broken = state.gram.copy()
    broken[0, 2] = broken[2, 0] = -broken[0, 2]  # as if s . y were negative
    after = LBFGS().advance(SPACE, quadratic([1.0, 2.0]), replace(state, gram=broken))
    assert after.total < state.total


@pytest.mark.parametrize("optimizer", [LBFGS(), Adam(rate=0.5, box=None)], ids=["lbfgs", "adam"])
def test_stays_on_this_side_of_a_wall_of_nan(optimizer):
    # log(x) is not a number left of 0, where a descent of x - log(x)/10 from 0.3 with long steps would go
    with np.errstate(all="ignore"):
        f = objective(lambda x: np.sum(x - np.log(x) / 10), lambda x: 1 - 0.1 / x)
        states = run(optimizer, f, [0.3, 0.4], 30)
    assert all(np.isfinite(state.total) and (state.x > 0).all() for state in states)
    assert states[-1].total < states[0].total


@pytest.mark.parametrize("optimizer", [LBFGS(), Adam()], ids=["lbfgs", "adam"])
def test_stops_at_the_last_good_iterate_when_nothing_is_finite(optimizer):
    start = np.array([0.5, 0.25])
    f = objective(lambda x: 1.0 if np.array_equal(x, start) else np.nan, lambda x: np.array([1.0, 2.0]))
    states = run(optimizer, f, start, 5)
    assert [state.stopped for state in states] == [None, "non-finite"]
    assert np.array_equal(states[-1].x[0], start)
    assert states[-1].total == 1.0


def test_lbfgs_calls_a_slope_that_is_not_a_number_non_finite():
    f = quadratic([1.0, 2.0])
    state = run(LBFGS(), f, [3.0, 1.0], 1)[-1]
    after = LBFGS().advance(SPACE, f, replace(state, gram=np.full((1, 1), np.nan), slots=(), units=()))
    assert after.stopped == "non-finite"


def test_lbfgs_stops_where_the_gradient_vanishes():
    states = run(LBFGS(), quadratic([1.0, 1.0]), [0.0, 0.0], 3)
    assert [state.stopped for state in states] == [None, "converged"]


def test_lbfgs_stops_where_a_gradient_of_rounding_size_leads_nowhere():
    """ONNX at a minimum: no step lowers the loss, and one that is short enough to be taken moves no pixel."""
    f = objective(lambda x: 6e-14 + np.sum((x - 0.5) ** 2), lambda x: 2 * (x - 0.5) + 1e-9)
    calls = []

    def counted(x):
        calls.append(x)
        return f(x)

    space = NumpySpace("float32")
    x = np.full((1, 4), 0.5, np.float32)
    state = LBFGS().advance(space, counted, LBFGS().start(space, x, f(x)))
    assert (state.stopped, state.step) == ("converged", 0)
    assert len(calls) <= 25
    np.testing.assert_array_equal(calls[-1], x)


def test_adam_by_hand():
    # Kingma and Ba, algorithm 1, on f = x^2 from 1 with rate 0.1, beta 0.9 and 0.99
    f = objective(lambda x: np.sum(x * x), lambda x: 2 * x)
    _, one, two = run(Adam(rate=0.1, box=None), f, [1.0], 2)
    assert one.x[0, 0] == pytest.approx(0.9)  # the first step is rate * sign(g)
    x1 = 1 - 0.1 * 2 / (2 + 1e-8)
    m, v = 0.9 * 0.2 + 0.1 * 2 * x1, 0.99 * 0.04 + 0.01 * (2 * x1) ** 2
    expected = x1 - 0.1 * (m / (1 - 0.9**2)) / (np.sqrt(v / (1 - 0.99**2)) + 1e-8)
    assert two.x[0, 0] == pytest.approx(expected, rel=1e-12)


def test_adam_keeps_to_its_box():
    f = objective(lambda x: np.sum((x - 3) ** 2), lambda x: 2 * (x - 3))
    assert run(Adam(rate=0.4), f, [0.5], 4)[-1].x[0, 0] == 1.0


def test_states_are_not_changed_by_a_step():
    for optimizer in (LBFGS(), Adam()):
        states = run(optimizer, quadratic([1.0, 5.0]), [0.9, 0.8], 3)
        assert states[0].x.tolist() == [[0.9, 0.8]]


class CountingSpace(NumpySpace):
    def __init__(self):
        super().__init__()
        self.calls = []

    def products(self, stack, vectors):
        self.calls.append((len(stack), len(vectors)))
        return super().products(stack, vectors)


def test_an_lbfgs_step_asks_for_inner_products_once_and_for_as_many_at_every_step():
    """A backend that compiles a program for each shape has one."""
    space, f = CountingSpace(), quadratic(np.arange(1.0, 30.0))
    optimizer = LBFGS(history=4)
    state = optimizer.start(space, np.ones((1, 29)), f(np.ones((1, 29))))
    for _ in range(7):
        state = optimizer.advance(space, f, state)
    assert space.calls == [(8, 3)] * 7  # 4 pairs with the new s, y and g


def test_a_history_in_float16_takes_nearly_the_same_steps():
    """Rounding to float16 changes a vector by 2^-11 of each element at most."""
    f = quadratic([1.0, 2.0, 4.0, 3.0])
    full = run(LBFGS(), f, [1.0, -1.0, 0.5, 2.0], 6)
    half = run(LBFGS(half=True), f, [1.0, -1.0, 0.5, 2.0], 6)
    assert half[-1].stack.dtype == np.float16
    for a, b in zip(full, half, strict=True):
        np.testing.assert_allclose(b.x, a.x, atol=2e-3)
    assert abs(half[-1].total - full[-1].total) < 1e-4


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_a_history_in_float16_neither_overflows_nor_vanishes(scale):
    """Gradients of a picture are 1e-8 and smaller; float16 ends at 6e-8."""
    f = quadratic([1.0, 2.0, 4.0, 3.0])

    def scaled(x):
        evaluation = f(x)
        return Evaluation(scale * evaluation.total, evaluation.terms, scale * evaluation.gradient)

    states = run(LBFGS(half=True), scaled, [1.0, -1.0, 0.5, 2.0], 30)
    expected = run(LBFGS(), f, [1.0, -1.0, 0.5, 2.0], 30)
    assert states[-1].total / scale == pytest.approx(expected[-1].total, abs=1e-5)
