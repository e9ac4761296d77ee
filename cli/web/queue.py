"""The queue of large pictures: on disk, so that it is there again after a restart, and worked through one at a time."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import psutil

from nst.cli.web.messages import Event, Finished, Large, Order, Preview, Ready, Status, Stop
from nst.cli.web.painting import Setup
from nst.cli.web.process import PaintingProcess
from nst.cli.web.recipe import require_in_folder
from nst.cli.web.session import Store
from nst.errors import NSTError
from nst.files import parse, read_as, write_atomically

CRASHES = 2  # times that the process may die over a picture before it is given up

PATIENCE = 10.0
"""Seconds that a picture has to be saved in when the server ends; else its last checkpoint counts."""


@dataclass(frozen=True)
class LargeJob:
    """A large picture."""

    name: str  # of its files
    order: Order  # what
    present: str  # path of the picture to go on from
    above: int  # longest side of the live picture in pixels
    state: str = "queued"  # queued, painting, failed
    error: str = ""  # one line
    crashes: int = 0  # how often the process died over it
    step: int = 0  # steps done, of `steps`
    steps: int = 0
    left: float = 0.0  # seconds that it will still take
    asked: float = field(default_factory=time.time)  # seconds since 1970
    quick: bool = False  # brought up to size, without a step


class LargeJobs:
    """See the module. Everything here happens in the one thread of the server.

    `notify` is called with a job and what has happened to it, if that is more than a change of its state.
    """

    def __init__(
        self,
        store: Store,
        setup: Setup,
        process: PaintingProcess,
        notify: Callable[[LargeJob, Event | None], None],
    ) -> None:
        self.reserve = 0
        """Bytes of memory that are left to live pictures."""
        self._setup, self._process, self._notify = setup, process, notify
        self._peak = 0
        self._folder = store.folder / "queue"
        self._folder.mkdir(exist_ok=True, mode=0o700)
        found = (_read(path) for path in self._folder.glob("*.json"))
        jobs = sorted((job for job in found if job is not None), key=lambda job: job.asked)
        self._jobs = {job.name: job for job in jobs}
        for path in self._folder.iterdir():  # of a server that was killed
            if path.suffix != ".json" and path.stem not in self._jobs:
                path.unlink(missing_ok=True)

    def of(self, session: str) -> list[tuple[int, LargeJob]]:
        """The jobs of a session, the oldest first, each with its place in the queue."""
        jobs = enumerate(self._jobs.values(), 1)
        return [(place, job) for place, job in jobs if job.order.session == session]

    @property
    def taken(self) -> int:
        """Bytes of memory that the present picture will take beyond what it has."""
        if self._painting is None:
            return 0
        resident = 0
        if self._setup.memory is None:  # else what is free does not count, and it is all to be left over
            with suppress(psutil.Error):
                resident = psutil.Process(self._process.pid).memory_info().rss
        return max(0, self._peak - resident)

    def add(self, large: Large) -> None:
        """A further picture. OSError: it cannot be written, and is not in the queue."""
        job = LargeJob(secrets.token_hex(6), large.order, large.present, large.above, quick=large.quick)
        self._write(job)
        self._jobs[job.name] = job
        self.start_next()

    def cancel(self, name: str, session: str) -> None:
        """Take a picture of a session out; the process ends if it is the present one."""
        job = self._jobs.get(name)
        if job is None or job.order.session != session:
            return
        if job.state == "painting":
            self._process.stop()
        self._remove(job)
        self.start_next()

    def start_next(self) -> None:
        """Begin the next picture if none is under way."""
        job = next((job for job in self._jobs.values() if job.state == "queued"), None)
        if job is None or self._painting is not None:
            return
        self._peak = 0
        self._save(replace(job, state="painting"))
        checkpoint = str(self._checkpoint(job))
        self._process.send(
            Large(job.order, job.present, job.above, job.name, checkpoint, self.reserve, job.quick)
        )

    def make_room(self) -> None:
        """A live picture wants the memory: the present one is saved for a while."""
        if self._painting is not None:
            self._process.send(Stop(self._painting.order.session))

    def close(self) -> None:
        """Save the present picture and end the process."""
        self._process.stop(0.0 if self._painting is None else PATIENCE)

    def handle(self, event: Event | None) -> None:
        """What the process reports; None when it is dead."""
        job = self._painting
        if job is None or isinstance(event, Ready):
            return
        if event is None:  # out of memory, most likely: once more from the checkpoint, or not again
            crashes = job.crashes + 1
            state = "queued" if crashes < CRASHES else "failed"
            error = "the process died, perhaps out of memory: take a smaller size"
            self._notify(self._save(replace(job, state=state, crashes=crashes, error=error)), None)
        elif isinstance(event, Preview):
            self._peak = event.peak
            job = replace(job, step=event.step, steps=event.steps, left=event.left)
            self._jobs[job.name] = job  # not worth the disk
            self._notify(job, None)
            return
        elif isinstance(event, Finished):
            self._remove(job)
            self._notify(job, event)
        elif isinstance(event, Status) and event.state == "saved":
            job = self._save(replace(job, state="queued"))
            self._process.stop()  # its memory is wanted
            self._notify(job, event)
            return
        elif isinstance(event, Status):
            self._notify(self._save(replace(job, state="failed", error=event.error)), None)
        self.start_next()

    @property
    def _painting(self) -> LargeJob | None:
        return next((job for job in self._jobs.values() if job.state == "painting"), None)

    def _checkpoint(self, job: LargeJob) -> Path:
        return self._folder / f"{job.name}.checkpoint"

    def _save(self, job: LargeJob) -> LargeJob:
        self._jobs[job.name] = job
        with suppress(
            OSError
        ):  # a disk that is full: the queue goes on, from what the file says after a restart
            self._write(job)
        return job

    def _write(self, job: LargeJob) -> None:
        write_atomically(self._folder / f"{job.name}.json", json.dumps(asdict(job), indent=1).encode())

    def _remove(self, job: LargeJob) -> None:
        self._jobs.pop(job.name, None)
        for path in (self._folder / f"{job.name}.json", self._checkpoint(job)):
            with suppress(OSError):
                path.unlink()


def _read(path: Path) -> LargeJob | None:
    """None for a file that is damaged or of another version."""
    try:
        job: LargeJob = read_as(LargeJob, parse(path.read_bytes()))
        require_in_folder(job.order.subject.files)
    except (OSError, ValueError, NSTError):
        return None
    if job.name != path.stem:
        return None
    return replace(job, state="queued") if job.state == "painting" else job
