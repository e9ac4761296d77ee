"""One size of the optimisation, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nst.engine.loss_scaling import OVERFLOW
from nst.errors import NSTError
from nst.optim import Optimizer, State
from nst.protocol import Backend, Evaluation, HostArray, VectorSpace

__all__ = ["descend", "first_state"]


def first_state(
    backend: Backend[Any],
    optimizer: Optimizer,
    evaluate: Callable[[Any], Evaluation[Any]],
    start: HostArray,
) -> State[Any]:
    """The state before the first step, at a picture (1, 3, H, W).

    Raises:
        NSTError: the losses of the start picture are not finite.
    """
    x = backend.from_numpy(start)
    state = optimizer.start(backend.space, x, evaluate(x))
    if np.isfinite(state.total):
        return state
    if backend.precision == "float16":
        raise NSTError(OVERFLOW)
    raise NSTError(
        "the losses of the start picture are not finite: check the weights file, "
        "or lower the weights of the losses"
    )


def descend(
    space: VectorSpace[Any],
    optimizer: Optimizer,
    evaluate: Callable[[Any], Evaluation[Any]],
    state: State[Any],
    steps: int,
) -> Iterator[State[Any]]:
    """The state, and the one after each step, up to the step of that number."""
    yield state
    while not state.stopped and state.step < steps:
        state = optimizer.advance(space, evaluate, state)
        yield state
