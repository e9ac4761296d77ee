"""The terminal: a progress bar, or now and then a line where there is none, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Protocol

__all__ = ["Show", "interruptible", "progress_bar"]

REFRESH = 0.1  # seconds between two moves of the bar, each of which may have to wait for the device
PACE = 60.0  # seconds between two lines in a log


class Show(Protocol):
    """Moves a bar."""

    def __call__(
        self, done: float, total: float | None, before: str = "", after: Callable[[], str] | None = None
    ) -> None:
        """Say how much is done and of how much, with a text before the bar and one after it, worked out if shown."""


@contextmanager
def interruptible() -> Iterator[Any]:
    """The first Ctrl-C (or SIGTERM, or SIGHUP) asks to stop after the current step, the second stops at once."""
    requested = False

    def handle(signum: int, frame: FrameType | None) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True

    numbers = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # the terminal was closed; not on Windows, and not under nohup
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:
        numbers.append(hangup)
    previous = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield lambda: requested
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def progress_bar(quiet: bool, unit: str = "") -> Iterator[Show]:
    """A bar on stderr, and nothing before it is first shown; a line every minute where that is no terminal.

    Args:
        quiet: no bar.
        unit: what is counted, for people; "bytes" are shown in MB and with their speed.
    """
    if quiet:
        yield lambda done, total, before="", after=None: None
        return
    if (
        not sys.stderr.isatty() or os.environ.get("TERM") == "dumb"
    ):  # rich takes FORCE_COLOR for a terminal too
        yield _lines(unit)
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


def _lines(unit: str) -> Show:
    """Writes a line now and then: for logs, and for terminals that cannot move a bar."""
    began = shown = time.monotonic()

    def show(
        done: float, total: float | None, before: str = "", after: Callable[[], str] | None = None
    ) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < PACE:
            return
        shown = now
        scale = 1e6 if unit == "bytes" else 1
        of = f" of {total / scale:.4g}" if total else ""
        left = f"{(now - began) * (total - done) / done:.0f} s left" if total and done else ""
        parts = [
            before,
            f"{done / scale:.4g}{of}",
            "MB" if unit == "bytes" else unit,
            after() if after else "",
            left,
        ]
        with suppress(OSError):  # a log on a full disk is no reason to stop
            print("nst:", *filter(None, parts), file=sys.stderr, flush=True)

    return show
