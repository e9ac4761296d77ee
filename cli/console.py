"""The terminal: a progress bar, and Ctrl-C."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

__all__ = ["Show", "interruptible", "progress_bar"]

REFRESH = 0.1  # seconds between two moves of the bar, each of which may have to wait for the device


class Show(Protocol):
    """Moves a bar."""

    def __call__(
        self, done: float, total: float | None, before: str = "", after: Callable[[], str] | None = None
    ) -> None:
        """Say how much is done and of how much, with a text before the bar and one after it, worked out if shown."""


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
def progress_bar(quiet: bool, unit: str = "") -> Iterator[Show]:
    """A bar on stderr; nothing when that is not a terminal, and nothing before it is first shown.

    Args:
        quiet: no bar.
        unit: of what is counted, for people; "bytes" are shown in MB and with their speed.
    """
    if quiet or not sys.stderr.isatty():  # rich takes FORCE_COLOR for a terminal too
        yield lambda done, total, before="", after=None: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    counted = [DownloadColumn(), TransferSpeedColumn()] if unit == "bytes" else [MofNCompleteColumn()]
    before, after = TextColumn("{task.description}"), TextColumn("{task.fields[after]}")
    columns = (before, BarColumn(), *counted, after, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, visible=False, after=unit if unit != "bytes" else "")
        shown = 0.0

        def show(
            done: float, total: float | None, before: str = "", after: Callable[[], str] | None = None
        ) -> None:
            nonlocal shown
            now = time.monotonic()
            if now - shown >= REFRESH or done == total:
                shown = now
                bar.update(task, completed=done, total=total, description=escape(before), visible=True)
                if after is not None:
                    bar.update(task, after=escape(after()))

        yield show
