"""The queue of large pictures, on disk: it is there again after a restart of the server."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nst.cli.web.messages import Order
from nst.cli.web.recipe import read_recipe
from nst.errors import NSTError
from nst.files import write_atomically

__all__ = ["Job", "Queue"]

CRASHES = 2
"""Times that the process may die over a picture before it is given up."""


@dataclass(frozen=True)
class Job:
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

    def get(self, name: str) -> Job | None:
        """By name."""
        return self._jobs.get(name)

    def of(self, session: str) -> list[Job]:
        """Those of a session, the oldest first."""
        return [job for job in self._jobs.values() if job.order.session == session]

    @property
    def painting(self) -> Job | None:
        """The one that is being painted."""
        return next((job for job in self._jobs.values() if job.state == "painting"), None)

    @property
    def next(self) -> Job | None:
        """The one whose turn it is."""
        return next((job for job in self._jobs.values() if job.state == "queued"), None)

    def put(self, job: Job, keep: bool = True) -> Job:
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

    def crashed(self, job: Job, error: str) -> Job:
        """The process died: once more from the checkpoint, or not again."""
        crashes = job.crashes + 1
        state = "queued" if crashes < CRASHES else "failed"
        return self.put(replace(job, state=state, crashes=crashes, error=error))


def _read(path: Path) -> Job | None:
    try:
        document = json.loads(path.read_text())
        order = document["order"]
        order = {**order, "styles": tuple(order["styles"]), "recipe": read_recipe(order["recipe"])}
        job = Job(**{**document, "order": Order(**order)})
    except (OSError, ValueError, KeyError, TypeError, NSTError):
        return None
    return replace(job, state="queued") if job.state == "painting" else job
