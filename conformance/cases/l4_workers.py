"""Level 4: windows shared out among workers have the gradient of the picture at once, and not one bit of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from nst.conformance.case import Case, Need, Subject
from nst.conformance.cases import inputs
from nst.conformance.cases.objectives import Problem, targets
from nst.conformance.compare import Measurement
from nst.encoding.encoder import Encoder
from nst.engine.distributed import DistributedPasses, WorkerGroup
from nst.engine.loss_scaling import LossScale
from nst.engine.windowed import LocalPasses, Passes, WindowedObjective
from nst.losses.term import Term
from nst.protocol import Evaluation
from nst.workers.local import start_workers, thread_worker

PROBLEM = Problem(
    ("conv3_2",), ("conv1_1", "conv2_1", "conv3_1"), (2,), weights=(1.0, 300.0, 1.0), size=(75, 110)
)
SIDE = 72  # of the windows, in pixels: two rows of three

PassesOf = Callable[[Encoder, Sequence[Term]], Passes]


def _evaluation(subject: Subject, passes: PassesOf) -> Evaluation[Any]:
    """In windows, on the backend under test."""
    side, weights = subject.tested, inputs.small_network()
    backend = side.backend
    encoder = Encoder(backend, PROBLEM.network(side), PROBLEM.layers, *PROBLEM.size, side=SIDE)
    constants = dict(targets(PROBLEM))
    maps = "content/conv3_2/maps"
    local = encoder.place("conv3_2", constants.pop(maps))
    shared = side.tensors(constants)
    own = [{**shared, **view.constants, maps: part} for view, part in zip(encoder.views, local, strict=True)]
    terms = PROBLEM.terms(weights)
    deep = [term for term, _ in terms if term.layers]
    objective = WindowedObjective(encoder, terms, passes(encoder, deep))
    return side.read(objective(backend.from_numpy(PROBLEM.start()), shared, own, LossScale()))


def _shared_out(subject: Subject, count: int) -> Evaluation[Any]:
    """Among that many workers on the device under test, each with a backend of its own, in threads; once a run."""
    return subject.tested.once(("workers", count), lambda: _by_workers(subject, count))


def _by_workers(subject: Subject, count: int) -> Evaluation[Any]:
    backend = subject.tested.backend
    make = partial(type(backend), backend.device, backend.dtype, backend.precision)
    workers = start_workers(
        [(thread_worker(backend.device, number), make) for number in range(1, count + 1)],
        inputs.small_network(),
    )

    def passes(encoder: Encoder, terms: Sequence[Term]) -> Passes:
        group = WorkerGroup(lambda: workers, count, count)
        return DistributedPasses(encoder, PROBLEM.pooling, terms, group)

    try:
        return _evaluation(subject, passes)
    finally:
        for worker in workers:
            worker.close()


def _like_the_whole(count: int) -> Callable[[Subject], Iterator[Measurement]]:
    def run(subject: Subject) -> Iterator[Measurement]:
        x, side = PROBLEM.start(), subject.reference
        want = side.differentiate(PROBLEM.function(side), x, targets(PROBLEM))
        got = _shared_out(subject, count)
        yield subject.compare("total", got.total, want.total, "loss")
        for name, value in want.terms.items():
            yield subject.compare(name, got.terms[name], value, "loss")
        yield subject.compare("gradient", got.gradient, want.gradient, "gradient")

    return run


def _same_bits(subject: Subject) -> Iterator[Measurement]:
    alone = _evaluation(subject, LocalPasses)
    for count in (2, 3):
        got = _shared_out(subject, count)
        yield subject.compare(f"total of {count} workers", got.total, alone.total, "exact")
        yield subject.compare(f"gradient of {count} workers", got.gradient, alone.gradient, "exact")


CASES = [
    *(Case(f"workers/{count}", 4, _like_the_whole(count)) for count in (2, 3)),
    Case("workers/same-bits", 4, _same_bits, Need(deterministic=True)),
]
