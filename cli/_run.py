"""Running a transfer at the terminal: progress bar, Ctrl-C, saving whatever happens."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

import numpy as np

from nst.cli._trace import describe, step_record, write_trace
from nst.errors import NSTError
from nst.images import write_picture
from nst.memory import is_out_of_memory
from nst.transfer import Progress, StyleTransfer

__all__ = ["Outcome", "explain", "interruptible", "out_of_memory", "run_transfer"]

REFRESH = 0.1  # seconds between two looks at the loss, each of which waits for the device


@dataclass(frozen=True)
class Outcome:
    """How a run ended: exit status, last step, steps asked for, first and last total loss, seconds, why early."""

    status: int
    step: int
    steps: int
    first: float
    last: float
    seconds: float
    stopped: str | None


def run_transfer(
    transfer: StyleTransfer,
    paths: Mapping[str, Any],
    output: str,
    trace: str | None,
    quiet: bool,
    watch: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Run to the end, to Ctrl-C or to an error; the picture so far and the trace are saved in every case.

    Args:
        transfer: set up and not yet run.
        paths: what the user typed for "content", "styles" and "init"; for the metadata.
        output: the picture to write.
        trace: the JSON file to write.
        quiet: no progress bar.
        watch: called with every record; see `nst.cli._frames`.

    Raises:
        NSTError: out of memory, with what was saved; what `watch` raises, when that has been saved.
    """
    steps: list[dict[str, Any]] = []
    first: Progress | None = None
    last: Progress | None = None
    failure: Exception | None = None
    # overflow shows in the losses, which are checked: numpy need not warn of it as well
    silence = np.errstate(over="ignore", invalid="ignore")
    with silence, interruptible() as interrupted, _progress_bar(transfer, quiet) as show:
        try:
            for record in transfer.iterate():
                first, last = first or record, record
                if trace is not None:
                    steps.append(step_record(record))
                show(record)
                if watch is not None:
                    watch(record)
                if interrupted():
                    break
        except Exception as error:
            if last is None and isinstance(error, NSTError):
                raise
            failure = error
    if last is not None:
        description = describe(transfer, paths, last)
        write_picture(last.picture(), output, {**description, "step": last.step})
        if trace is not None:
            write_trace(trace, description, steps)
    if failure is not None:
        explain(failure, transfer, output if last else None)
    assert first is not None
    assert last is not None
    finished = last.step >= last.steps
    status = 130 if interrupted() and not finished else 1 if last.stopped == "non-finite" else 0
    totals = first.losses().total, last.losses().total
    return Outcome(status, last.step, last.steps, *totals, last.seconds, last.stopped)


def out_of_memory(what: str, saved: str | None = None) -> NSTError:
    """The error for it, with the picture that was `saved`, if one was."""
    kept = f"; the picture so far is in {saved}" if saved else ""
    return NSTError(f"out of memory at {what}: use a smaller --size{kept}")


def explain(failure: Exception, transfer: StyleTransfer, saved: str | None) -> NoReturn:
    """Raise one line for running out of memory, in the words of any framework; else `failure`, a fault of ours."""
    if not is_out_of_memory(failure):
        raise failure
    width, height = transfer.size
    raise out_of_memory(f"{width}x{height} pixels", saved) from failure


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
def _progress_bar(transfer: StyleTransfer, quiet: bool) -> Iterator[Any]:
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
