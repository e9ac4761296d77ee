"""The terminal: a progress bar, and Ctrl-C."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from nst.progress import Progress
from nst.transfer import StyleTransfer

__all__ = ["REFRESH", "interruptible", "progress_bar"]


@contextmanager
def interruptible() -> Iterator[Any]:
    """The first Ctrl-C (or SIGTERM) asks to stop after the current step, the second stops at once."""
    requested = False

    def handle(signum: int, frame: FrameType | None) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: requested
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def progress_bar(transfer: StyleTransfer, quiet: bool) -> Iterator[Any]:
    """A bar with size, step, loss and time left on stderr; nothing when that is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    if quiet or not sys.stderr.isatty():  # rich takes FORCE_COLOR for a terminal too
        yield lambda record: None
        return
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.fields[size]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, loss="...", size="")
        shown = 0.0

        def show(record: Progress) -> None:
            nonlocal shown
            now = time.monotonic()
            if now - shown >= REFRESH or record.step == record.steps:
                shown = now
                size, loss = "x".join(map(str, record.size)), f"{record.losses().total:.4g}"
                bar.update(task, total=record.steps, completed=record.step, size=size, loss=loss)

        yield show


REFRESH = 0.1  # seconds between two looks at the loss, each of which waits for the device
