"""The terminal: Ctrl-C, text that does it no harm, and a line for what a user should know."""

from __future__ import annotations

import logging
import os
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import click


def harmless(text: str) -> str:
    """Text from a file or a server, for a terminal: what would move its cursor or turn letters round is spelt out.

    The end of a line stays.
    """
    return "".join(
        sign if sign.isprintable() or sign == "\n" else sign.encode("unicode_escape").decode()
        for sign in text
    )


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


_MANY = 4
"""Style pictures from which on it is likelier that somebody typed *.jpg than that all of them are meant."""


def notes(content: Any, styles: Sequence[Any]) -> list[str]:
    """Lines about what was typed, first and after it; pictures that are no files have none."""
    alike = [
        style for style in styles if _is_path(content) and _is_path(style) and _are_alike(content, style)
    ]
    if not _is_path(content) or not (alike or len(styles) >= _MANY):
        return []
    rest = f"{styles[0]} is its style" if len(styles) == 1 else f"the {len(styles)} others are its styles"
    return [f"{content} is painted and {rest}: to paint several pictures, see nst batch --help"]


def _is_path(given: Any) -> bool:
    return isinstance(given, (str, os.PathLike)) and bool(os.fspath(given))


def _are_alike(one: str, other: str) -> bool:
    """Whether two names differ in a number alone, as those of one camera: IMG_0012.jpg and IMG_0013.jpg."""
    first, second = Path(one), Path(other)
    patterns = [re.sub(r"\d+", "#", path.name) for path in (first, second)]
    return first.name != second.name and "#" in patterns[0] and patterns[0] == patterns[1]


class _Notes(logging.Handler):
    """Prints what the library warns of, each line once, unless the command is quiet."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        context, line = click.get_current_context(silent=True), harmless(record.getMessage())
        if line in self._said or (context is not None and context.params.get("quiet")):
            return
        self._said.add(line)
        with suppress(OSError):  # a log on a full disk is no reason to stop
            click.echo(f"nst: {line}", err=True)


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """What the library warns of goes to stderr, as notes."""
    handler, logger = _Notes(), logging.getLogger("nst")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
