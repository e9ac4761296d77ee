"""Adam over a backend's vector space (Kingma and Ba 2015)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from nst.optim.optimizer import MAX_TRIALS, Objective, State
from nst.protocol import Arithmetic, Evaluation, VectorSpace

T = TypeVar("T")


@dataclass(frozen=True)
class AdamState(State[T]):
    """Adam's state: `moments` are the first and second raw moment, None before the first step."""

    moments: tuple[T, T] | None = None
    age: int = 0
    rate: float = 0.0


@dataclass(frozen=True)
class Adam:
    """Kingma and Ba 2015, algorithm 1, with a projection onto the box of valid pictures.

    Attributes:
        rate: step size, in units of the picture's range [0, 1].
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        epsilon: added to the root of the second moment.
        box: lowest and highest value, enforced after each step; None for none.

    Examples:
        >>> nst.stylize(content, style, steps=2, optimizer=nst.Adam(rate=0.05)).shape
        (32, 40, 3)
    """

    rate: float = 0.02
    beta1: float = 0.9
    beta2: float = 0.99
    epsilon: float = 1e-8
    box: tuple[float, float] | None = (0.0, 1.0)

    def start(self, space: VectorSpace[T], x: T, evaluation: Evaluation[T]) -> AdamState[T]:
        """See `Optimizer`."""
        total = float(space.scalars([evaluation.total])[0])
        return AdamState(x, evaluation, total, rate=self.rate)

    def advance(self, space: VectorSpace[T], objective: Objective[T], state: State[T]) -> AdamState[T]:
        """See `Optimizer`. Where the loss is not finite: back, forget the moments, halve the rate."""
        assert isinstance(state, AdamState)
        for _ in range(MAX_TRIALS):
            candidate = self._step(space, objective, state)
            if candidate is not None:
                return candidate
            state = replace(state, moments=None, age=0, rate=state.rate / 2)
        return replace(state, stopped="non-finite")

    def move(
        self,
        space: Arithmetic[T],
        x: T,
        gradient: T,
        moments: tuple[T, T] | None,
        *,
        age: float,
        rate: float,
    ) -> tuple[T, tuple[T, T]]:
        """The arithmetic of one step: the next iterate and its moments.

        `moments` are the first and second raw one before the step, None for zeros; `age` is the step's number, from 1.
        """
        squared = space.multiply(gradient, gradient)
        if moments is None:
            first = space.lincomb([1 - self.beta1], [gradient])
            second = space.lincomb([1 - self.beta2], [squared])
        else:
            first = space.lincomb([self.beta1, 1 - self.beta1], [moments[0], gradient])
            second = space.lincomb([self.beta2, 1 - self.beta2], [moments[1], squared])
        unbiased = space.lincomb([1 / (1 - self.beta2**age)], [second])
        direction = space.whiten(first, unbiased, self.epsilon)
        x = space.lincomb([1.0, -rate / (1 - self.beta1**age)], [x, direction])
        if self.box is not None:
            x = space.clip(x, *self.box)
        return x, (first, second)

    def _step(
        self, space: VectorSpace[T], objective: Objective[T], state: AdamState[T]
    ) -> AdamState[T] | None:
        age = state.age + 1
        x, moments = self.move(
            space, state.x, state.evaluation.gradient, state.moments, age=age, rate=state.rate
        )
        evaluation = objective(x)
        squared_norm = space.dots([(evaluation.gradient, evaluation.gradient)])[0]
        total = space.scalars([evaluation.total])[0]
        if not np.isfinite([total, squared_norm]).all():
            return None
        return replace(
            state,
            x=x,
            evaluation=evaluation,
            total=float(total),
            step=state.step + 1,
            moments=moments,
            age=age,
        )
