"""A process that paints, as the server sees it: started, asked, started again when it dies; and what it does.

Live pictures of all sessions are painted a step of each in turn (`LiveWorker`). Large ones are painted one at a time
and at a low priority (`LargeWorker`); each is saved as it goes on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from nst.cli.web.messages import Event, Large, LookPainted, Paint, Ready, Recolor, Request, Status, Stop
from nst.cli.web.painting import (
    Canvas,
    PaintingContext,
    Setup,
    bring_up,
    error_line,
    estimate,
    large_transfer,
    live_canvas,
    paint_looks,
    read_upload,
    recolor_result,
)
from nst.errors import NSTError
from nst.pictures.picture import Picture
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


HEAD_START = 3.0
"""Seconds that a new picture is ahead of the others, so that something is soon to be seen."""

MOST = 3  # pictures that are painted at a time; others wait

PAUSED = 2
"""Pictures that were stopped and can go on bit for bit; older ones go on from how they look."""

KEPT = 8  # sessions whose present picture is kept in memory


class LiveWorker:
    """What a process does that paints live: the pictures of all sessions, a step of each in turn."""

    def __init__(self, ask: Ask, say: Say, context: PaintingContext) -> None:
        self._ask, self._send, self._context = ask, say, context
        self._active: dict[str, Canvas] = {}
        self._paused: dict[str, Canvas] = {}
        self._requested: dict[str, Paint] = {}  # the newest of each session, not begun
        self._waiting: dict[str, Paint] = {}  # for a turn, or for memory
        self._present: dict[str, tuple[int, Picture]] = {}  # and its run
        self._colors: dict[str, Recolor] = {}  # the newest of each session
        self._plans: dict[str, Large] = {}  # the newest of each session
        self._looks: dict[str, Iterator[LookPainted | None]] = {}  # under way where nothing else is
        self._seen: dict[str, str] = {}  # the pair of each session whose looks are painted, or under way

    def run(self) -> None:
        """Until the server ends, which is an EOFError."""
        while True:
            self._receive()
            for recolor in list(self._colors.values()):
                self._try(self._recolor, recolor)
            self._colors.clear()
            for plan in list(self._plans.values())[:1]:  # takes a while, in which there may be a newer one
                del self._plans[plan.order.session]
                self._try(self._estimate, plan)
            for paint in list(self._requested.values()):
                self._try(self._begin, paint)
            if self._active:
                self._advance(min(self._active.values(), key=lambda canvas: canvas.spent))
            elif self._looks:
                self._advance_looks()

    def _try(self, handle: Callable[[Any], None], request: Request) -> None:
        """Do what was asked for; what goes wrong concerns nobody else."""
        try:
            handle(request)
        except BrokenPipeError:
            raise
        except Exception as error:
            if isinstance(request, Stop):
                named = request.session, 0
            else:
                named = request.order.session, request.order.run
            self._send(Status(*named, "failed", error_line(error)))

    def _receive(self) -> None:
        """Everything that was asked for since the last step; of many orders of a session the last one counts."""
        while (
            not (self._active or self._requested or self._colors or self._plans or self._looks)
            or self._ask.waiting()
        ):
            self._try(self._handle, self._ask())

    def _handle(self, request: Request) -> None:
        if isinstance(request, Paint):
            begin = self._resume if request.resume else self._request
            begin(request)
        elif isinstance(request, Stop):
            end = self._forget if request.forget else self._stop
            end(request.session)
        elif isinstance(request, Recolor):
            self._colors[request.order.session] = request
        elif isinstance(request, Large):
            self._plans[request.order.session] = request

    def _estimate(self, plan: Large) -> None:
        self._send(estimate(self._context, plan))

    def _request(self, paint: Paint) -> None:
        """Begin a picture before the next step; what was to be begun and was not is forgotten."""
        session = paint.order.session
        before = self._requested.get(session) or self._waiting.pop(session, None)
        if before is not None:  # whose present picture is ours
            present = before.present if paint.present is None else paint.present
            paint = replace(paint, go_on=paint.go_on and before.go_on, present=present)
        self._requested[session] = paint

    def _begin(self, paint: Paint) -> None:
        """Set a picture up in place of what its session had; for a turn or for memory it waits for the others."""
        order = paint.order
        session = order.session
        present = self._current(session, paint.present) if paint.go_on else None
        if present is not None:
            self._keep(session, 0, present)
        self._requested.pop(session)
        self._active.pop(session, None)
        self._paused.pop(session, None)
        others = [canvas.peak for canvas in self._active.values()]
        if len(others) >= MOST:
            self._wait(paint)
            return
        try:
            paused = [canvas.peak for canvas in self._paused.values()]
            memory = self._context.memory_left(sum(others) + sum(paused) + paint.taken)
            canvas = live_canvas(self._context, order, present, paint.polish, memory)
        except NSTError as error:
            if self._paused:  # whose memory is needed now
                self._paused.clear()
                self._requested[session] = paint
            elif others or paint.taken:
                self._wait(paint)
            else:
                self._send(Status(session, order.run, "failed", str(error)))
            return
        least = min((other.spent for other in self._active.values()), default=HEAD_START)
        canvas.spent = least - HEAD_START
        self._active[session] = canvas

    def _wait(self, paint: Paint) -> None:
        self._waiting[paint.order.session] = paint
        self._send(Status(paint.order.session, paint.order.run, "waiting"))

    def _release(self, session: str) -> Canvas | None:
        """Take a picture off; those that wait may try again."""
        for other in list(self._waiting):
            self._requested[other] = self._waiting.pop(other)
        return self._active.pop(session, None)

    def _advance(self, canvas: Canvas) -> None:
        session = canvas.order.session
        try:
            if canvas.advance():
                preview = canvas.due_preview()
                if preview is not None:
                    self._send(preview)
            else:
                self._release(session)
                self._end(canvas, "done")
        except BrokenPipeError:
            raise
        except Exception as error:
            self._release(session)
            self._send(Status(session, canvas.order.run, "failed", error_line(error)))

    def _stop(self, session: str) -> None:
        paint = self._requested.pop(session, None) or self._waiting.pop(session, None)
        canvas = self._release(session)
        if paint is not None:
            self._send(Status(session, paint.order.run, "stopped"))
        elif canvas is not None and canvas.record is None:
            self._send(Status(session, canvas.order.run, "stopped"))
        elif canvas is not None:
            self._paused[session] = canvas
            _drop_oldest(self._paused, PAUSED)
            self._end(canvas, "stopped")

    def _end(self, canvas: Canvas, why: str) -> None:
        assert canvas.record is not None
        self._keep(canvas.order.session, canvas.order.run, canvas.record.raw_picture())
        self._send(canvas.preview())
        self._send(canvas.finish(why))
        order = canvas.order
        if self._seen.get(order.session) != order.subject.pair:
            self._seen[order.session] = order.subject.pair
            _drop_oldest(self._seen, KEPT)
            self._looks[order.session] = paint_looks(self._context, order)

    def _advance_looks(self) -> None:
        """A step of the cards of a session, in idle time; what goes wrong leaves them as they are."""
        session, looks = next(iter(self._looks.items()))
        try:
            painted = next(looks)
        except Exception:  # also that there are no more
            del self._looks[session]
            return
        if painted is not None:
            self._send(painted)

    def _forget(self, session: str) -> None:
        self._release(session)
        holders: tuple[dict[str, Any], ...] = (
            self._paused,
            self._requested,
            self._waiting,
            self._present,
            self._plans,
        )
        for holder in holders:
            holder.pop(session, None)

    def _resume(self, paint: Paint) -> None:
        canvas = self._paused.pop(paint.order.session, None)
        if canvas is None:
            self._request(paint)
            return
        canvas.order = paint.order
        canvas.spent = min((other.spent for other in self._active.values()), default=0.0)
        self._active[paint.order.session] = canvas

    def _recolor(self, request: Recolor) -> None:
        order = request.order
        session, path = order.session, order.file("raw")
        canvas = self._active.get(session)
        holder = self._requested if session in self._requested else self._waiting
        if session in holder:  # with the colours of before
            paint = holder[session]
            holder[session] = replace(paint, order=paint.order.colored(order.subject.recipe.color))
        elif canvas is not None:
            canvas.recolor(order)
            if canvas.record is not None:
                self._send(canvas.preview())
        elif path.exists():
            if session in self._paused:
                self._paused[session].recolor(order)
            run, raw = self._present.get(session, (0, None))
            if raw is None or run != order.run:
                raw = read_upload(str(path))
            self._send(recolor_result(order, raw, self._context.setup.weights))

    def _current(self, session: str, path: str | None) -> Picture | None:
        """The present picture of a session, which is the one at `path` unless that is what was painted last."""
        canvas = self._active.get(session) or self._paused.get(session)
        if path is None and canvas is not None and canvas.record is not None:
            return canvas.record.raw_picture()
        if path is not None:
            return read_upload(path)
        return self._present.get(session, (0, None))[1]

    def _keep(self, session: str, run: int, picture: Picture) -> None:
        self._present.pop(session, None)
        self._present[session] = run, picture
        _drop_oldest(self._present, KEPT)


def _drop_oldest(holder: dict[str, Any], most: int) -> None:
    while len(holder) > most:
        del holder[next(iter(holder))]


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
