"""Workers on this machine: a thread for a GPU, a process of its own for the CPU.

A thread hands over arrays without copying them, and frameworks let other threads run while a GPU computes. On a CPU it
would share the framework's one pool of threads with the others; a process has its own.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from nst.engine.crew import Answer, WorkerLost
from nst.errors import NSTError
from nst.models.weights import NetworkWeights
from nst.workers.seat import MakeBackend, Seat

__all__ = ["LocalWorker", "local_workers"]

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
"""Where frameworks and the libraries below them read how many threads they may have."""

_here = threading.local()
"""`_here.seat` is the seat of this thread, or of the only thread of this process."""


class LocalWorker:
    """See `nst.engine.crew.Worker`.

    Args:
        device: "cpu" for a process of its own, else a thread.
        number: from 1, among the workers.
    """

    def __init__(self, device: str, number: int) -> None:
        self.name = f"{device} ({number})"
        self._executor: Executor
        if device == "cpu":
            self._executor = ProcessPoolExecutor(1, get_context("spawn"), initializer=_leave_ctrl_c_alone)
        else:
            self._executor = ThreadPoolExecutor(1, f"nst worker {number}")

    def start(self, make: MakeBackend, weights: NetworkWeights) -> Answer:
        """Let it take its seat; the answer is the number of its process."""
        return self._answer(_take_seat, make, weights)

    def ask(self, method: str, *arguments: Any) -> Answer:
        """See `nst.engine.crew.Worker`."""
        return self._answer(_do, method, *arguments)

    def close(self) -> None:
        """See `nst.engine.crew.Worker`."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _answer(self, function: Any, *arguments: Any) -> Answer:
        try:
            future: Future[Any] = self._executor.submit(function, *arguments)
        except BrokenExecutor as error:
            raise WorkerLost(self) from error

        def answer() -> Any:
            try:
                return future.result()
            except BrokenExecutor as error:
                raise WorkerLost(self) from error

        return answer


def local_workers(makers: Sequence[tuple[str, MakeBackend]], weights: NetworkWeights) -> list[LocalWorker]:
    """A worker for each device.

    Args:
        makers: device, and what makes the backend there. Those on the CPU share its cores, unless OMP_NUM_THREADS says
            how many threads a process may have.
        weights: of the network.

    Raises:
        NSTError: a backend, or a process, does not start.
    """
    on_cpu = sum(device == "cpu" for device, _ in makers)
    workers = [LocalWorker(device, number) for number, (device, _) in enumerate(makers, start=1)]
    try:
        with _threads(max(1, _cores() // on_cpu) if on_cpu else 1):
            answers = [w.start(make, weights) for w, (_, make) in zip(workers, makers, strict=True)]
            for answer in answers:
                answer()
    except BaseException as error:
        for worker in workers:
            worker.close()
        if isinstance(error, WorkerLost):
            raise NSTError(
                "a process for another device does not start: in a script, put what calls nst below "
                'if __name__ == "__main__":'
            ) from error
        raise
    return workers


def _take_seat(make: MakeBackend, weights: NetworkWeights) -> int:
    _here.seat = Seat(make, weights)
    return os.getpid()


def _do(method: str, *arguments: Any) -> Any:
    return _here.seat.do(method, *arguments)


def _leave_ctrl_c_alone() -> None:
    """It reaches all processes of a terminal; the first one ends the run in good order, and then its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Processes that start now have that many threads, where nobody has said otherwise."""
    before = {name: os.environ.get(name) for name in THREADS}
    chosen = before["OMP_NUM_THREADS"] or str(count)
    os.environ.update({name: value or chosen for name, value in before.items()})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
