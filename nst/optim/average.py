"""The average of the iterates, which is calmer than the last of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from nst.optim.optimizer import Objective, Optimizer, State
from nst.protocol import Evaluation, VectorSpace

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class AveragedState(State[T]):
    """The state of another optimiser and the average of its iterates so far."""

    inner: State[T]  # the other optimiser's own
    decay: float  # weight of the past
    past: T | None = None  # sum of (1 - decay) decay^(n - i) x_i over the iterates, None before the first
    count: int = 0  # n

    def result(self, space: VectorSpace[T]) -> T:
        """The average; the start picture before the first step."""
        if self.past is None:
            return self.x
        return space.lincomb([1.0 / (1.0 - self.decay**self.count)], [self.past])


@dataclass(frozen=True)
class Averaged:
    """An optimiser whose result is the exponential moving average of its iterates.

    With the bias correction of Kingma and Ba 2015, section 3. The iterates themselves are the other optimiser's.
    """

    optimizer: Optimizer  # makes the steps
    decay: float  # weight of the past in [0, 1)

    def start(self, space: VectorSpace[T], x: T, evaluation: Evaluation[T]) -> AveragedState[T]:
        """See `Optimizer`."""
        return self._around(self.optimizer.start(space, x, evaluation), None, 0)

    def advance(self, space: VectorSpace[T], objective: Objective[T], state: State[T]) -> AveragedState[T]:
        """See `Optimizer`."""
        assert isinstance(state, AveragedState)
        inner = self.optimizer.advance(space, objective, state.inner)
        if inner.stopped:
            return self._around(inner, state.past, state.count)
        past = [] if state.past is None else [(self.decay, state.past)]
        factors, vectors = zip(*past, (1.0 - self.decay, inner.x), strict=True)
        return self._around(inner, space.lincomb(factors, vectors), state.count + 1)

    def _around(self, inner: State[T], past: T | None, count: int) -> AveragedState[T]:
        return AveragedState(
            x=inner.x,
            evaluation=inner.evaluation,
            total=inner.total,
            step=inner.step,
            stopped=inner.stopped,
            inner=inner,
            decay=self.decay,
            past=past,
            count=count,
        )
