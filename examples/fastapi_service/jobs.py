"""Jobs: pictures that wait, are painted by threads that share one network, and are kept for a while. Knows no HTTP."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, Literal

from pydantic import BaseModel, PositiveFloat, PositiveInt

import nst

__all__ = ["BusyError", "Config", "Job", "Jobs", "Status"]


class Config(BaseModel, frozen=True):
    """How the service runs, and what a stranger may ask of it.

    Attributes:
        backend: see `nst.StyleTransfer`.
        device: the same.
        weights: the same.
        workers: pictures that are painted at once; on a processor they share its cores.
        queue: pictures that may wait.
        file_bytes: of each of the two files.
        pixels: see `max_pixels` of `nst.Settings`.
        size: the longest side of a result in pixels.
        steps: of one picture.
        deadline: seconds that one picture may be painted; then it is what it is by then.
        memory: bytes that one picture may take, the process included.
        keep: seconds that a job is remembered after its end.
        kept: jobs that are remembered after their end.
        grace: seconds for what is under way when the service is told to stop.
        host: to listen at.
        port: to listen at; 0 for a free one.
    """

    backend: str = "auto"
    device: str = "auto"
    weights: str = "auto"
    workers: PositiveInt = 1
    queue: PositiveInt = 16
    file_bytes: PositiveInt = 20_000_000
    pixels: PositiveInt = 100_000_000
    size: PositiveInt = 1024
    steps: PositiveInt = 500
    deadline: PositiveFloat = 120
    memory: PositiveInt = 4_000_000_000
    keep: PositiveFloat = 600
    kept: PositiveInt = 100
    grace: PositiveInt = 10
    host: str = "127.0.0.1"
    port: int = 8000


class BusyError(Exception):
    """The queue is full, or the service is about to stop."""


@dataclass(frozen=True)
class Status:
    """What a client sees of a job. Replaced as a whole, so that no thread ever sees half of one.

    Attributes:
        id: nobody can guess it: who has it may see the picture.
        state: a cancelled job has a picture too, if it had begun.
        step: steps done.
        steps: steps asked for.
        stopped: why there are fewer, see `nst.Result`.
        error: one line, of a job that failed.
    """

    id: str
    state: Literal["queued", "running", "done", "cancelled", "failed"]
    step: int
    steps: int
    stopped: str | None = None
    error: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.state not in ("queued", "running")


class Job:
    """One picture. The thread that paints it calls `tell`, the event loop does everything else."""

    def __init__(self, transfer: nst.StyleTransfer, deadline: float) -> None:
        steps = sum(count for _, count in transfer.schedule)
        self.status = Status(secrets.token_urlsafe(16), "queued", 0, steps)
        self.transfer: nst.StyleTransfer | None = transfer
        self.deadline = deadline
        self.cancelled = threading.Event()
        self.png: bytes | None = None
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def tell(self, **changes: Any) -> None:
        """Change the status, from any thread, and wake who follows it."""
        self.status = replace(self.status, **changes)
        self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def follow(self) -> AsyncIterator[Status]:
        """The status now and after each change, until the job has ended.

        Who reads slowly misses some in between, so that nothing piles up; what comes is always newer than what came.
        """
        seen = None
        while seen is None or not seen.ended:
            news = self._news  # taken before the status is looked at, so that no change is missed
            if self.status != seen:
                seen = self.status
                yield seen
            else:
                await news.wait()


class Jobs:
    """All jobs of this process. Its methods belong to the event loop; network and backend are loaded here, once."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.weights = nst.resolve_weights(config.weights)
        self.backend = nst.get_backend(config.backend, config.device)
        self._jobs: dict[str, Job] = {}
        self._futures: dict[str, Future[None]] = {}  # of jobs that have not ended
        self._reading = 0
        self._stopping = False
        # one reader: decoding takes 12 bytes a pixel, and this is what bounds them
        self._reader = ThreadPoolExecutor(1, "reader")
        self._painters = ThreadPoolExecutor(config.workers, "painter")

    def get(self, id_: str) -> Job | None:
        """The job, or None if there is none or it has been forgotten."""
        return self._jobs.get(id_)

    def count(self, state: str) -> int:
        """Jobs in that state."""
        return sum(job.status.state == state for job in self._jobs.values())

    async def add(self, content: bytes, style: bytes, deadline: float, **settings: Any) -> Job:
        """Read the pictures, check everything that can be checked before the work, and put a job into the queue.

        Raises:
            NSTError: a picture or a setting that cannot be used, or more memory than is allowed.
            BusyError: the queue is full, or the service is about to stop.
        """
        self._require_open()
        if self._reading + self.count("queued") >= self.config.queue:
            raise BusyError(f"{self.config.queue} pictures are waiting already: try again later")
        self._reading += 1
        try:
            reading = self._reader.submit(self._transfer, content, style, settings)
            transfer = await asyncio.wrap_future(reading)
        finally:
            self._reading -= 1
        self._require_open()  # which may have changed by now
        job = Job(transfer, min(deadline, self.config.deadline))
        self._jobs[job.status.id] = job
        self._futures[job.status.id] = self._painters.submit(self._paint, job, asyncio.get_running_loop())
        return job

    def cancel(self, job: Job) -> None:
        """End it: at once if it waits, within one step if it is painted."""
        job.cancelled.set()
        if self._futures[job.status.id].cancel():
            job.transfer = None  # whose pictures nobody needs any more
            job.tell(state="cancelled", stopped="cancelled")
            self._ended(job)

    def forget(self, job: Job) -> None:
        """Drop a job that has ended, and its picture."""
        self._jobs.pop(job.status.id, None)

    def stop(self) -> None:
        """Take no more jobs and cancel all there are."""
        self._stopping = True
        for job in list(self._jobs.values()):
            if job.status.id in self._futures:
                self.cancel(job)

    async def join(self) -> None:
        """Wait for the steps that are under way."""
        await asyncio.to_thread(self._reader.shutdown, cancel_futures=True)
        await asyncio.to_thread(self._painters.shutdown)

    def _require_open(self) -> None:
        if self._stopping:
            raise BusyError("the service is about to stop: try again")

    def _transfer(self, content: bytes, style: bytes, settings: dict[str, Any]) -> nst.StyleTransfer:
        return nst.StyleTransfer(
            _Named("content", content),
            _Named("style", style),
            weights=self.weights,
            backend=self.backend,
            memory=self.config.memory,
            max_pixels=self.config.pixels,
            **settings,
        )

    def _paint(self, job: Job, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread of the painters."""
        transfer, job.transfer = job.transfer, None  # so that its pictures are freed with this function
        assert transfer is not None
        job.tell(state="running")
        try:
            result = transfer.paint(
                lambda record: job.tell(step=record.step),
                progress=False,
                deadline=job.deadline,
                cancel=job.cancelled,
            )
            file = BytesIO()
            result.image.save(file, "PNG")
            job.png = file.getvalue()
            state = "cancelled" if result.stopped == "cancelled" else "done"
            job.tell(state=state, stopped=result.stopped, step=result.steps)
        except nst.NSTError as error:
            job.tell(state="failed", error=str(error))
        except Exception:  # out of memory, a fault: the thread has to live on, and the client to be told
            logging.getLogger("uvicorn.error").exception("job %s failed", job.status.id)
            job.tell(
                state="failed", error="the picture could not be painted; the log of the service says why"
            )
        finally:
            loop.call_soon_threadsafe(self._ended, job)

    def _ended(self, job: Job) -> None:
        self._futures.pop(job.status.id, None)
        asyncio.get_running_loop().call_later(self.config.keep, self.forget, job)
        ended = [other for other in self._jobs.values() if other.status.ended]
        for oldest in ended[: -self.config.kept]:
            self.forget(oldest)


class _Named(BytesIO):
    """A file in memory with a name for error messages."""

    def __init__(self, name: str, data: bytes) -> None:
        super().__init__(data)
        self.name = name
