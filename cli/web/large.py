"""The process that paints large pictures, one at a time and at a low priority; each is saved as it goes on."""

from __future__ import annotations

import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from nst.cli.web.canvas import Canvas
from nst.cli.web.easel import Easel, one_line
from nst.cli.web.messages import End, Failed, Large, Request, Saved
from nst.cli.web.planned import large_transfer
from nst.errors import NSTError
from nst.transfer import StyleTransfer

__all__ = ["Slow"]

EVERY = 20.0
"""Seconds between two checkpoints."""

SHARE = 20.0
"""The time between two is this many times what the last one took, or more."""


class Slow:
    """See the module.

    Args:
        pipe: to the server.
        easel: to paint at.
    """

    def __init__(self, pipe: Connection, easel: Easel) -> None:
        self._pipe, self._easel = pipe, easel
        self._due = 0.0

    def run(self) -> None:
        """Until the server ends."""
        with np.errstate(over="ignore", invalid="ignore"):
            while not isinstance(request := self._pipe.recv(), End):
                if isinstance(request, Large) and isinstance(self._paint(request), End):
                    return

    def _paint(self, request: Large) -> Request | None:
        """Paint; what it was put down for, if it was."""
        order = request.order
        try:
            canvas = self._canvas(request)
            self._due = time.monotonic() + EVERY
            while canvas.advance():
                stop = self._heard(canvas)
                if stop is not None:
                    canvas.transfer.save(request.checkpoint)
                    self._pipe.send(Saved(request.job))
                    return stop
                self._save(canvas.transfer, request.checkpoint)
            self._pipe.send(canvas.finish("done"))
            with suppress(OSError):
                Path(request.checkpoint).unlink()
        except (EOFError, BrokenPipeError):
            raise
        except Exception as error:
            self._pipe.send(Failed(order.session, order.run, one_line(error), request.job))
        return None

    def _heard(self, canvas: Canvas) -> Request | None:
        """Tell how far it is; whether to put it down, as for a server that is gone."""
        try:
            preview = canvas.preview()
            if preview is not None:
                self._pipe.send(preview)
            return self._pipe.recv() if self._pipe.poll() else None
        except (EOFError, OSError):
            return End()

    def _canvas(self, request: Large) -> Canvas:
        """From the checkpoint, or from the beginning where that is damaged or not there."""
        if Path(request.checkpoint).exists():
            with suppress(NSTError):
                transfer = StyleTransfer.resume(
                    request.checkpoint, backend=self._easel.backend, weights=self._easel.weights, anyway=True
                )
                return Canvas(
                    self._easel, request.order, transfer, str(request.order.file("start")), request.job
                )
        return Canvas(self._easel, request.order, *large_transfer(self._easel, request), request.job)

    def _save(self, transfer: StyleTransfer, path: str) -> None:
        if time.monotonic() < self._due:
            return
        began = time.monotonic()
        transfer.save(path)
        now = time.monotonic()
        self._due = now + max(EVERY, SHARE * (now - began))
