"""Both passes over the windows of a picture, shared out among workers.

Window i goes to worker i modulo their number, and what comes back is added up in the order of the windows: not one bit
depends on who was quicker, on how many there are, or on whether there were workers at all, as long as each of them
computes a window as this process would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nst.encoding.encoder import Encoder, summed
from nst.engine.loss_scaling import LossScale
from nst.engine.share import Assignment
from nst.engine.team import Answer, Team, Worker
from nst.losses.term import Term
from nst.models.vgg import Pooling
from nst.protocol import HostArray

__all__ = ["Elsewhere"]

AHEAD = 2
"""Windows of a worker that may wait or be done before the one that is added up now: it is never idle, and not all of a
large picture's gradients lie in memory."""


class Elsewhere:
    """See `nst.engine.windowed.Passes`.

    Args:
        encoder: the windows, and the backend on which all is added up.
        pooling: of the network.
        terms: those that read layers.
        team: who computes.
    """

    def __init__(self, encoder: Encoder, pooling: Pooling, terms: Sequence[Term], team: Team) -> None:
        self._encoder, self._pooling, self._terms, self._team = encoder, pooling, tuple(terms), team

    def statistics(
        self, extended: Any, shared: Mapping[str, Any], constants: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Pass 1, added up."""
        self._assign(shared, constants)
        backend, views = self._encoder.backend, self._encoder.views

        def ask(worker: Worker, number: int) -> Answer:
            return worker.ask("statistics", number, backend.to_numpy(views[number].cut(backend, extended)))

        found = (
            {name: backend.from_numpy(array) for name, array in statistics.items()}
            for statistics in self._answers(ask)
        )
        return summed(backend.space, found)

    def gradients(
        self,
        extended: Any,
        constants: Sequence[Mapping[str, Any]],
        pulls: Mapping[str, Any],
        scale: LossScale,
    ) -> Iterator[Any]:
        """Pass 2, window by window. All begin with `scale`, which becomes the least that a window needed."""
        on_host, before = self._on_host(pulls), replace(scale)
        _wait([worker.ask("aim", on_host) for worker in self._team.workers])
        scales = []
        for slope, needed in self._answers(lambda worker, number: worker.ask("gradient", number, before)):
            scales.append(needed)
            yield self._encoder.backend.from_numpy(slope)
        scale.take(min(scales, key=lambda found: (found.value, found.good)))

    def _answers(self, ask: Callable[[Worker, int], Answer]) -> Iterator[Any]:
        """Of all windows, in their order."""
        workers = self._team.workers
        waiting: deque[Answer] = deque()
        for number in range(len(self._encoder.views)):
            waiting.append(ask(workers[number % len(workers)], number))
            if len(waiting) > AHEAD * len(workers):
                yield waiting.popleft()()
        while waiting:
            yield waiting.popleft()()

    def _assign(self, shared: Mapping[str, Any], constants: Sequence[Mapping[str, Any]]) -> None:
        """Tell each worker its windows, unless they all know."""
        workers = self._team.workers
        if self._team.busy_with is constants:
            return
        common, answers = self._on_host(shared), []
        for place, worker in enumerate(workers):
            own = {
                number: self._on_host(
                    {name: value for name, value in constants[number].items() if name not in shared}
                )
                for number in range(place, len(constants), len(workers))
            }
            assignment = Assignment(self._encoder.layers, self._pooling, self._terms, common, own)
            answers.append(worker.ask("begin", assignment))
        _wait(answers)
        self._team.busy_with = constants

    def _on_host(self, tensors: Mapping[str, Any]) -> dict[str, HostArray]:
        return {name: self._encoder.backend.to_numpy(tensor) for name, tensor in tensors.items()}


def _wait(answers: Sequence[Answer]) -> None:
    """Until all have done what they were asked."""
    for answer in answers:
        answer()
