"""A process that paints, as the server sees it: started, asked, started again when it dies; and what it does.

Live pictures are `nst.cli.web.live`. Large ones are painted one at a time and at a low priority (`LargeWorker`); each
is saved as it goes on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from nst.children import safe_children
from nst.cli.web.live import LiveWorker
from nst.cli.web.messages import Event, Large, Ready, Request, Status
from nst.cli.web.painting import Canvas, PaintingContext, Setup, bring_up, error_line, large_transfer
from nst.errors import NSTError
from nst.transfer import StyleTransfer

NICENESS = 10
"""Of the process that paints large pictures: a tenth of the time beside a live one, all there is otherwise."""


class PaintingProcess:
    """A process that paints, as the server sees it: started, asked, started again when it dies.

    A `slow` one paints large pictures at a low priority, in place of live ones. `handle` is called with each event, in
    a thread of its own; with None when the process is dead.
    """

    def __init__(self, setup: Setup, slow: bool, handle: Callable[[Event | None], None]) -> None:
        self._setup, self._slow, self._handle = setup, slow, handle
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
        with safe_children():
            self._process.start()
        theirs.close()
        self._requests.put(None)  # the end of those to the process before
        self._requests = SimpleQueue()
        threading.Thread(target=_write, args=(self._pipe, self._requests), daemon=True).start()
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
        self._requests.put(None)
        process.join(patience)
        process.kill()
        process.join()

    def _listen(self, pipe: Connection) -> None:
        while True:
            try:
                event = pipe.recv()
            except (EOFError, OSError):
                break
            self._handle(event)
        if pipe is self._pipe and self._process is not None:  # not ended by `stop`
            self._handle(None)


def _write(pipe: Connection, requests: SimpleQueue[Request | None]) -> None:
    """A thread of its own, since a pipe that is full makes its sender wait."""
    with suppress(OSError):  # the process died, which `handle` is told
        while (request := requests.get()) is not None:
            pipe.send(request)
        pipe.send(None)


def work(pipe: Connection, setup: Setup, slow: bool) -> None:
    """What the process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole terminal; the server ends this
    context = PaintingContext(setup)
    try:
        backend, weights = context.backend, context.weights
        if not slow:
            context.warm_up()
        elif hasattr(os, "nice"):
            os.nice(NICENESS)
        pipe.send(Ready(backend.name, backend.device, weights.name))
        (LargeWorker if slow else LiveWorker)(pipe, context).run()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:
        with suppress(OSError):
            pipe.send(Status("", 0, "failed", error_line(error)))


EVERY = 20.0
"""Seconds between two checkpoints."""

SHARE = 20.0
"""The time between two is this many times what the last one took, or more."""


class LargeWorker:
    """What a process does that paints large pictures, one at a time; each is saved as it goes on."""

    def __init__(self, pipe: Connection, context: PaintingContext) -> None:
        self._pipe, self._context = pipe, context
        self._due = 0.0

    def run(self) -> None:
        """Until the server ends."""
        while (request := self._pipe.recv()) is not None:
            if isinstance(request, Large):
                self._paint(request)

    def _paint(self, request: Large) -> None:
        """Paint to the end, or until any request interrupts it."""
        order = request.order
        try:
            if request.quick:
                self._pipe.send(bring_up(request, self._context.setup.weights))
                return
            canvas = self._canvas(request)
            self._due = time.monotonic() + EVERY
            while canvas.advance():
                if self._interrupted(canvas):
                    canvas.transfer.save(request.checkpoint)
                    self._pipe.send(Status(order.session, order.run, "saved"))
                    return
                self._save(canvas.transfer, request.checkpoint)
            self._pipe.send(canvas.finish("large"))
            with suppress(OSError):
                Path(request.checkpoint).unlink()
        except (EOFError, BrokenPipeError):
            raise
        except Exception as error:
            self._pipe.send(Status(order.session, order.run, "failed", error_line(error)))

    def _interrupted(self, canvas: Canvas) -> bool:
        """Report how far it is; whether there is a request, or the server is gone."""
        try:
            preview = canvas.due_preview()
            if preview is not None:
                self._pipe.send(preview)
            return self._pipe.poll()
        except (EOFError, OSError):
            return True

    def _canvas(self, request: Large) -> Canvas:
        """From the checkpoint, or from the beginning where that is damaged or not there."""
        context, order = self._context, request.order
        if Path(request.checkpoint).exists():
            with suppress(NSTError):
                transfer = StyleTransfer.resume(
                    request.checkpoint, backend=context.backend, weights=context.weights, anyway=True
                )
                return Canvas(context, order, transfer, str(order.file("start")), large=True)
        return Canvas(context, order, *large_transfer(context, request), large=True)

    def _save(self, transfer: StyleTransfer, path: str) -> None:
        if time.monotonic() < self._due:
            return
        began = time.monotonic()
        with suppress(NSTError):  # a full disk: the picture goes on
            transfer.save(path)
        now = time.monotonic()
        self._due = now + max(EVERY, SHARE * (now - began))
