"""One picture that is being painted, step by step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from nst.cli.web.easel import Easel, jpeg, lifted, write_result
from nst.cli.web.messages import Finished, Order, Preview
from nst.cli.web.recipe import FIRST_STEPS, LARGE_STEPS, MORE_STEPS
from nst.engine.pyramid import scale_sizes
from nst.pictures.picture import Picture
from nst.pictures.writing import to_pil
from nst.progress import Progress
from nst.transfer import StyleTransfer

__all__ = ["Canvas", "live_canvas", "settings_above", "start_file"]

PAUSE = 0.2
"""Seconds between two previews."""

POLISH = 20
"""Steps at the full size, when a picture that is done goes on."""


class Canvas:
    """A run under way.

    Args:
        easel: to paint at.
        order: what.
        transfer: set up.
        init: path of the picture that it starts from; None for the photograph.
        job: name of a large picture.
    """

    def __init__(
        self, easel: Easel, order: Order, transfer: StyleTransfer, init: str | None, job: str | None = None
    ) -> None:
        self.order, self.transfer, self.init, self.job = order, transfer, init, job
        self.spent = 0.0
        self._easel = easel
        self._records: Iterator[Progress] = transfer.iterate()
        self.record: Progress | None = None
        self._shown = 0.0
        self._pace: dict[int, float] = {}  # seconds a step by longest side

    @property
    def peak(self) -> int:
        """Bytes of memory that it is planned to take."""
        return self.transfer.plan.peak

    def advance(self) -> bool:
        """One step; False when there is none left."""
        began = time.perf_counter()
        record = next(self._records, None)
        if record is None:
            return False
        record.losses()  # waits for the device
        passed = time.perf_counter() - began
        same = self.record is not None and self.record.scale == record.scale
        self.record = record
        self.spent += passed
        if same:  # else it was set up as well
            self._pace[max(record.size)] = passed
        return True

    def preview(self) -> Preview | None:
        """What there is to see, if it is time."""
        record = self.record
        if record is None or time.monotonic() - self._shown < (1.0 if self.job else PAUSE):
            return None
        if record.step == 0 and self.init is None:  # the photograph itself
            return None
        self._shown = time.monotonic()
        return self.look()

    def look(self) -> Preview:
        """What there is to see."""
        record = self.record
        assert record is not None
        return Preview(
            self.order.session,
            self.order.run,
            record.step,
            record.steps,
            record.scale,
            record.scales,
            record.size,
            record.losses().total,
            self.left(),
            self.peak,
            None if self.init is None else Path(self.init).name,
            b"" if self.job else jpeg(self.seen()),
            self.job,
        )

    def seen(self) -> Picture:
        """The picture with its colours."""
        return self._colored.picture()

    @property
    def _colored(self) -> Progress:
        """The last record in the colours that the slider asks for, which may have been moved since."""
        assert self.record is not None
        return self.record.colored(self.order.recipe.coloring)

    def recolor(self, order: Order) -> None:
        """Other colours from now on."""
        self.order = replace(self.order, recipe=replace(self.order.recipe, color=order.recipe.color))
        self._shown = 0.0

    def left(self) -> float:
        """Seconds that it will still take, from those that the steps took so far."""
        record = self.record
        if record is None or not self._pace:
            return 0.0
        side, seconds = max(self._pace.items())
        each = seconds / side**2
        ends, total = 0, 0.0
        for longest, steps in self.transfer.schedule:
            ends += steps
            total += min(steps, max(0, ends - record.step)) * each * longest**2
        return total

    def finish(self, why: str) -> Finished:
        """Write the picture so far."""
        record = self._colored
        files, command = write_result(self.order, self.transfer, record, self.init, self._easel.setup)
        named = (why, record.step, record.steps, record.size, record.seconds)
        return Finished(self.order.session, self.order.run, *named, files, command, self.job)


def live_canvas(
    easel: Easel, order: Order, present: Picture | None, polish: bool, memory: int | None
) -> Canvas:
    """A live picture set up.

    Args:
        easel: to paint at.
        order: what.
        present: picture to go on from; None for the photograph.
        polish: stay at the full size.
        memory: bytes to stay within.

    Raises:
        NSTError: bad input, or not enough memory.
    """
    if present is None:
        return Canvas(easel, order, easel.transfer(order, memory, None, steps=FIRST_STEPS), None)
    init = start_file(order, present)
    more: dict[str, Any] = {"scales": 1, "steps": POLISH}
    if not polish:
        more = {"scales": _scales(order.size), "steps": MORE_STEPS}
    return Canvas(easel, order, easel.transfer(order, memory, init, **more), init)


def start_file(order: Order, present: Picture) -> str:
    """The picture to go on from, written into the session's folder, so that the command can name it."""
    path = order.file("start")
    to_pil(lifted(order, present)).save(path, compress_level=1)
    return str(path)


def settings_above(size: int, above: int) -> dict[str, Any]:
    """Scales and steps of a large picture, whose live one has a longest side of `above` pixels."""
    return {"scales": _scales(size, above), "steps": LARGE_STEPS}


def _scales(size: int, above: int = 0) -> int | tuple[int, ...]:
    """Of those that "auto" takes, the ones above a number of pixels; where there is but one, how many there are."""
    sizes = tuple(side for side in scale_sizes("auto", size, size, 1) if side > above)
    return sizes if len(sizes) > 1 else 1
