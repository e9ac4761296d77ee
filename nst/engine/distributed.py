"""Both passes over the windows of a picture, shared out among workers, as the engine sees them.

Window i goes to worker i modulo their number, and what comes back is added up in the order of the windows: not one bit
depends on who was quicker, on how many there are, or on whether there were workers at all, as long as each of them
computes a window as this process would.

A `Shard` is a worker's side. It may stand in another thread, process or machine (`nst.workers`): an `Assignment` is all
that it is told, once a size, and pictures, statistics and gradients go to and fro as numpy arrays.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, TypeAlias

from nst.encoding.encoder import Encoder, added
from nst.engine.loss_scaling import LossScale, compile_objective, evaluate
from nst.engine.windowed import adjoint_of
from nst.errors import NSTError
from nst.losses.objective import statistics_of
from nst.losses.term import Term
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Backend, HostArray, Objective, in_precision

AHEAD = 2
"""Windows of a worker that may wait or be done before the one that is added up now: it is never idle, and not all of a
large picture's gradients lie in memory."""


class DistributedPasses:
    """See `nst.engine.windowed.Passes`; the encoder's backend adds everything up, for the terms that read layers."""

    def __init__(self, encoder: Encoder, pooling: Pooling, terms: Sequence[Term], group: WorkerGroup) -> None:
        self._encoder, self._pooling, self._terms, self._group = encoder, pooling, tuple(terms), group

    def statistics(
        self, extended: Any, shared: Mapping[str, Any], constants: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Pass 1, added up."""
        self._assign(shared, constants)
        backend, views = self._encoder.backend, self._encoder.views

        def ask(worker: Worker, number: int) -> Answer:
            return worker.ask("statistics", number, backend.to_numpy(views[number].cut(backend, extended)))

        totals: dict[str, Any] = {}
        for statistics in self._answers(ask):
            part = {name: backend.from_numpy(array) for name, array in statistics.items()}
            totals = added(backend.space, totals, part)
        return totals

    def gradients(
        self,
        extended: Any,
        constants: Sequence[Mapping[str, Any]],
        adjoints: Mapping[str, Any],
        scale: LossScale,
    ) -> Iterator[Any]:
        """Pass 2, window by window. All begin with `scale`, which becomes the least that a window needed."""
        on_host, before = self._on_host(adjoints), replace(scale)
        _wait([worker.ask("aim", on_host) for worker in self._group.workers])
        scales = []
        for slope, needed in self._answers(lambda worker, number: worker.ask("gradient", number, before)):
            scales.append(needed)
            yield self._encoder.backend.from_numpy(slope)
        scale.take(min(scales, key=lambda found: (found.value, found.good)))

    def _answers(self, ask: Callable[[Worker, int], Answer]) -> Iterator[Any]:
        """Of all windows, in their order."""
        workers = self._group.workers
        waiting: deque[Answer] = deque()
        for number in range(len(self._encoder.views)):
            waiting.append(ask(workers[number % len(workers)], number))
            if len(waiting) > AHEAD * len(workers):
                yield waiting.popleft()()
        while waiting:
            yield waiting.popleft()()

    def _assign(self, shared: Mapping[str, Any], constants: Sequence[Mapping[str, Any]]) -> None:
        """Tell each worker its windows, unless they all know."""
        workers = self._group.workers
        if self._group.busy_with is constants:
            return
        common, answers = self._on_host(shared), []
        for place, worker in enumerate(workers):
            own = {
                number: self._on_host(
                    {name: value for name, value in constants[number].items() if name not in shared}
                )
                for number in range(place, len(constants), len(workers))
            }
            layers, precision = self._encoder.layers, self._encoder.backend.precision
            assignment = Assignment(layers, self._pooling, precision, self._terms, common, own)
            answers.append(worker.ask("begin", assignment))
        _wait(answers)
        self._group.busy_with = constants

    def _on_host(self, tensors: Mapping[str, Any]) -> dict[str, HostArray]:
        return {name: self._encoder.backend.to_numpy(tensor) for name, tensor in tensors.items()}


def _wait(answers: Sequence[Answer]) -> None:
    """Until all have done what they were asked."""
    for answer in answers:
        answer()


Answer: TypeAlias = Callable[[], Any]
"""Waits for what was asked and returns it.

Raises:
    WorkerLostError: there will be no answer.
"""


class Worker(Protocol):
    """Somebody with a `nst.engine.distributed.Shard`: does what it is asked one after the other, and can be lost."""

    @property
    def name(self) -> str:
        """Where it is, for people: "cuda:1", "cpu (process 4711)"."""

    def ask(self, method: str, *arguments: Any) -> Answer:
        """Call a method of its share; returns at once."""

    def close(self) -> None:
        """End it."""


class WorkerLostError(NSTError):
    """A worker's process has ended, or its machine is gone."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(f"the worker on {worker.name} is gone")
        self.worker = worker


class WorkerGroup:
    """The workers of a run, `size` of them. They start when the first picture comes that is computed in windows.

    `nearby` is how many of them use the memory of this process's device; `busy_with` are the constants of the windows
    that they have been told, or None if they have to be told.
    """

    def __init__(self, start: Callable[[], Sequence[Worker]], size: int, nearby: int) -> None:
        self._start = start
        self.size, self.nearby = size, nearby
        self.busy_with: Any = None

    @cached_property
    def workers(self) -> list[Worker]:
        """Those who are there."""
        return list(self._start())

    def go_on_without(self, lost: WorkerLostError) -> None:
        """The others have to do all windows; NSTError if there are no others."""
        self.busy_with = None
        if lost.worker in self.workers:
            self.workers.remove(lost.worker)
            lost.worker.close()
        if not self.workers:
            del self.workers  # another run begins with new ones
            raise NSTError(
                f"{lost}, and there is no other: it ran out of memory, or somebody ended it; use a smaller --tile, "
                "or fewer devices"
            ) from lost
        logging.getLogger("nst").warning("%s: its windows are done elsewhere", lost)


Arrays: TypeAlias = Mapping[str, HostArray]


@dataclass(frozen=True, eq=False)
class Assignment:
    """Windows of one picture, and all that their passes need."""

    layers: Sequence[str]  # that the network returns, in network order
    pooling: Pooling
    precision: str  # of the network
    terms: Sequence[Term]  # those that read layers
    shared: Arrays  # constants of all windows
    windows: Mapping[int, Arrays]  # constants of each window's own, by its number


class Shard:
    """Computes windows on a device, with a backend like that of the whole run; `begin` comes first."""

    def __init__(self, backend: Backend[Any], weights: NetworkWeights) -> None:
        self._backend, self._weights = backend, weights
        self._constants: dict[int, dict[str, Any]] = {}
        self._parts: dict[int, Any] = {}
        self._adjoints: dict[str, Any] = {}
        self._adjoint: Objective[Any] | None = None

    def begin(self, assignment: Assignment) -> None:
        """Take over windows, in place of those before."""
        backend = self._backend = in_precision(self._backend, assignment.precision)
        # their memory is free before there are new ones
        self._parts, self._constants, self._adjoints, self._adjoint = {}, {}, {}, None
        network = backend.network(self._weights, assignment.layers, assignment.pooling)
        self._statistics = statistics_of(assignment.terms, network)
        shared = self._on_device(assignment.shared)
        self._constants = {
            number: {**shared, **self._on_device(own)} for number, own in assignment.windows.items()
        }

    def statistics(self, number: int, part: HostArray) -> dict[str, HostArray]:
        """Pass 1 over a window: its statistics. Its part of the picture, (1, 3, h, w), is kept for pass 2."""
        x = self._parts[number] = self._backend.from_numpy(part)
        found = self._backend.evaluate(self._statistics, x, self._constants[number])
        return {name: self._backend.to_numpy(value) for name, value in found.items()}

    def aim(self, adjoints: Arrays) -> None:
        """What pass 2 needs of all windows: dE/dS of every statistic, as `adjoint/name`."""
        self._adjoints = self._on_device(adjoints)

    def gradient(self, number: int, scale: LossScale) -> tuple[HostArray, LossScale]:
        """Pass 2 over a window that has gone through pass 1, after `aim`: the gradient of <dE/dS, S(part)>.

        (1, 3, h, w), and the scale with which it was found; it begins with the one given.
        """
        x, constants = self._parts.pop(number), {**self._constants[number], **self._adjoints}
        if self._adjoint is None:
            self._adjoint = compile_objective(self._backend, adjoint_of(self._statistics), x, constants)
        own = replace(scale)
        return self._backend.to_numpy(evaluate(self._adjoint, x, constants, own).gradient), own

    def _on_device(self, arrays: Arrays) -> dict[str, Any]:
        return {name: self._backend.from_numpy(array) for name, array in arrays.items()}
