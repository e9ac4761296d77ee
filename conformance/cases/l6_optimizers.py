"""Level 6: the project's optimisers on a backend, against the same on the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.backends.numpy.backend import NumpyBackend
from nst.conformance.case import Case, Side, Subject
from nst.conformance.cases.objectives import PROBLEMS, targets
from nst.conformance.compare import Measurement
from nst.engine.loss_scaling import compile_objective
from nst.optim import OPTIMIZERS, named_optimizer

Array = NDArray[np.float64]

RATE, HISTORY, METRIC = 0.005, 10, 1.0
"""The rate keeps Adam descending: where it jumps about, a rounding error grows tenfold in a few steps."""
SHORT, LONG = 5, 50


def _descend(side: Side, problem_name: str, optimizer: str, steps: int) -> tuple[list[float], list[Array]]:
    """Totals and pictures, the start among them."""
    problem, backend = PROBLEMS[problem_name], side.backend
    constants = side.tensors(targets(problem))
    x = backend.from_numpy(problem.start())
    objective = compile_objective(backend, problem.function(side), x, constants)

    def evaluate(x: Any) -> Any:
        return objective(x, constants)

    method = named_optimizer(optimizer, RATE, HISTORY, METRIC)
    state = method.start(backend.space, x, evaluate(x))
    totals, pictures = [state.total], [side.host({"x": state.x})["x"]]
    for _ in range(steps):
        state = method.advance(backend.space, evaluate, state)
        totals.append(state.total)
        pictures.append(side.host({"x": state.x})["x"])
    return totals, pictures


@cache
def _reference(problem: str, optimizer: str, steps: int) -> tuple[list[float], list[Array]]:
    return _descend(Side(NumpyBackend(dtype="float64")), problem, optimizer, steps)


def _trajectory(problem: str, optimizer: str) -> Callable[[Subject], Iterator[Measurement]]:
    def run(subject: Subject) -> Iterator[Measurement]:
        totals, pictures = _descend(subject.tested, problem, optimizer, SHORT)
        want_totals, want_pictures = _reference(problem, optimizer, SHORT)
        for step in range(1, SHORT + 1):
            got, want = pictures[step] - pictures[0], want_pictures[step] - want_pictures[0]
            yield subject.compare(f"way to step {step}", got, want, "trajectory")
            yield subject.compare(
                f"total at step {step}", totals[step], want_totals[step], "loss after steps"
            )

    return run


def _curve(problem: str, optimizer: str) -> Callable[[Subject], Iterator[Measurement]]:
    def run(subject: Subject) -> Iterator[Measurement]:
        totals, _ = _descend(subject.tested, problem, optimizer, LONG)
        want, _ = _reference(problem, optimizer, LONG)
        for step, (got, expected) in enumerate(zip(totals, want, strict=True)):
            yield subject.compare(f"total at step {step}", got, expected, "curve")

    return run


CASES = [
    Case(f"optimizer/{name}/{kind}/{optimizer}", 6, make(problem, optimizer))
    for optimizer in OPTIMIZERS
    for name, kind, make, problem in (
        ("trajectory", "deep", _trajectory, "whole/smooth"),
        ("trajectory", "tv", _trajectory, "tv/squares"),
        # shallow and smooth: deeper down a ReLU that switches one step later soon leads elsewhere
        ("curve", "shallow", _curve, "whole/shallow"),
    )
]
