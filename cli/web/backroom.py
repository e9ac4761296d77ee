"""Where large pictures are painted: the queue, and the process that works through it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import psutil

from nst.cli.web.easel import Setup
from nst.cli.web.messages import Event, Failed, Finished, Large, Order, Preview, Saved, Stop
from nst.cli.web.process import Painter
from nst.cli.web.queue import Job, Queue

__all__ = ["Backroom"]

PATIENCE = 10.0
"""Seconds that a picture has to be saved in when the server ends; else its last checkpoint counts."""


class Backroom:
    """See the module. Everything here happens in the one thread of the server.

    Args:
        queue: on disk.
        setup: of the studio.
        slow: the process.
        tell: called with a job and what has happened to it, if that is more than a change of its state.
    """

    def __init__(
        self,
        queue: Queue,
        setup: Setup,
        slow: Painter,
        tell: Callable[[Job, Event | None], None],
    ) -> None:
        self.queue = queue
        self.reserve = 0
        self._setup, self._tell = setup, tell
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

    def places(self, session: str) -> list[tuple[int, Job]]:
        """The jobs of a session, each with its place in the queue."""
        return [(place, job) for place, job in enumerate(self.queue, 1) if job.order.session == session]

    def add(self, order: Order, present: str, above: int, source: int) -> None:
        """A further picture."""
        self.queue.put(Job(secrets.token_hex(6), order, present, above, source))
        self.feed()

    def cancel(self, job: Job) -> None:
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
        self.queue.put(replace(job, state="painting"))
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

    def hear(self, event: Event | None) -> None:
        """What the process says; None when it is dead."""
        job = self.queue.painting
        if job is None:
            return
        if event is None:  # for want of memory, most likely
            error = "the process died, perhaps for want of memory: take a smaller size"
            self._tell(self.queue.crashed(job, error), None)
            self.feed()
        elif isinstance(event, Preview):
            self._peak = event.peak
            job = replace(job, step=event.step, steps=event.steps, left=event.left)
            self._tell(self.queue.put(job, keep=False), None)
        elif isinstance(event, Finished):
            self.queue.remove(job.name)
            self._tell(job, event)
            self.feed()
        elif isinstance(event, Failed):
            self._tell(self.queue.put(replace(job, state="failed", error=event.error)), None)
            self.feed()
        elif isinstance(event, Saved):
            job = self.queue.put(replace(job, state="queued"))
            self._slow.stop()  # its memory is wanted
            self._tell(job, event)
