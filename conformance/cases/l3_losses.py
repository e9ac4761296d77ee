"""Level 3: the value of every loss, alone and in a weighted sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from nst.conformance.case import Case, Subject
from nst.conformance.cases.objectives import OTHERS, PROBLEMS, Problem, compiled, evaluation, make_targets
from nst.conformance.compare import Measurement
from nst.protocol import Evaluation


def evaluations(subject: Subject, name: str) -> tuple[Evaluation[np.ndarray], Evaluation[np.ndarray]]:
    """A problem on the backend under test and on the reference."""
    return evaluation(subject.tested, PROBLEMS[name]), evaluation(subject.reference, PROBLEMS[name])


def _value(name: str) -> Callable[[Subject], Iterator[Measurement]]:
    def run(subject: Subject) -> Iterator[Measurement]:
        got, want = evaluations(subject, name)
        quantity = "loss" if PROBLEMS[name].layers else "primitive"
        for term, value in want.terms.items():
            yield subject.compare(f"term {term}", got.terms[term], value, quantity)
        yield subject.compare("total", got.total, want.total, quantity)
        same = sorted(got.terms) == sorted(want.terms)
        yield subject.check(f"the terms are {', '.join(sorted(want.terms))}", same)

    return run


def _zero_at_target(problem: Problem) -> Callable[[Subject], Iterator[Measurement]]:
    """At its own content and style picture a loss and its gradient vanish, against those of another picture."""

    def run(subject: Subject) -> Iterator[Measurement]:
        side = subject.tested
        target, other = problem.start(44), problem.start(45)
        constants = make_targets(side, problem, target, target)
        objective = side.compiled(problem.function(side), target, constants)
        here, there = objective(target), objective(other)
        yield subject.compare("loss at the target", here.total, 0.0, "zero", scale=float(there.total))
        norm = float(np.linalg.norm(there.gradient))
        zeros = np.zeros_like(here.gradient)
        yield subject.compare("gradient at the target", here.gradient, zeros, "zero gradient", scale=norm)

    return run


def _nan(name: str) -> Callable[[Subject], Iterator[Measurement]]:
    def run(subject: Subject) -> Iterator[Measurement]:
        problem = PROBLEMS[name]
        x = problem.start()
        x.flat[x.size // 2] = np.nan
        got = compiled(subject.tested, problem)(x)
        for term, value in {**got.terms, "total": got.total}.items():
            yield subject.compare(f"{term} of a picture with a NaN", value, np.nan, "exact")

    return run


def _overflow(name: str) -> Callable[[Subject], Iterator[Measurement]]:
    """A picture whose features overflow has no finite loss: an optimiser must see that its step was too long."""

    def run(subject: Subject) -> Iterator[Measurement]:
        problem = PROBLEMS[name]
        x = problem.start() * np.finfo(subject.tested.backend.dtype).max / 8
        got = compiled(subject.tested, problem)(x)
        yield subject.check("the total is not finite", not np.isfinite(got.total))

    return run


SAME_SIZE = Problem(style=("conv1_1", "conv3_1", "conv5_1"), style_size=(37, 50))
SQUARES = [name for name in OTHERS if name != "w2"]  # which is a difference of traces, 0 but for rounding
CASES = [
    *(Case(f"loss/{name}", 3, _value(name)) for name in PROBLEMS),
    Case("loss/zero-at-target/content", 3, _zero_at_target(Problem(content=("conv2_2", "conv4_2")))),
    Case("loss/zero-at-target/style", 3, _zero_at_target(SAME_SIZE)),
    *(Case(f"loss/zero-at-target/{n}", 3, _zero_at_target(replace(SAME_SIZE, loss=n))) for n in SQUARES),
    Case("loss/overflow", 3, _overflow("whole/avg")),
    Case("loss/nan/avg", 3, _nan("whole/avg")),
    Case("loss/nan/max", 3, _nan("whole/max")),
]
