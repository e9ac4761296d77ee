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
from multiprocessing import get_context, parent_process, resource_tracker
from typing import Any
from weakref import finalize

from nst.engine.elsewhere import Answer, WorkerLostError
from nst.errors import NSTError
from nst.models.weights import NetworkWeights
from nst.workers.seat import MakeBackend, Seat
from nst.workers.threads import THREADS, environment

__all__ = ["LocalWorker", "local_workers", "process_worker", "start_workers", "thread_worker"]

_here = threading.local()
"""`_here.seat` is the seat of this thread, or of the only thread of this process."""


class LocalWorker:
    """See `nst.engine.elsewhere.Worker`.

    Args:
        name: where it is, for people.
        executor: its one thread or process.
    """

    def __init__(self, name: str, executor: Executor) -> None:
        self.name, self._executor = name, executor
        # Who lets go of a worker waits for its end. Python's own exit, if it comes while a process pool is being shut
        # down, may write to a pipe that the pool's thread has just closed.
        self._end = finalize(self, executor.shutdown, wait=True, cancel_futures=True)

    def start(self, make: MakeBackend, weights: NetworkWeights) -> Answer:
        """Let it take its seat."""
        return self._answer(_take_seat, make, weights)

    def ask(self, method: str, *arguments: Any) -> Answer:
        """See `nst.engine.elsewhere.Worker`."""
        return self._answer(_do, method, *arguments)

    def close(self) -> None:
        """See `nst.engine.elsewhere.Worker`."""
        self._end()

    def _answer(self, function: Any, *arguments: Any) -> Answer:
        try:
            future: Future[Any] = self._executor.submit(function, *arguments)
        except BrokenExecutor as error:
            raise WorkerLostError(self) from error

        def answer() -> Any:
            try:
                return future.result()
            except BrokenExecutor as error:
                raise WorkerLostError(self) from error

        return answer


def thread_worker(device: str, number: int) -> LocalWorker:
    """A worker in a thread of this process."""
    return LocalWorker(f"{device} ({number})", ThreadPoolExecutor(1, f"nst worker {number}"))


def process_worker(device: str, number: int) -> LocalWorker:
    """A worker in a process of its own, which starts with its first task."""
    executor = ProcessPoolExecutor(1, get_context("spawn"), initializer=_stay_with_the_first_process)
    return LocalWorker(f"{device} ({number})", executor)


def local_workers(makers: Sequence[tuple[str, MakeBackend]], weights: NetworkWeights) -> list[LocalWorker]:
    """A worker for each device.

    Args:
        makers: device, and what makes the backend there. Those on the CPU share its cores, or the threads that
            OMP_NUM_THREADS allows.
        weights: of the network.

    Raises:
        NSTError: a backend, or a process, does not start.
    """
    on_cpu = sum(device == "cpu" for device, _ in makers)
    with _sharing(max(1, on_cpu)):
        return start_workers(
            [
                ((process_worker if device == "cpu" else thread_worker)(device, number), make)
                for number, (device, make) in enumerate(makers, start=1)
            ],
            weights,
        )


def start_workers(
    seats: Sequence[tuple[LocalWorker, MakeBackend]], weights: NetworkWeights
) -> list[LocalWorker]:
    """The workers, ready.

    Raises:
        NSTError: a backend, or a process, does not start.
    """
    try:
        answers = [worker.start(make, weights) for worker, make in seats]
        for answer in answers:
            answer()
    except BaseException as error:
        for worker, _ in seats:
            worker.close()
        if isinstance(error, WorkerLostError):
            raise NSTError(
                "a process for another device does not start: in a script, put what calls nst below "
                'if __name__ == "__main__":'
            ) from error
        raise
    return [worker for worker, _ in seats]


def _take_seat(make: MakeBackend, weights: NetworkWeights) -> None:
    _here.seat = Seat(make, weights)


def _do(method: str, *arguments: Any) -> Any:
    return _here.seat.do(method, *arguments)


def _stay_with_the_first_process() -> None:
    """Ctrl-C reaches all processes of a terminal: the first ends the run in good order. If it is killed, we end too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    first = parent_process()
    assert first is not None

    def end() -> None:
        first.join()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


@contextmanager
def _sharing(processes: int) -> Iterator[None]:
    """Processes that start now share out the threads of this one, and never hear of Ctrl-C, which waits for us here."""
    deaf = hasattr(signal, "pthread_sigmask")
    if deaf:
        resource_tracker.ensure_running()  # which hears again, once it has started
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if deaf else set()
    before, shared = {name: os.environ.get(name) for name in THREADS}, environment(processes)
    os.environ.update({name: shared[name] for name in THREADS if name in shared})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if deaf:
            signal.pthread_sigmask(signal.SIG_SETMASK, heard)
