"""Who does the work of a batch: the interface, this process, and processes that it starts.

A process that dies is one row that failed. It is a painter behind two pipes (`work_for_parent`): pickles come in by
stdin, first the arguments of `RowPainter`, then rows; pickles go out by stdout, what `RowPainter.paint` yields.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeAlias

from nst.batch.painter import Painted, RowPainter
from nst.batch.rows import Row
from nst.children import add_working_folder, python_command
from nst.workers.local import environment

__all__ = ["Executor", "InProcess", "ProcessPool", "Watch", "work_for_parent"]

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
    """This process, one row after the other.

    Args:
        timeout: see `RowPainter`.
    """

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
    """See `Executor`.

    Args:
        jobs: number of processes.
        timeout: see `nst.batch.painter.RowPainter`. A worker that does not notice is killed.
    """

    def __init__(self, jobs: int, timeout: float | None = None) -> None:
        self._jobs, self._timeout = jobs, timeout
        self._painter = {"timeout": timeout, "processes": jobs}

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
                        idle = [_Worker(answers, environment(self._jobs), self._painter)]
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


class _Worker:
    """A process and the thread that listens to it.

    Attributes:
        row: that it is painting, if any.
        late: whether it was killed since it took too long.
    """

    def __init__(
        self, answers: SimpleQueue[Any], environment: Mapping[str, str], painter: Mapping[str, Any]
    ) -> None:
        self.row: Row | None = None
        self.late = False
        self._began = 0.0
        self._process = subprocess.Popen(
            python_command("from nst.batch.pool import work_for_parent; work_for_parent()"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**environment, "PYTHONSAFEPATH": "1"},
        )
        self._say(painter)
        threading.Thread(target=self._listen, args=(answers,), daemon=True).start()

    @property
    def seconds(self) -> float:
        """Since it was given its row."""
        return time.monotonic() - self._began

    def give(self, row: Row) -> None:
        """A row to paint."""
        self.row, self._began = row, time.monotonic()
        self._say(row)

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def ending(self) -> str:
        """Why its process has ended."""
        code = self._process.wait()
        if self.late:
            return "stuck: its process did not answer and was killed"
        if code == -9:
            return (
                "its process was killed, as happens where memory runs out: use a smaller size, or fewer jobs"
            )
        return f"its process ended with status {code}"

    def _say(self, what: Any) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # it has ended, which its listener finds as well
            pickle.dump(what, self._process.stdin)
            self._process.stdin.flush()

    def _listen(self, answers: SimpleQueue[Any]) -> None:
        assert self._process.stdout is not None
        with suppress(Exception), self._process.stdout as stdout:  # half an answer is none
            while True:
                answers.put((self, pickle.load(stdout)))
        answers.put((self, None))


def work_for_parent() -> None:
    """Paint what comes in by stdin until nothing more can come: what a process of `ProcessPool` does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started this
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    rows: SimpleQueue[Any] = SimpleQueue()

    def listen() -> None:
        try:
            while True:
                rows.put(pickle.load(sys.stdin.buffer))
        except (EOFError, OSError):
            os._exit(0)  # nobody is there any more, be a picture half painted

    threading.Thread(target=listen, daemon=True).start()
    painter, told = RowPainter(**rows.get()), 0.0
    while True:
        row = rows.get()
        add_working_folder(str(row.options.get("backend", "")))
        for answer in painter.paint(row):
            if not isinstance(answer, float) or time.monotonic() - told > PACE:
                told = time.monotonic()
                pickle.dump(answer, answers)
                answers.flush()
