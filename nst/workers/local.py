"""Workers on this machine: a thread for a GPU, a process of its own for the CPU; how the cores are shared out.

A thread hands over arrays without copying them, and frameworks let other threads run while a GPU computes. On a CPU it
would share the framework's one pool of threads with the others; a process has its own.
"""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process, resource_tracker
from typing import Any, TypeAlias
from weakref import finalize

from nst.cgroups import THREADS, cores
from nst.children import safe_children
from nst.engine.distributed import Answer, Shard, WorkerLostError
from nst.errors import BackendError, NSTError
from nst.models.weights import NetworkWeights
from nst.planning.memory import is_out_of_memory
from nst.protocol import Backend

__all__ = [
    "LocalWorker",
    "MakeBackend",
    "ShardHost",
    "environment",
    "local_workers",
    "process_worker",
    "start_workers",
    "thread_worker",
]

_here = threading.local()
"""`_here.host` is the shard's host in this thread, or in the only thread of this process."""


class LocalWorker:
    """See `nst.engine.distributed.Worker`.

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
        """Make its shard, in its own thread or process."""
        return self._answer(_host_shard, make, weights)

    def ask(self, method: str, *arguments: Any) -> Answer:
        """See `nst.engine.distributed.Worker`."""
        return self._answer(_do, method, *arguments)

    def close(self) -> None:
        """See `nst.engine.distributed.Worker`."""
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
    """A worker in a process of its own, which starts with its first task.

    Raises:
        BackendError: the system has no place for the locks of processes.
    """
    try:
        executor = ProcessPoolExecutor(1, get_context("spawn"), initializer=_stay_with_the_first_process)
    except OSError as error:
        reason = f"{error.strerror} (/dev/shm must be there, and writable)"
        raise BackendError(
            f"{device} cannot have a process of its own: {reason}; use --device cpu"
        ) from error
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
    with safe_children(), _sharing(max(1, on_cpu)):
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


def _host_shard(make: MakeBackend, weights: NetworkWeights) -> None:
    _here.host = ShardHost(make, weights)


def _do(method: str, *arguments: Any) -> Any:
    return _here.host.do(method, *arguments)


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


MakeBackend: TypeAlias = Callable[[], Backend[Any]]
"""Imports a framework; can be pickled."""


class ShardHost:
    """A share, and errors that can be sent.

    Args:
        make: makes the backend, on the worker's device.
        weights: of the network.

    Raises:
        NSTError: there is no such backend or device here.
    """

    def __init__(self, make: MakeBackend, weights: NetworkWeights) -> None:
        self._shard = Shard(make(), weights)

    def do(self, method: str, *arguments: Any) -> Any:
        """Call a method of the share.

        Raises:
            MemoryError: what any framework means by running out of memory.
            RuntimeError: any other fault, with its traceback as text, since not every exception can be pickled.
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
