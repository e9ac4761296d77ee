"""How the caller of a run watches it and ends it: callback, progress bar, deadline, cancellation."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from nst.errors import SettingsError

if TYPE_CHECKING:
    from nst.progress import Progress

Ended: TypeAlias = Literal["cancelled", "deadline"]  # why a run was ended by its caller


class Cancel(Protocol):
    """What says that a run is to end: a `threading.Event`, or one of multiprocessing."""

    def is_set(self) -> bool:
        """Whether it is."""


@dataclass(frozen=True)
class Control:
    """How a run is watched and ended; SettingsError if one of these is something else.

    Attributes:
        callback: called in the caller's thread with the record of the start picture and with that of every step. What
            it raises ends the run and reaches the caller.
        progress: True for a bar on stderr or in the notebook; "auto" for one where somebody looks: in a terminal or a
            notebook, and in the main thread.
        deadline: seconds from here. No step begins after them.
        cancel: looked at before every step; set it from any thread.
    """

    callback: Callable[[Progress], object] | None = None
    progress: Literal["auto"] | bool = "auto"
    deadline: float | None = None
    cancel: Cancel | None = None
    _began: float = field(default_factory=lambda: time.monotonic())

    def __post_init__(self) -> None:
        if self.callback is not None and not callable(self.callback):
            raise SettingsError(f"callback is {self.callback!r}: it must be a function that takes a record")
        if not (isinstance(self.progress, bool) or self.progress == "auto"):
            raise SettingsError(f"progress is {self.progress!r}: it must be auto, true or false")
        if self.deadline is not None and not _is_time(self.deadline):
            raise SettingsError(f"deadline is {self.deadline!r}: it must be a number of seconds, 0 or more")
        if self.cancel is not None and not callable(getattr(self.cancel, "is_set", None)):
            raise SettingsError(f"cancel is {self.cancel!r}: it must be a threading.Event")

    @property
    def seconds(self) -> float:
        """Since it began to count."""
        return time.monotonic() - self._began

    @property
    def left(self) -> float | None:
        """Seconds until the deadline, 0 or more; None without one."""
        return None if self.deadline is None else max(0.0, self.deadline - self.seconds)

    def renewed(self, deadline: float | None) -> Control:
        """The same with another deadline, counted from here."""
        return replace(self, deadline=deadline, _began=time.monotonic())

    def ended(self) -> Ended | None:
        """Why the run is to end now, or None."""
        if self.cancel is not None and self.cancel.is_set():
            return "cancelled"
        return "deadline" if self.left == 0 else None


CONTROLS = frozenset(name for name in Control.__dataclass_fields__ if not name.startswith("_"))
"""What every function that paints a picture takes by name besides its settings."""


def control_among(arguments: Mapping[str, Any]) -> tuple[Control, dict[str, Any]]:
    """The control of a run among the arguments of a function, and the others; SettingsError as `Control`."""
    control = Control(**{name: value for name, value in arguments.items() if name in CONTROLS})
    return control, {name: value for name, value in arguments.items() if name not in CONTROLS}


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def duration_text(seconds: float) -> str:
    """Seconds for people: "2.5 s", "40 s", "6 min", "6 h 27 min"."""
    if seconds < 119.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _count_text(done: float, total: float | None) -> str:
    """Whole ones, of which the last may be under way; empty before the first where nobody knows how many."""
    return f"{int(done)} of {total:.0f}" if total else f"{int(done)}" if done else ""


def _left_text(seconds: float, done: float, total: float | None, left: float | None) -> str:
    """What is left where so much has taken so many seconds, if it is not known; empty where that cannot be told."""
    if left is None and total and done:
        left = seconds * (total - done) / done
    return f"{duration_text(left)} left" if left else ""


REFRESH = 0.1  # seconds between two moves of the bar, each of which may have to wait for the device
PACE = 60.0  # seconds between two lines in a log


class Show(Protocol):
    """Moves a bar."""

    def __call__(
        self,
        done: float,
        total: float | None,
        before: str = "",
        after: Callable[[], str] | None = None,
        left: float | None = None,
    ) -> None:
        """Say how much is done and of how much, with a text before the bar and one after it, worked out if shown.

        `left` is how many seconds more it takes, 0 where nobody can tell yet; None: as what is done so far.
        """


def is_watched() -> bool:
    """Whether somebody looks: a terminal or a notebook, and no thread that works behind one."""
    here = threading.current_thread() is threading.main_thread()
    return here and (_in_notebook() or _in_terminal())


@contextmanager
def progress_bar(quiet: bool, unit: str = "") -> Iterator[Show]:
    """A bar, and nothing before it is first shown; a line on stderr every minute where no bar can move.

    A terminal's bar is rich's, a notebook's is tqdm's. `unit` is what is counted, for people; "bytes" are shown in MB
    and with their speed.
    """
    if quiet:
        yield lambda done, total, before="", after=None, left=None: None
    elif _in_notebook() and find_spec("tqdm"):
        with _notebook(unit) as show:
            yield show
    elif _in_terminal() and find_spec("rich"):
        with _terminal(unit) as show:
            yield show
    else:
        yield _lines(unit)


def _in_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")  # IPython's shell in a terminal has none


def _in_terminal() -> bool:
    """Whether a bar can move on stderr; rich takes FORCE_COLOR for a terminal too."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def _terminal(unit: str) -> Iterator[Show]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TransferSpeedColumn,
    )
    from rich.text import Text

    class Left(ProgressColumn):
        """What is left, if nobody says it at the speed of the last half minute."""

        def render(self, task: Task) -> Text:
            left = task.fields["left"]
            return Text(
                _left_text(0, 0, None, task.time_remaining if left is None else left), "progress.remaining"
            )

    count = TextColumn("{task.fields[count]}", "progress.download")
    counted = [DownloadColumn(), TransferSpeedColumn()] if unit == "bytes" else [count]
    before, after = TextColumn("{task.description}"), TextColumn("{task.fields[after]}")
    columns = (before, BarColumn(), *counted, after, Left())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(
            "", total=None, visible=False, count="", after=unit if unit != "bytes" else "", left=None
        )

        def move(
            done: float, total: float | None, before: str, after: str | None, left: float | None
        ) -> None:
            if after is not None:
                bar.update(task, after=escape(after))
            bar.update(task, completed=done, total=total, description=escape(before), visible=True)
            # not at rich's next tick, if ever
            bar.update(task, count=_count_text(done, total), left=left, refresh=True)

        yield _sometimes(move)


@contextmanager
def _notebook(unit: str) -> Iterator[Show]:
    from tqdm.auto import tqdm

    bar: Any = None
    began = time.monotonic()

    def move(done: float, total: float | None, before: str, after: str | None, left: float | None) -> None:
        nonlocal bar
        if bar is None:
            own = (
                {"unit": "B", "unit_scale": True}
                if unit == "bytes"
                else {"bar_format": "{desc}{bar}{postfix}"}
            )
            bar = tqdm(total=total, leave=False, **own)
        bar.n, bar.total = done, total
        bar.set_description(before, refresh=False)
        told = [
            f"{_count_text(done, total)} {unit}".strip(),
            _left_text(time.monotonic() - began, done, total, left),
        ]
        bar.set_postfix_str(", ".join(filter(None, [after, *([] if unit == "bytes" else told)])))

    try:
        yield _sometimes(move)
    finally:
        if bar is not None:
            bar.close()


def _sometimes(move: Callable[[float, float | None, str, str | None, float | None], None]) -> Show:
    """Moves a bar when it is time, and at the end."""
    shown = 0.0

    def show(
        done: float,
        total: float | None,
        before: str = "",
        after: Callable[[], str] | None = None,
        left: float | None = None,
    ) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= REFRESH or done == total:
            shown = now
            move(done, total, before, None if after is None else after(), left)

    return show


def _lines(unit: str) -> Show:
    """Writes a line now and then: for logs, and for terminals that cannot move a bar."""
    began = shown = time.monotonic()

    def show(
        done: float,
        total: float | None,
        before: str = "",
        after: Callable[[], str] | None = None,
        left: float | None = None,
    ) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < PACE:
            return
        shown = now
        scale, name = (1e6, "MB") if unit == "bytes" else (1, unit)
        count = _count_text(done / scale, total and total / scale)
        parts = [before, count, name, after() if after else "", _left_text(now - began, done, total, left)]
        with suppress(OSError):  # a log on a full disk is no reason to stop
            sys.stderr.write(" ".join(["nst:", *filter(None, parts)]) + "\n")
            sys.stderr.flush()

    return show
