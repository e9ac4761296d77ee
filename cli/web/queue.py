"""The queue of large pictures, on disk: it is there again after a restart of the server.

`LargeJobs` works through it with a process that paints.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from nst.cli.web.messages import Event, Failed, Finished, Large, Order, Preview, Saved, Stop
from nst.cli.web.painting import Setup
from nst.cli.web.process import PaintingProcess
from nst.cli.web.recipe import read_recipe
from nst.documents import read_json
from nst.errors import NSTError
from nst.files import write_atomically

__all__ = ["LargeJob", "LargeJobs", "Queue"]

CRASHES = 2
"""Times that the process may die over a picture before it is given up."""


@dataclass(frozen=True)
class LargeJob:
    """A large picture.

    Attributes:
        name: of its files.
        order: what.
        present: path of the picture to go on from.
        above: longest side of the live picture in pixels.
        source: run of the live picture.
        state: queued, painting, failed.
        error: one line.
        crashes: how often the process died over it.
        step: steps done.
        steps: in all.
        left: seconds that it will still take.
        asked: seconds since 1970.
    """

    name: str
    order: Order
    present: str
    above: int
    source: int
    state: str = "queued"
    error: str = ""
    crashes: int = 0
    step: int = 0
    steps: int = 0
    left: float = 0.0
    asked: float = field(default_factory=time.time)


class Queue:
    """See the module.

    Args:
        folder: made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = (_read(path) for path in folder.glob("*.json"))
        jobs = sorted((job for job in found if job is not None), key=lambda job: job.asked)
        self._jobs = {job.name: job for job in jobs}

    def __iter__(self) -> Any:
        return iter(list(self._jobs.values()))

    def get(self, name: str) -> LargeJob | None:
        """By name."""
        return self._jobs.get(name)

    def of(self, session: str) -> list[LargeJob]:
        """Those of a session, the oldest first."""
        return [job for job in self._jobs.values() if job.order.session == session]

    @property
    def painting(self) -> LargeJob | None:
        """The one that is being painted."""
        return next((job for job in self._jobs.values() if job.state == "painting"), None)

    @property
    def next(self) -> LargeJob | None:
        """The one whose turn it is."""
        return next((job for job in self._jobs.values() if job.state == "queued"), None)

    def save(self, job: LargeJob, keep: bool = True) -> LargeJob:
        """Take in a job, or how it is now; `keep=False` does not bother the disk."""
        self._jobs[job.name] = job
        if keep:
            write_atomically(self._folder / f"{job.name}.json", json.dumps(asdict(job), indent=1).encode())
        return job

    def remove(self, name: str) -> None:
        """With its checkpoint."""
        self._jobs.pop(name, None)
        for path in (self._folder / f"{name}.json", self.checkpoint(name)):
            with suppress(OSError):
                path.unlink()

    def checkpoint(self, name: str) -> Path:
        """Where its run is saved."""
        return self._folder / f"{name}.checkpoint"

    def crashed(self, job: LargeJob, error: str) -> LargeJob:
        """The process died: once more from the checkpoint, or not again."""
        crashes = job.crashes + 1
        state = "queued" if crashes < CRASHES else "failed"
        return self.save(replace(job, state=state, crashes=crashes, error=error))


_ORDER = {
    "session": str,
    "run": int,
    "folder": str,
    "photo": str,
    "styles": [str],
    "masks": {str: str},
    "recipe": {str: object},
    "size": int,
}
_FORM = {
    "name": str,
    "order": _ORDER,
    "present": str,
    "above": int,
    "source": int,
    "state": str,
    "error": str,
    "crashes": int,
    "step": int,
    "steps": int,
    "left": float,
    "asked": float,
}
"""What the file of a job must be; see `nst.documents`."""


def _read(path: Path) -> LargeJob | None:
    try:
        document = read_json(path.read_bytes(), _FORM)
        order = document["order"]
        if document["name"] != path.stem:
            return None
        order = {**order, "styles": tuple(order["styles"]), "recipe": read_recipe(order["recipe"])}
        job = LargeJob(**{**document, "order": Order(**order)})
    except (OSError, ValueError, KeyError, TypeError, NSTError):
        return None
    return replace(job, state="queued") if job.state == "painting" else job


PATIENCE = 10.0
"""Seconds that a picture has to be saved in when the server ends; else its last checkpoint counts."""


class LargeJobs:
    """Where large pictures are painted: the queue, and the process that works through it.

    Everything here happens in the one thread of the server.

    Args:
        queue: on disk.
        setup: of the studio.
        slow: the process.
        notify: called with a job and what has happened to it, if that is more than a change of its state.
    """

    def __init__(
        self,
        queue: Queue,
        setup: Setup,
        slow: PaintingProcess,
        notify: Callable[[LargeJob, Event | None], None],
    ) -> None:
        self.queue = queue
        self.reserve = 0
        self._setup, self._notify = setup, notify
        self._slow = slow
        self._peak = 0

    @property
    def taken(self) -> int:
        """Bytes of memory that the present picture will take beyond what it has."""
        if self.queue.painting is None:
            return 0
        held = 0
        if self._setup.memory is None:  # else what is free does not count, and it is all to be left over
            with suppress(psutil.Error):
                held = psutil.Process(self._slow.pid).memory_info().rss
        return max(0, self._peak - held)

    def places(self, session: str) -> list[tuple[int, LargeJob]]:
        """The jobs of a session, each with its place in the queue."""
        return [(place, job) for place, job in enumerate(self.queue, 1) if job.order.session == session]

    def add(self, order: Order, present: str, above: int, source: int) -> None:
        """A further picture."""
        self.queue.save(LargeJob(secrets.token_hex(6), order, present, above, source))
        self.feed()

    def cancel(self, job: LargeJob) -> None:
        """Take a picture out; the process ends if it is the present one."""
        if job.state == "painting":
            self._slow.stop()
        self.queue.remove(job.name)
        self.feed()

    def feed(self) -> None:
        """Begin the next picture if none is under way."""
        job = self.queue.next
        if job is None or self.queue.painting is not None:
            return
        self._peak = 0
        self.queue.save(replace(job, state="painting"))
        checkpoint = str(self.queue.checkpoint(job.name))
        self._slow.send(Large(job.name, job.order, job.present, job.above, checkpoint, self.reserve))

    def make_room(self) -> None:
        """A live picture wants the memory: put the present one down for a while."""
        job = self.queue.painting
        if job is not None:
            self._slow.send(Stop(job.order.session))

    def close(self) -> None:
        """Put the present picture down."""
        job = self.queue.painting
        self._slow.stop(0.0 if job is None else PATIENCE)

    def handle(self, event: Event | None) -> None:
        """What the process says; None when it is dead."""
        job = self.queue.painting
        if job is None:
            return
        if event is None:  # out of memory, most likely
            error = "the process died, perhaps out of memory: take a smaller size"
            self._notify(self.queue.crashed(job, error), None)
            self.feed()
        elif isinstance(event, Preview):
            self._peak = event.peak
            job = replace(job, step=event.step, steps=event.steps, left=event.left)
            self._notify(self.queue.save(job, keep=False), None)
        elif isinstance(event, Finished):
            self.queue.remove(job.name)
            self._notify(job, event)
            self.feed()
        elif isinstance(event, Failed):
            self._notify(self.queue.save(replace(job, state="failed", error=event.error)), None)
            self.feed()
        elif isinstance(event, Saved):
            job = self.queue.save(replace(job, state="queued"))
            self._slow.stop()  # its memory is wanted
            self._notify(job, event)
