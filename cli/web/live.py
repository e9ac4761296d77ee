"""The process that paints live: the pictures of all sessions, a step of each in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from nst.cli.web.messages import (
    Drop,
    End,
    EstimateRequest,
    Event,
    Failed,
    Paint,
    Recolor,
    Request,
    Resume,
    Stop,
    Stopped,
    Waiting,
)
from nst.cli.web.painting import (
    Canvas,
    PaintingContext,
    error_line,
    estimate,
    live_canvas,
    read_upload,
    recolor_result,
)
from nst.errors import NSTError
from nst.pictures.picture import Picture

__all__ = ["LiveWorker"]

HEAD_START = 3.0
"""Seconds that a new picture is ahead of the others, so that something is soon to be seen."""

MOST = 3
"""Pictures that are painted at a time; others wait."""

PAUSED = 2
"""Pictures that were stopped and can go on bit for bit; older ones go on from how they look."""

KEPT = 8
"""Sessions whose present picture is kept in memory."""


class LiveWorker:
    """See the module.

    Args:
        pipe: to the server.
        context: to paint at.
    """

    def __init__(self, pipe: Connection, context: PaintingContext) -> None:
        self._pipe, self._context = pipe, context
        self._active: dict[str, Canvas] = {}
        self._paused: dict[str, Canvas] = {}
        self._asked: dict[str, Paint] = {}  # the newest of each session, not begun
        self._waiting: dict[str, Paint] = {}  # for a turn, or for memory
        self._present: dict[str, tuple[int, Picture]] = {}  # and its run
        self._colors: dict[str, Recolor] = {}  # the newest of each session

    def run(self) -> None:
        """Until the server ends."""
        while True:
            self._receive()
            for recolor in list(self._colors.values()):
                self._try(self._recolor, recolor)
            self._colors.clear()
            for paint in list(self._asked.values()):
                self._try(self._begin, paint)
            if self._active:
                self._advance(min(self._active.values(), key=lambda canvas: canvas.spent))

    def _try(self, handle: Callable[[Any], None], request: Request) -> None:
        """Do what was asked for; what goes wrong concerns nobody else."""
        try:
            handle(request)
        except (EOFError, BrokenPipeError):
            raise
        except Exception as error:
            self._send(Failed(*_who(request), error_line(error)))

    def _send(self, event: Event) -> None:
        self._pipe.send(event)

    def _receive(self) -> None:
        """Everything that was asked for since the last step; of many orders of a session the last one counts."""
        while not (self._active or self._asked or self._colors) or self._pipe.poll():
            self._try(self._take, self._pipe.recv())

    def _take(self, request: Request) -> None:
        if isinstance(request, Paint):
            self._ask(request)
        elif isinstance(request, Stop):
            self._stop(request.session)
        elif isinstance(request, Resume):
            self._resume(request)
        elif isinstance(request, Recolor):
            self._colors[request.order.session] = request
        elif isinstance(request, Drop):
            self._forget(request.session)
        elif isinstance(request, EstimateRequest):
            self._send(estimate(self._context, request))

    def _ask(self, paint: Paint) -> None:
        """Begin a picture before the next step; what was to be begun and was not is forgotten."""
        session = paint.order.session
        before = self._asked.get(session) or self._waiting.pop(session, None)
        if before is not None:  # whose present picture is ours
            present = before.present if paint.present is None else paint.present
            paint = replace(paint, go_on=paint.go_on and before.go_on, present=present)
        self._asked[session] = paint

    def _begin(self, paint: Paint) -> None:
        """Set a picture up in place of what its session had; for a turn or for memory it waits for the others."""
        order = paint.order
        session = order.session
        present = self._look(session, paint.present) if paint.go_on else None
        if present is not None:
            self._keep(session, 0, present)
        self._asked.pop(session)
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
                self._asked[session] = paint
            elif others or paint.taken:
                self._wait(paint)
            else:
                self._send(Failed(session, order.run, str(error)))
            return
        least = min((held.spent for held in self._active.values()), default=HEAD_START)
        canvas.spent = least - HEAD_START
        self._active[session] = canvas

    def _wait(self, paint: Paint) -> None:
        self._waiting[paint.order.session] = paint
        self._send(Waiting(paint.order.session, paint.order.run))

    def _make_room(self, session: str) -> Canvas | None:
        """Take a picture off; those that wait may try again."""
        for other in list(self._waiting):
            self._asked[other] = self._waiting.pop(other)
        return self._active.pop(session, None)

    def _advance(self, canvas: Canvas) -> None:
        session = canvas.order.session
        try:
            if canvas.advance():
                preview = canvas.preview()
                if preview is not None:
                    self._send(preview)
            else:
                self._make_room(session)
                self._end(canvas, "done")
        except (EOFError, BrokenPipeError):
            raise
        except Exception as error:
            self._make_room(session)
            self._send(Failed(session, canvas.order.run, error_line(error)))

    def _stop(self, session: str) -> None:
        asked = self._asked.pop(session, None) or self._waiting.pop(session, None)
        canvas = self._make_room(session)
        if asked is not None:
            self._send(Stopped(session, asked.order.run))
        elif canvas is not None and canvas.record is None:
            self._send(Stopped(session, canvas.order.run))
        elif canvas is not None:
            self._pause(canvas)
            self._end(canvas, "stopped")

    def _pause(self, canvas: Canvas) -> None:
        self._paused[canvas.order.session] = canvas
        while len(self._paused) > PAUSED:
            del self._paused[next(iter(self._paused))]

    def _end(self, canvas: Canvas, why: str) -> None:
        assert canvas.record is not None
        self._keep(canvas.order.session, canvas.order.run, canvas.record.raw_picture())
        self._send(canvas.look())
        self._send(canvas.finish(why))

    def _forget(self, session: str) -> None:
        self._make_room(session)
        holders: tuple[dict[str, Any], ...] = (self._paused, self._asked, self._waiting, self._present)
        for held in holders:
            held.pop(session, None)

    def _resume(self, request: Resume) -> None:
        paint = request.otherwise
        canvas = self._paused.pop(paint.order.session, None)
        if canvas is None:
            self._ask(paint)
            return
        canvas.order = paint.order
        canvas.spent = min((held.spent for held in self._active.values()), default=0.0)
        self._active[paint.order.session] = canvas

    def _recolor(self, request: Recolor) -> None:
        order = request.order
        session, path = order.session, order.file("raw")
        canvas = self._active.get(session)
        held = self._asked if session in self._asked else self._waiting
        if session in held:  # with the colours of before
            recipe = replace(held[session].order.recipe, color=order.recipe.color)
            held[session] = replace(held[session], order=replace(held[session].order, recipe=recipe))
        elif canvas is not None:
            canvas.recolor(order)
            if canvas.record is not None:
                self._send(canvas.look())
        elif path.exists():
            if session in self._paused:
                self._paused[session].recolor(order)
            run, raw = self._present.get(session, (0, None))
            if raw is None or run != order.run:
                raw = read_upload(str(path))
            self._send(recolor_result(order, raw))

    def _look(self, session: str, path: str | None) -> Picture | None:
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
        while len(self._present) > KEPT:
            del self._present[next(iter(self._present))]


def _who(request: Request) -> tuple[str, int]:
    if isinstance(request, Stop | Drop):
        return request.session, 0
    if isinstance(request, End):
        return "", 0
    order = request.otherwise.order if isinstance(request, Resume) else request.order
    return order.session, order.run
