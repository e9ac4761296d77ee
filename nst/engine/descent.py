"""One size of the optimisation, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nst.engine.loss_scaling import OVERFLOW
from nst.errors import NSTError
from nst.optim import Optimizer, State
from nst.protocol import Backend, Evaluation, HostArray

__all__ = ["descend"]


def descend(
    backend: Backend[Any],
    optimizer: Optimizer,
    evaluate: Callable[[Any], Evaluation[Any]],
    start: HostArray,
    steps: int,
) -> Iterator[State[Any]]:
    """The start (1, 3, H, W) and each iterate.

    Raises:
        NSTError: the losses of the start picture are not finite.
    """
    space = backend.space
    x = backend.from_numpy(start)
    state = optimizer.start(space, x, evaluate(x))
    if not np.isfinite(state.total):
        if backend.precision == "float16":
            raise NSTError(OVERFLOW)
        raise NSTError(
            "the losses of the start picture are not finite: check the weights file, "
            "or lower the weights of the losses"
        )
    yield state
    while not state.stopped and state.step < steps:
        state = optimizer.advance(space, evaluate, state)
        yield state
