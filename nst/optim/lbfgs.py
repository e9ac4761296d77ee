"""L-BFGS over a backend's vector space, in its vector-free form (Chen, Wang and Zhou 2014)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nst.optim.optimizer import MAX_TRIALS, Objective, State, Stop
from nst.protocol import Evaluation, VectorSpace

__all__ = ["LBFGS", "two_loop"]

SPREAD = 1024.0
"""Norm of a vector kept in float16: its elements are 1 for a picture of 10^6 numbers, and far from both ends else."""

T = TypeVar("T")
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class LBFGSState(State[T]):
    """The state of L-BFGS.

    Attributes:
        s: steps x_{k+1} - x_k, oldest first.
        y: changes of the gradient over the same steps.
        units: what each of (s..., y...) is to be multiplied by; 1 unless they are kept in float16.
        gram: inner products of the basis (s..., y..., g), (2k + 1, 2k + 1), on the host.
    """

    s: tuple[T, ...] = ()
    y: tuple[T, ...] = ()
    units: tuple[float, ...] = ()
    gram: Float64 = field(default_factory=lambda: np.zeros((1, 1)), metadata={"host": True})


@dataclass(frozen=True)
class LBFGS:
    """Vector-free L-BFGS (Chen, Wang and Zhou 2014) with Armijo backtracking.

    The two-loop recursion (Nocedal and Wright, algorithm 7.4) runs on the host, in float64, on the Gram matrix of the
    basis (s, y, g). The device computes 3 (2k + 1) new inner products a step and one linear combination.

    Attributes:
        history: pairs (s, y) kept; each costs two pictures of memory, or one with `half`.
        half: keep the pairs in float16, scaled so that their elements are about 1.
        armijo: c_1, the least share of the predicted decrease (Nocedal and Wright, eq. 3.4).
        slack: relative rise of the loss taken for rounding error of the working precision.
    """

    history: int = 10
    armijo: float = 1e-4
    slack: float = 1e-6
    half: bool = False

    def start(self, space: VectorSpace[T], x: T, evaluation: Evaluation[T]) -> LBFGSState[T]:
        """See `Optimizer`."""
        squared_norm = space.dots([(evaluation.gradient, evaluation.gradient)])
        total = float(space.scalars([evaluation.total])[0])
        return LBFGSState(x, evaluation, total, gram=squared_norm.reshape(1, 1))

    def advance(self, space: VectorSpace[T], objective: Objective[T], state: State[T]) -> LBFGSState[T]:
        """See `Optimizer`. When no step along the direction will do, once more from steepest descent."""
        assert isinstance(state, LBFGSState)
        if state.gram[-1, -1] == 0.0:
            return replace(state, stopped="converged")
        stop: Stop = "converged"
        for attempt in (state, _forget(state)):
            candidate, stop = self._search(space, objective, attempt)
            if candidate is not None:
                return candidate
            if not state.s:
                break
        return replace(state, stopped=stop)

    def _search(
        self, space: VectorSpace[T], objective: Objective[T], state: LBFGSState[T]
    ) -> tuple[LBFGSState[T] | None, Stop]:
        coefficients = two_loop(state.gram)
        slope = float(coefficients @ state.gram[:, -1])
        if not slope < 0.0:  # not a descent direction, or not a number
            return None, "converged" if np.isfinite(slope) else "non-finite"
        basis = [*state.s, *state.y, state.evaluation.gradient]
        direction = space.lincomb(list(coefficients * [*state.units, 1.0]), basis)
        t = 1.0 if state.s else 1.0 / np.sqrt(state.gram[-1, -1])
        stop: Stop = "converged"
        for _ in range(MAX_TRIALS):
            x = space.lincomb([1.0, t], [state.x, direction])
            evaluation = objective(x)
            s = direction if t == 1.0 else space.lincomb([t], [direction])
            y = space.lincomb([1.0, -1.0], [evaluation.gradient, state.evaluation.gradient])
            pairs, factors = _new_pairs(state, s, y, evaluation.gradient)
            products = space.dots(pairs) * factors
            total = float(space.scalars([evaluation.total])[0])
            finite = bool(np.isfinite(products).all() and np.isfinite(total))
            bound = state.total + self.armijo * t * slope + self.slack * abs(state.total)
            if finite and total <= bound:
                if total == state.total and products[4 * len(state.s) + 2] == 0.0:  # y . y
                    return None, "converged"  # the step is too short for the precision of the picture
                point = replace(state, x=x, evaluation=evaluation, total=total, step=state.step + 1)
                return self._remember(space, point, s, y, products), "converged"
            stop = "converged" if finite else "non-finite"
            t *= _shrink(state.total, slope, t, total) if finite else 0.1
        return None, stop

    def _remember(
        self, space: VectorSpace[T], state: LBFGSState[T], s: T, y: T, products: Float64
    ) -> LBFGSState[T]:
        """Extend the history by a pair, drop the oldest, and carry the Gram matrix along."""
        k = len(state.s)
        old = list(range(2 * k))
        # order of `gram` here: old s, old y, new s, new y, new g
        gram = np.zeros((2 * k + 3, 2 * k + 3))
        gram[: 2 * k, : 2 * k] = state.gram[: 2 * k, : 2 * k]
        for position, (i, j) in enumerate(_new_positions(k)):
            gram[i, j] = gram[j, i] = products[position]
        new_s, new_y, new_g = 2 * k, 2 * k + 1, 2 * k + 2
        (s, unit_s), (y, unit_y) = (
            self._kept(space, vector, gram[i, i]) for vector, i in ((s, new_s), (y, new_y))
        )
        all_s, all_y = [*state.s, s], [*state.y, y]
        units_s, units_y = [*state.units[:k], unit_s], [*state.units[k:], unit_y]
        index_s, index_y = [*old[:k], new_s], [*old[k:], new_y]
        curvature = gram[new_s, new_y]
        if curvature <= 1e-10 * np.sqrt(gram[new_s, new_s] * gram[new_y, new_y]):
            all_s, all_y, index_s, index_y = all_s[:-1], all_y[:-1], index_s[:-1], index_y[:-1]
            units_s, units_y = units_s[:-1], units_y[:-1]
        first = max(0, len(all_s) - self.history)
        keep = [*index_s[first:], *index_y[first:], new_g]
        return replace(
            state,
            s=tuple(all_s[first:]),
            y=tuple(all_y[first:]),
            units=(*units_s[first:], *units_y[first:]),
            gram=gram[np.ix_(keep, keep)],
        )

    def _kept(self, space: VectorSpace[T], vector: T, squared_norm: float) -> tuple[T, float]:
        """A vector as the history keeps it, and its unit: a gradient's own elements may lie below float16."""
        if not self.half:
            return vector, 1.0
        unit = float(np.sqrt(squared_norm)) / SPREAD or 1.0
        return space.half(space.lincomb([1.0 / unit], [vector])), unit


def two_loop(gram: Float64) -> Float64:
    """Coefficients of the L-BFGS direction -H g in the basis (s_1..s_k, y_1..y_k, g), oldest first.

    Args:
        gram: inner products of the basis, (2k + 1, 2k + 1); every s_i . y_i is positive.
    """
    k = len(gram) // 2
    coefficients = np.zeros(2 * k + 1)
    coefficients[-1] = -1.0
    alpha = np.zeros(k)
    for i in reversed(range(k)):
        alpha[i] = coefficients @ gram[:, i] / gram[i, k + i]
        coefficients[k + i] -= alpha[i]
    if k:
        coefficients *= gram[k - 1, 2 * k - 1] / gram[2 * k - 1, 2 * k - 1]
    for i in range(k):
        beta = coefficients @ gram[:, k + i] / gram[i, k + i]
        coefficients[i] += alpha[i] - beta
    return coefficients


def _forget(state: LBFGSState[T]) -> LBFGSState[T]:
    return replace(state, s=(), y=(), units=(), gram=state.gram[-1:, -1:])


def _new_positions(k: int) -> list[tuple[int, int]]:
    """Where the inner products of the new s, y, g with everything go; k pairs are old."""
    return [(i, j) for i in (2 * k, 2 * k + 1, 2 * k + 2) for j in range(i + 1)]


def _new_pairs(state: LBFGSState[T], s: T, y: T, gradient: T) -> tuple[list[tuple[T, T]], Float64]:
    """The vectors of the new inner products, and what each product is to be multiplied by."""
    basis, units = [*state.s, *state.y, s, y, gradient], [*state.units, 1.0, 1.0, 1.0]
    positions = _new_positions(len(state.s))
    return [(basis[i], basis[j]) for i, j in positions], np.array([units[i] * units[j] for i, j in positions])


def _shrink(total: float, slope: float, t: float, trial: float) -> float:
    """Minimum of the parabola through f(0), f'(0), f(t), kept within [0.1, 0.5] (Nocedal and Wright, eq. 3.58)."""
    curvature = trial - total - slope * t
    return float(np.clip(-slope * t / (2 * curvature), 0.1, 0.5))
