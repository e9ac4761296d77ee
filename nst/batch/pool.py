"""Who does the work of a batch: the interface, this process, and processes that it starts.

A process that dies is one row that failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeAlias

from nst.batch.painter import Painted, RowPainter
from nst.batch.rows import Row
from nst.children import add_working_folder
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


class ProcessPool:
    """See `Executor`. A worker that does not notice the timeout is killed."""

    def __init__(self, jobs: int, timeout: float | None = None) -> None:
        self._jobs, self._timeout = jobs, timeout

    def work(self, rows: Iterable[Row], watch: Watch) -> Generator[Painted, None, None]:
        """See `Executor`."""
        waiting, answers = iter(rows), SimpleQueue[tuple[_Worker, Any]]()
        workers: list[_Worker] = []
        try:
            while True:
                idle = [worker for worker in workers if worker.row is None]
                while len(workers) < self._jobs or idle:
                    row = next(waiting, None)
                    if row is None:
                        break
                    if not idle:
                        idle = [_Worker(self._jobs, self._timeout, answers)]
                        workers += idle
                    idle.pop().give(row)
                if not any(worker.row for worker in workers):
                    return
                worker, answer = self._next(answers, workers, watch)
                if isinstance(answer, float):
                    watch(worker.row, answer)
                    continue
                row, worker.row = worker.row, None
                if answer is None:  # it has ended
                    workers.remove(worker)
                    if row is None:
                        continue
                    answer = Painted(row, None, error=worker.ending())
                yield answer
        finally:
            for worker in workers:
                worker.kill()

    def _next(
        self, answers: SimpleQueue[tuple[_Worker, Any]], workers: Iterable[_Worker], watch: Watch
    ) -> Any:
        """The next answer."""
        while True:
            with suppress(Empty):
                return answers.get(timeout=TICK)
            watch(None, 0.0)
            for worker in workers:
                if self._timeout is not None and worker.row and worker.seconds > self._timeout + GRACE:
                    worker.late = True
                    worker.kill()


class _Worker(ChildProcess):
    """A process that paints row after row.

    Attributes:
        row: that it is painting, if any.
        late: whether it was killed since it took too long.
    """

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
        """A row to paint."""
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
