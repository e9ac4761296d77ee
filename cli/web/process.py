"""A process that paints, as the server sees it: started, asked, started again when it dies; and what it does.

Live pictures are `nst.cli.web.live`. Large ones are painted one at a time and at a low priority (`LargeWorker`); each
is saved as it goes on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from nst.cli.web.live import LiveWorker
from nst.cli.web.messages import Event, Large, Ready, Request, Status
from nst.cli.web.painting import Canvas, PaintingContext, Setup, bring_up, error_line, large_transfer
from nst.errors import NSTError
from nst.processes import Ask, ChildProcess, Say
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
        self._process: ChildProcess | None = None
        self._started = 0

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.alive

    @property
    def pid(self) -> int | None:
        """Of the process."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start a process; it loads backend and network at once."""
        self._started += 1
        number = self._started

        def hear(event: Event | None) -> None:
            if event is not None or number == self._started:  # else it was ended by `stop`
                self._handle(event)

        self._process = ChildProcess(partial(work, self._setup, self._slow), hear)

    def send(self, request: Request) -> None:
        """Ask for something, without waiting for a process that is busy; one that is dead is started."""
        if not self.alive:
            self.start()
        assert self._process is not None
        self._process.send(request)

    def stop(self, patience: float = 0.0) -> None:
        """End the process, after so many seconds at the latest."""
        process, self._process = self._process, None
        self._started += 1
        if process is not None:
            process.kill(patience)


def work(setup: Setup, slow: bool, ask: Ask, say: Say) -> None:
    """What the process does."""
    ask.outlives = slow  # to save its picture
    context = PaintingContext(setup)
    try:
        backend, weights = context.backend, context.weights
        if not slow:
            context.warm_up()
        elif hasattr(os, "nice"):
            os.nice(NICENESS)
        say(Ready(backend.name, backend.device, weights.name))
        (LargeWorker if slow else LiveWorker)(ask, say, context).run()
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        with suppress(OSError):
            say(Status("", 0, "failed", error_line(error)))


EVERY = 20.0
"""Seconds between two checkpoints."""

SHARE = 20.0
"""The time between two is this many times what the last one took, or more."""


class LargeWorker:
    """What a process does that paints large pictures, one at a time; each is saved as it goes on."""

    def __init__(self, ask: Ask, say: Say, context: PaintingContext) -> None:
        self._ask, self._say, self._context = ask, say, context
        self._due = 0.0

    def run(self) -> None:
        """Until the server ends, which is an EOFError."""
        while True:
            request = self._ask()
            if isinstance(request, Large):
                self._paint(request)

    def _paint(self, request: Large) -> None:
        """Paint to the end, or until any request interrupts it."""
        order = request.order
        try:
            if request.quick:
                self._say(bring_up(request, self._context.setup.weights))
                return
            canvas = self._canvas(request)
            self._due = time.monotonic() + EVERY
            while canvas.advance():
                if self._interrupted(canvas):
                    canvas.transfer.save(request.checkpoint)
                    self._say(Status(order.session, order.run, "saved"))
                    return
                self._save(canvas.transfer, request.checkpoint)
            self._say(canvas.finish("large"))
            with suppress(OSError):
                Path(request.checkpoint).unlink()
        except BrokenPipeError:
            raise
        except Exception as error:
            self._say(Status(order.session, order.run, "failed", error_line(error)))

    def _interrupted(self, canvas: Canvas) -> bool:
        """Report how far it is; whether there is a request, or the server is gone."""
        try:
            preview = canvas.due_preview()
            if preview is not None:
                self._say(preview)
            return self._ask.waiting()
        except OSError:
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
