"""What L-BFGS and Adam have in common: an immutable state, and a step that makes the next one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

from nst.protocol import Evaluation, VectorSpace

T = TypeVar("T")
Stop = Literal["converged", "non-finite"]
Objective: TypeAlias = Callable[[T], Evaluation[T]]

MAX_TRIALS = 12
"""Step lengths tried before a direction is given up; the last is below 2^-12 of the first."""


@dataclass(frozen=True)
class State(Generic[T]):
    """An iterate and what is known there."""

    x: T  # the picture
    evaluation: Evaluation[T]  # losses and gradient at x
    total: float  # the value of the objective at x, on the host
    step: int = 0  # how many steps led here
    stopped: Stop | None = None  # why no further step can be made, or None

    def result(self, space: VectorSpace[T]) -> T:
        """The picture to show: the iterate, unless an optimiser knows a better one, see `nst.optim.average`."""
        return self.x


class Optimizer(Protocol):
    """A descent method. `start` makes its state at a first picture, `advance` makes one step."""

    def start(self, space: VectorSpace[T], x: T, evaluation: Evaluation[T]) -> State[T]:
        """The state before the first step."""

    def advance(self, space: VectorSpace[T], objective: Objective[T], state: State[T]) -> State[T]:
        """The state after one more step, or the same iterate with `stopped` set."""
