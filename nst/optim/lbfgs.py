"""L-BFGS over a backend's vector space, in its vector-free form (Chen, Wang and Zhou 2014)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nst.optim.optimizer import MAX_TRIALS, Objective, State, Stop
from nst.protocol import Evaluation, VectorSpace

SPREAD = 1024.0
"""Norm of a vector kept in float16: its elements are 1 for a picture of 10^6 numbers, and far from both ends else."""

FARTHEST = 3.0
PAIRS = 15
"""See `curvature_scale`; measured on VGG19 with 10 and 100 pairs, docs/history/benchmarks.md."""

T = TypeVar("T")
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class LBFGSState(State[T]):
    """The state of L-BFGS. It is good until the next one is made, which writes into the same stack."""

    # the pairs as rows: steps s = x_{k+1} - x_k, and in the lower half of the rows y, the change of the
    # gradient over each. A ring: the newest pair takes the place of the oldest
    stack: T = field(kw_only=True, metadata={"stack": True})
    slots: tuple[int, ...] = ()  # rows of the s that there are, oldest first
    units: tuple[float, ...] = ()  # what each of (s..., y...) is to be multiplied by; 1 unless in float16
    # inner products of the basis (s..., y..., g), oldest first, (2k + 1, 2k + 1), on the host
    gram: Float64 = field(default_factory=lambda: np.zeros((1, 1)), metadata={"host": True})


@dataclass(frozen=True)
class LBFGS:
    """Vector-free L-BFGS (Chen, Wang and Zhou 2014) with Armijo backtracking.

    The two-loop recursion (Nocedal and Wright, algorithm 7.4, with a larger `curvature_scale`) runs on the host, in
    float64, on the Gram matrix of the basis (s, y, g). The device keeps the pairs as rows of one matrix, so that a step
    is two products with it, of one shape throughout: the inner products of the new s, y and g, and the direction.

    With a `metric` the picture is x = F u, F a filter that makes coarse frequencies stronger, and it is u that L-BFGS
    moves: s, y and g are those of u, F^T grad among them, and a direction becomes one of the picture by F once more.
    That is a first guess F F^T of the inverse Hessian (a Sobolev gradient, Neuberger 1997).

    Attributes:
        history: pairs (s, y) kept; each costs two pictures of memory, or one with `half`.
        metric: how much longer coarse waves are moved than fine ones where no pair knows better: the first guess of the
            inverse Hessian falls with the frequency to this power. 0 is the textbook's; with 1 a painting takes about
            two thirds of the steps (docs/benchmarks.md).
        half: keep the pairs in float16, scaled so that their elements are about 1.
        armijo: c_1, the least share of the predicted decrease (Nocedal and Wright, eq. 3.4).
        slack: relative rise of the loss taken for rounding error of the working precision.

    Examples:
        >>> nst.stylize(content, style, steps=2, optimizer=nst.LBFGS(history=5)).shape
        (32, 40, 3)
    """

    history: int = 10
    metric: float = 0.0
    armijo: float = 1e-4
    slack: float = 1e-6
    half: bool = False

    def start(self, space: VectorSpace[T], x: T, evaluation: Evaluation[T]) -> LBFGSState[T]:
        """See `Optimizer`."""
        evaluation = self._measured(space, evaluation)
        stack = space.stack(2 * self.history, x, self.half)
        squared_norm = space.dots([(evaluation.gradient, evaluation.gradient)])
        total = float(space.scalars([evaluation.total])[0])
        return LBFGSState(x, evaluation, total, stack=stack, gram=squared_norm.reshape(1, 1))

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
            if not state.slots:
                break
        return replace(state, stopped=stop)

    def _search(
        self, space: VectorSpace[T], objective: Objective[T], state: LBFGSState[T]
    ) -> tuple[LBFGSState[T] | None, Stop]:
        coefficients = two_loop(state.gram, curvature_scale(len(state.slots)))
        slope = float(coefficients @ state.gram[:, -1])
        if not slope < 0.0:  # not a descent direction, or not a number
            return None, "converged" if np.isfinite(slope) else "non-finite"
        direction = self._combination(space, state, coefficients)
        move = self._smooth(space, direction)
        t = 1.0 if state.slots else 1.0 / np.sqrt(state.gram[-1, -1])
        stop: Stop = "converged"
        for _ in range(MAX_TRIALS):
            x = space.lincomb([1.0, t], [state.x, move])
            evaluation = self._measured(space, objective(x))
            s = direction if t == 1.0 else space.lincomb([t], [direction])
            y = space.lincomb([1.0, -1.0], [evaluation.gradient, state.evaluation.gradient])
            gram = self._extended(state, space.products(state.stack, [s, y, evaluation.gradient]))
            total = float(space.scalars([evaluation.total])[0])
            finite = bool(np.isfinite(gram).all() and np.isfinite(total))
            bound = state.total + self.armijo * t * slope + self.slack * abs(state.total)
            if finite and total <= bound:
                if total == state.total and gram[-2, -2] == 0.0:  # y . y
                    return None, "converged"  # the step is too short for the precision of the picture
                point = replace(state, x=x, evaluation=evaluation, total=total, step=state.step + 1)
                return self._remember(space, point, s, y, gram), "converged"
            stop = "converged" if finite else "non-finite"
            t *= _shrink(state.total, slope, t, total) if finite else 0.1
        return None, stop

    def _smooth(self, space: VectorSpace[T], a: T) -> T:
        """F a, which is F^T a."""
        return space.smooth(a, self.metric / 2) if self.metric else a

    def _measured(self, space: VectorSpace[T], evaluation: Evaluation[T]) -> Evaluation[T]:
        """With the gradient by u."""
        return replace(evaluation, gradient=self._smooth(space, evaluation.gradient))

    def _rows(self, state: LBFGSState[T]) -> list[int]:
        """Of (s..., y...) in the stack, oldest first."""
        return [*state.slots, *(slot + self.history for slot in state.slots)]

    def _combination(self, space: VectorSpace[T], state: LBFGSState[T], coefficients: Float64) -> T:
        """Of the basis (s..., y..., g)."""
        if not state.slots:
            return space.lincomb([coefficients[-1]], [state.evaluation.gradient])
        factors = np.zeros(2 * self.history)
        factors[self._rows(state)] = coefficients[:-1] * state.units
        past = space.combine(list(factors), state.stack)
        return space.lincomb([1.0, coefficients[-1]], [past, state.evaluation.gradient])

    def _extended(self, state: LBFGSState[T], products: Float64) -> Float64:
        """Inner products of (old s, old y, new s, y, g), from those of the stack's rows and the new vectors."""
        new = products[[*self._rows(state), -3, -2, -1]] * np.array([*state.units, 1.0, 1.0, 1.0])[:, None]
        count = len(new)
        gram = np.zeros((count, count))
        gram[:-3, :-3] = state.gram[:-1, :-1]
        gram[:, -3:] = new
        gram[-3:, :] = new.T
        return gram

    def _remember(
        self, space: VectorSpace[T], state: LBFGSState[T], s: T, y: T, gram: Float64
    ) -> LBFGSState[T]:
        """The pair takes its place in the ring, unless it has no curvature; the Gram matrix is carried along."""
        k = len(state.slots)
        old_s, old_y, (new_s, new_y, new_g) = [*range(k)], [*range(k, 2 * k)], range(2 * k, 2 * k + 3)
        if gram[new_s, new_y] <= 1e-10 * np.sqrt(gram[new_s, new_s] * gram[new_y, new_y]):
            kept = [*old_s, *old_y, new_g]
            return replace(state, gram=gram[np.ix_(kept, kept)])
        slot = (state.slots[-1] + 1) % self.history if k else 0
        first = 1 if k == self.history else 0
        # a gradient's own elements may lie below float16
        unit_s, unit_y = (
            (float(np.sqrt(gram[i, i])) / SPREAD or 1.0) if self.half else 1.0 for i in (new_s, new_y)
        )
        stack = space.put(state.stack, slot, s, 1.0 / unit_s)
        stack = space.put(stack, slot + self.history, y, 1.0 / unit_y)
        kept = [*old_s[first:], new_s, *old_y[first:], new_y, new_g]
        return replace(
            state,
            stack=stack,
            slots=(*state.slots[first:], slot),
            units=(*state.units[first:k], unit_s, *state.units[k + first :], unit_y),
            gram=gram[np.ix_(kept, kept)],
        )


def two_loop(gram: Float64, factor: float = 1.0) -> Float64:
    """Coefficients of the L-BFGS direction -H g in the basis (s_1..s_k, y_1..y_k, g), oldest first.

    `gram` holds the inner products of the basis, (2k + 1, 2k + 1); every s_i . y_i is positive. The first guess of H is
    s_k . y_k / y_k . y_k times `factor`; see `curvature_scale`.
    """
    k = len(gram) // 2
    coefficients = np.zeros(2 * k + 1)
    coefficients[-1] = -1.0
    alpha = np.zeros(k)
    for i in reversed(range(k)):
        alpha[i] = coefficients @ gram[:, i] / gram[i, k + i]
        coefficients[k + i] -= alpha[i]
    if k:
        coefficients *= factor * gram[k - 1, 2 * k - 1] / gram[2 * k - 1, 2 * k - 1]
    for i in range(k):
        beta = coefficients @ gram[:, k + i] / gram[i, k + i]
        coefficients[i] += alpha[i] - beta
    return coefficients


def curvature_scale(pairs: int) -> float:
    """Factor of the textbook's scaling s.y / y.y of the last pair (Nocedal and Wright, eq. 7.20).

    It is the guess of the inverse curvature in all directions that no pair knows, and too small for a network of
    rectifiers: the gradient jumps at every kink that a step passes, and the jumps lengthen y without being curvature
    along s. The first pairs hold the steepest directions, so it may grow with their number.
    """
    return min(FARTHEST, 1.0 + pairs / PAIRS)


def _forget(state: LBFGSState[T]) -> LBFGSState[T]:
    return replace(state, slots=(), units=(), gram=state.gram[-1:, -1:])


def _shrink(total: float, slope: float, t: float, trial: float) -> float:
    """Minimum of the parabola through f(0), f'(0), f(t), kept within [0.1, 0.5] (Nocedal and Wright, eq. 3.58)."""
    curvature = trial - total - slope * t
    return float(np.clip(-slope * t / (2 * curvature), 0.1, 0.5))
