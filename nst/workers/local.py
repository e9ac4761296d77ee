"""Workers on this machine: a thread for a GPU, a process of its own for the CPU; how the cores are shared out.

A thread hands over arrays without copying them, and frameworks let other threads run while a GPU computes. On a CPU it
would share the framework's one pool of threads with the others; a process has its own.
"""

from __future__ import annotations

import logging
import os
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from typing import Any, TypeAlias
from weakref import finalize

from nst.cgroups import THREADS, cores
from nst.engine.distributed import Answer, Shard, WorkerLostError
from nst.errors import NSTError
from nst.models.weights import NetworkWeights
from nst.planning.plan import is_out_of_memory
from nst.processes import ProcessExecutor
from nst.protocol import Backend

_here = threading.local()
"""`_here.host` is the shard's host in this thread, or in the only thread of this process."""


class LocalWorker:
    """See `nst.engine.distributed.Worker`; `name` is where it is, for people, `executor` its one thread or process."""

    def __init__(self, name: str, executor: Executor) -> None:
        self.name, self._executor = name, executor
        # who lets go of a worker waits for its end: a process is killed, a thread does what it is at
        self._end = finalize(self, executor.shutdown, wait=True, cancel_futures=True)

    def start(self, make: MakeBackend, weights: NetworkWeights) -> Answer:
        """Make its shard, in its own thread or process."""
        return self._answer(_host_shard, make, weights)

    def ask(self, method: str, *arguments: Any) -> Answer:
        """See `nst.engine.distributed.Worker`."""
        return self._answer(_do, method, *arguments)

    def close(self) -> None:
        """See `nst.engine.distributed.Worker`."""
        self._end()

    def _answer(self, function: Any, *arguments: Any) -> Answer:
        future: Future[Any] = self._executor.submit(function, *arguments)

        def answer() -> Any:
            try:
                return future.result()
            except BrokenExecutor as error:
                raise WorkerLostError(self) from error

        return answer


def thread_worker(device: str, number: int) -> LocalWorker:
    """A worker in a thread of this process."""
    return LocalWorker(f"{device} ({number})", ThreadPoolExecutor(1, f"nst worker {number}"))


def process_worker(device: str, number: int, environment: Mapping[str, str] = os.environ) -> LocalWorker:
    """A worker in a process of its own."""
    return LocalWorker(f"{device} ({number})", ProcessExecutor(environment))


def local_workers(makers: Sequence[tuple[str, MakeBackend]], weights: NetworkWeights) -> list[LocalWorker]:
    """A worker for each device, named beside what makes the backend there; NSTError if one does not start.

    Those on the CPU share its cores, or the threads that OMP_NUM_THREADS allows.
    """
    shared = environment(max(1, sum(device == "cpu" for device, _ in makers)))
    return start_workers(
        [
            (process_worker(device, n, shared) if device == "cpu" else thread_worker(device, n), make)
            for n, (device, make) in enumerate(makers, start=1)
        ],
        weights,
    )


def start_workers(
    seats: Sequence[tuple[LocalWorker, MakeBackend]], weights: NetworkWeights
) -> list[LocalWorker]:
    """Those that get ready; one that dies meanwhile is done without.

    NSTError: a backend does not start, or no worker is left.
    """
    ready = []
    try:
        answers = [worker.start(make, weights) for worker, make in seats]
        for (worker, _), answer in zip(seats, answers, strict=True):
            try:
                answer()
                ready.append(worker)
            except WorkerLostError as lost:
                logging.getLogger("nst").warning("%s: it did not start", lost)
    except BaseException:
        for worker, _ in seats:
            worker.close()
        raise
    if seats and not ready:
        raise NSTError("no worker starts: close other programs, or name fewer devices")
    return ready


def _host_shard(make: MakeBackend, weights: NetworkWeights) -> None:
    _here.host = ShardHost(make, weights)


def _do(method: str, *arguments: Any) -> Any:
    return _here.host.do(method, *arguments)


MakeBackend: TypeAlias = Callable[[], Backend[Any]]  # imports a framework; can be pickled


class ShardHost:
    """A share, and errors that can be sent; NSTError if there is no such backend or device here."""

    def __init__(self, make: MakeBackend, weights: NetworkWeights) -> None:
        self._shard = Shard(make(), weights)

    def do(self, method: str, *arguments: Any) -> Any:
        """Call a method of the share.

        MemoryError: what any framework means by running out of memory. RuntimeError: any other fault, with its
        traceback as text, since not every exception can be pickled.
        """
        try:
            return getattr(self._shard, method)(*arguments)
        except NSTError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise MemoryError(f"{type(error).__name__}: {error}") from None
            raise RuntimeError("".join(traceback.format_exception(error))) from None


def environment(jobs: int) -> dict[str, str]:
    """For a worker: the threads of all of them together are as many as there are cores, or as OMP_NUM_THREADS says."""
    if jobs == 1:
        return dict(os.environ)
    asked = os.environ.get("OMP_NUM_THREADS", "")
    most = int(asked) if asked.isdecimal() and int(asked) else cores()
    return {**os.environ, **dict.fromkeys(THREADS, str(max(1, min(most, cores()) // jobs)))}
