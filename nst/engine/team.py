"""Workers who compute windows elsewhere, as the engine sees them; `nst.workers` has them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Protocol, TypeAlias

from nst.errors import NSTError

__all__ = ["Answer", "Team", "Worker", "WorkerLostError"]

Answer: TypeAlias = Callable[[], Any]
"""Waits for what was asked and returns it.

Raises:
    WorkerLostError: there will be no answer.
"""


class Worker(Protocol):
    """Somebody with a `nst.engine.share.Share`: does what it is asked one after the other, and can be lost."""

    @property
    def name(self) -> str:
        """Where it is, for people: "cuda:1", "cpu (process 4711)"."""

    def ask(self, method: str, *arguments: Any) -> Answer:
        """Call a method of its share; returns at once.

        Raises:
            WorkerLostError: it is no longer there.
        """

    def close(self) -> None:
        """Send it home."""


class WorkerLostError(NSTError):
    """A worker's process has ended, or its machine is gone."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(f"the worker on {worker.name} is gone")
        self.worker = worker


class Team:
    """The workers of a run. They start when the first picture comes that is computed in windows.

    Args:
        start: makes them.
        size: how many there will be.
        nearby: how many of them use the memory of this process's device.

    Attributes:
        busy_with: the constants of the windows that they have been told; None if they have to be told.
    """

    def __init__(self, start: Callable[[], Sequence[Worker]], size: int, nearby: int) -> None:
        self._start = start
        self.size, self.nearby = size, nearby
        self.busy_with: Any = None

    @cached_property
    def workers(self) -> list[Worker]:
        """Those who are there."""
        return list(self._start())

    def go_on_without(self, lost: WorkerLostError) -> None:
        """The others have to do all windows.

        Raises:
            NSTError: there are no others.
        """
        self.busy_with = None
        if lost.worker in self.workers:
            self.workers.remove(lost.worker)
            lost.worker.close()
        if not self.workers:
            del self.workers  # another run begins with new ones
            raise NSTError(
                f"{lost}, and there is no other: it ran out of memory, or somebody ended it; use a smaller --tile, "
                "or fewer devices"
            ) from lost
        logging.getLogger("nst").warning("%s: its windows are done elsewhere", lost)
