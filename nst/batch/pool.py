"""Who does the work of a batch: the interface, this process, and workers that it starts.

A process that dies is one row that failed. Workers on other machines are `nst.batch.cluster`.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeAlias

from nst.batch.painter import Painted, RowPainter
from nst.batch.rows import Row
from nst.children import add_working_folder
from nst.errors import NSTError
from nst.processes import Ask, ChildProcess, Say
from nst.workers.local import environment

Watch: TypeAlias = Callable[["Row | None", float], None]
"""Told which row is done to what part; and now and then None, so that it can raise to end the work."""

PACE = 0.1  # seconds between two words of a process about one row
TICK = 0.2  # seconds between two looks at the time and at Ctrl-C
GRACE = 30.0
"""Seconds after the timeout in which a worker has to notice it; one that is stuck in a step does not."""


class Executor(Protocol):
    """Paints rows, in any order, wherever it likes."""

    def work(self, rows: Iterable[Row], watch: Watch) -> Generator[Painted, None, None]:
        """Answer every row.

        When it is closed, or `watch` raises, the work ends at once and nothing is left running.
        """


class InProcess:
    """This process, one row after the other."""

    def __init__(self, timeout: float | None = None) -> None:
        self._painter = RowPainter(timeout)

    def work(self, rows: Iterable[Row], watch: Watch) -> Generator[Painted, None, None]:
        """See `Executor`."""
        for row in rows:
            for answer in self._painter.paint(row):
                if isinstance(answer, Painted):
                    yield answer
                else:
                    watch(row, answer)


class Worker(Protocol):
    """Paints row after row, somewhere. What it says goes into the queue of its pool, beside itself.

    How much of its row is done, what became of the row, None when it has ended, or anything else.
    """

    row: Row | None  # that it is painting
    ready: bool  # for one

    def give(self, row: Row) -> None:
        """A row to paint."""

    def kill(self) -> None:
        """End it, whatever it does."""

    def ending(self) -> str:
        """Why it has ended."""


class Pool:
    """See `Executor`: workers that are started as rows come; one that is lost is replaced by another."""

    count = 1  # workers at a time

    tries = 1  # workers that may be lost over a row before it counts as the row's fault

    def work(self, rows: Iterable[Row], watch: Watch) -> Generator[Painted, None, None]:
        """See `Executor`."""
        waiting, again = iter(rows), deque[Row]()  # rows that are asked for, and those that nobody has yet
        workers, answers = list[Worker](), SimpleQueue[tuple[Worker, Any]]()
        losses, failed_starts = Counter[str](), 0
        try:
            while True:
                idle = [worker for worker in workers if worker.ready and worker.row is None]
                starting = sum(not worker.ready for worker in workers)
                while idle or len(workers) < self.count:
                    if len(again) <= (0 if idle else starting):
                        row = next(waiting, None)
                        if row is None:
                            break
                        again.append(row)
                    if idle:
                        idle.pop().give(again.popleft())
                        continue
                    worker = self._start(answers)
                    workers.append(worker)
                    if worker.ready:
                        idle.append(worker)
                    else:
                        starting += 1
                if not again and not any(worker.row for worker in workers):
                    return
                worker, answer = self._next(answers, workers, watch)
                row = worker.row
                if answer is None:  # it has ended
                    workers.remove(worker)
                    worker.kill()
                    failed_starts += not worker.ready
                    if failed_starts > self.tries * self.count:
                        raise NSTError(worker.ending())
                    if row is None:
                        continue
                    losses[row.output] += 1
                    if losses[row.output] < self.tries:
                        again.append(row)
                        continue
                    answer = Painted(row, None, error=worker.ending())
                failed_starts = 0
                if isinstance(answer, float):
                    watch(row, answer)
                elif isinstance(answer, Painted):
                    worker.row = None
                    yield answer
        finally:
            for worker in workers:
                worker.kill()

    def _next(
        self, answers: SimpleQueue[tuple[Worker, Any]], workers: Sequence[Worker], watch: Watch
    ) -> tuple[Worker, Any]:
        """The next answer."""
        began = time.monotonic()
        while True:
            with suppress(Empty):
                return answers.get(timeout=TICK)
            watch(None, 0.0)
            self._check(workers, time.monotonic() - began)

    def _start(self, answers: SimpleQueue[tuple[Worker, Any]]) -> Worker:
        raise NotImplementedError

    def _check(self, workers: Sequence[Worker], seconds: float) -> None:
        """Look after workers of whom nothing has been heard for so long."""


class ProcessPool(Pool):
    """See `Executor`. A worker that does not notice the timeout is killed."""

    def __init__(self, jobs: int, timeout: float | None = None) -> None:
        self.count, self._timeout = jobs, timeout

    def _start(self, answers: SimpleQueue[tuple[Worker, Any]]) -> Worker:
        return _Process(self.count, self._timeout, answers)

    def _check(self, workers: Sequence[Worker], seconds: float) -> None:
        for worker in workers:
            assert isinstance(worker, _Process)
            if self._timeout is not None and worker.row and worker.seconds > self._timeout + GRACE:
                worker.late = True
                worker.kill()


class _Process(ChildProcess):
    """See `Worker`; `late` once it was killed since it took too long."""

    ready = True

    def __init__(self, jobs: int, timeout: float | None, answers: SimpleQueue[Any]) -> None:
        self.row: Row | None = None
        self.late = False
        self._began = 0.0
        work, heard = partial(_paint, timeout, jobs), lambda answer: answers.put((self, answer))
        super().__init__(work, heard, environment(jobs))

    @property
    def seconds(self) -> float:
        """Since it was given its row."""
        return time.monotonic() - self._began

    def give(self, row: Row) -> None:
        """See `Worker`."""
        self.row, self._began = row, time.monotonic()
        self.send(row)

    def ending(self) -> str:
        """See `ChildProcess`."""
        if self.late:
            return "stuck: its process did not answer and was killed"
        said = super().ending()
        return f"{said}: use a smaller size, or fewer jobs" if said.endswith("memory runs out") else said


def _paint(timeout: float | None, jobs: int, ask: Ask, say: Say) -> None:
    """What the process does."""
    painter, told = RowPainter(timeout, jobs), 0.0
    while True:
        row = ask()
        add_working_folder(str(row.options.get("backend", "")))
        for answer in painter.paint(row):
            if not isinstance(answer, float) or time.monotonic() - told > PACE:
                told = time.monotonic()
                say(answer)
