"""A process that paints, as the server sees it: started, spoken to, started again when it dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from nst.cli.web.easel import Setup
from nst.cli.web.messages import End, Event, Failed, Ready, Request

__all__ = ["Painter"]

NICENESS = 10
"""Of the process that paints large pictures: a tenth of the time beside a live one, all there is otherwise."""


class Painter:
    """See the module.

    Args:
        setup: of the studio.
        slow: paints large pictures at a low priority, in place of live ones.
        hear: called with each event, in a thread of its own; with None when the process is dead.
    """

    def __init__(self, setup: Setup, slow: bool, hear: Callable[[Event | None], None]) -> None:
        self._setup, self._slow, self._hear = setup, slow, hear
        self._process: Any = None
        self._pipe: Connection | None = None
        self._requests: SimpleQueue[Request | None] = SimpleQueue()

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.is_alive()

    @property
    def pid(self) -> int | None:
        """Of the process."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start a process; it loads backend and network at once."""
        context = multiprocessing.get_context("spawn")  # frameworks do not survive a fork
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, self._setup, self._slow), daemon=True)
        self._process.start()
        theirs.close()
        self._requests.put(None)  # the end of those to the process before
        self._requests = SimpleQueue()
        threading.Thread(target=_speak, args=(self._pipe, self._requests), daemon=True).start()
        threading.Thread(target=self._listen, args=(self._pipe,), daemon=True).start()

    def send(self, request: Request) -> None:
        """Ask for something, without waiting for a process that is busy; one that is dead is started."""
        if not self.alive:
            self.start()
        self._requests.put(request)

    def stop(self, patience: float = 0.0) -> None:
        """End the process, after so many seconds at the latest."""
        process, self._process = self._process, None
        if process is None:
            return
        if patience:
            self._requests.put(End())
            process.join(patience)
        self._requests.put(None)
        process.kill()
        process.join()

    def _listen(self, pipe: Connection) -> None:
        while True:
            try:
                event = pipe.recv()
            except (EOFError, OSError):
                break
            self._hear(event)
        if pipe is self._pipe and self._process is not None:  # not ended by `stop`
            self._hear(None)


def _speak(pipe: Connection, requests: SimpleQueue[Request | None]) -> None:
    """A thread of its own, since a pipe that is full makes its sender wait."""
    while (request := requests.get()) is not None:
        try:
            pipe.send(request)
        except OSError:  # the process died, which `hear` is told
            return


def work(pipe: Connection, setup: Setup, slow: bool) -> None:
    """What the process does."""
    from nst.cli.web.easel import Easel, one_line
    from nst.cli.web.large import Slow
    from nst.cli.web.live import Live

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole terminal; the server ends this
    easel = Easel(setup)
    try:
        backend, weights = easel.backend, easel.weights
        if not slow:
            easel.warm_up()
        elif hasattr(os, "nice"):
            os.nice(NICENESS)
        pipe.send(Ready(backend.name, backend.device, weights.name))
        (Slow if slow else Live)(pipe, easel).run()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:
        with suppress(OSError):
            pipe.send(Failed("", 0, one_line(error)))
