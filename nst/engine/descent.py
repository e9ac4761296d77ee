"""One size of the optimisation, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nst.errors import NSTError
from nst.optim import Optimizer, State
from nst.optim.average import Average
from nst.protocol import Backend, Evaluation, HostArray

__all__ = ["descend"]


def descend(
    backend: Backend[Any],
    optimizer: Optimizer,
    evaluate: Callable[[Any], Evaluation[Any]],
    start: HostArray,
    steps: int,
    decay: float,
) -> Iterator[tuple[State[Any], Average[Any]]]:
    """The start (1, 3, H, W) and each iterate, with the average so far, of the given decay.

    Raises:
        NSTError: the losses of the start picture are not finite.
    """
    space = backend.space
    x = backend.from_numpy(start)
    state = optimizer.start(space, x, evaluate(x))
    if not np.isfinite(state.total):
        raise NSTError(
            "the losses of the start picture are not finite: check the weights file, "
            "or lower the weights of the losses"
        )
    average = Average(decay, x)
    yield state, average
    while not state.stopped and state.step < steps:
        state = optimizer.advance(space, evaluate, state)
        if not state.stopped:
            average = average.add(space, state.x)
        yield state, average
