"""A crew of processes: one that dies is one row that failed."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from nst.batch.crew import See
from nst.batch.painter import Painted
from nst.batch.rows import Row
from nst.workers.threads import environment

__all__ = ["Workers"]

TICK = 0.2  # seconds between two looks at the time and at Ctrl-C
GRACE = 30.0
"""Seconds after the timeout in which a worker has to notice it; one that is stuck in a step does not."""


class Workers:
    """See `nst.batch.crew.Crew`.

    Args:
        jobs: number of processes.
        timeout: see `nst.batch.painter.Painter`. A worker that does not notice is killed.
    """

    def __init__(self, jobs: int, timeout: float | None = None) -> None:
        self._jobs, self._timeout = jobs, timeout
        self._painter = {"timeout": timeout, "processes": jobs}

    def work(self, rows: Iterable[Row], see: See) -> Generator[Painted, None, None]:
        """See `nst.batch.crew.Crew`."""
        waiting, answers = iter(rows), SimpleQueue[tuple[_Worker, Any]]()
        crew: list[_Worker] = []
        try:
            while True:
                idle = [worker for worker in crew if worker.row is None]
                while len(crew) < self._jobs or idle:
                    row = next(waiting, None)
                    if row is None:
                        break
                    if not idle:
                        idle = [_Worker(answers, environment(self._jobs), self._painter)]
                        crew += idle
                    idle.pop().give(row)
                if not any(worker.row for worker in crew):
                    return
                worker, answer = self._next(answers, crew, see)
                if isinstance(answer, float):
                    see(worker.row, answer)
                    continue
                row, worker.row = worker.row, None
                if answer is None:  # it has ended
                    crew.remove(worker)
                    if row is None:
                        continue
                    answer = Painted(row, None, error=worker.ending())
                yield answer
        finally:
            for worker in crew:
                worker.kill()

    def _next(self, answers: SimpleQueue[tuple[_Worker, Any]], crew: Iterable[_Worker], see: See) -> Any:
        """The next answer."""
        while True:
            with suppress(Empty):
                return answers.get(timeout=TICK)
            see(None, 0.0)
            for worker in crew:
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
            [sys.executable, "-m", "nst.batch.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
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
        """Why it is no more."""
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
        with suppress(OSError):  # it is no more, which its listener finds as well
            pickle.dump(what, self._process.stdin)
            self._process.stdin.flush()

    def _listen(self, answers: SimpleQueue[Any]) -> None:
        assert self._process.stdout is not None
        with suppress(Exception), self._process.stdout as stdout:  # half an answer is none
            while True:
                answers.put((self, pickle.load(stdout)))
        answers.put((self, None))
