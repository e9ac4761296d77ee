"""Who does the work of a batch: the interface, and this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Protocol, TypeAlias

from nst.batch.painter import Painted, Painter
from nst.batch.rows import Row

__all__ = ["Crew", "Here", "See"]

See: TypeAlias = Callable[["Row | None", float], None]
"""Told which row is done to what part; and now and then None, so that it can raise to end the work."""


class Crew(Protocol):
    """Paints rows, in any order, wherever it likes."""

    def work(self, rows: Iterable[Row], see: See) -> Generator[Painted, None, None]:
        """Answer every row.

        When it is closed, or `see` raises, the work ends at once and nothing is left running.
        """


class Here:
    """This process, one row after the other.

    Args:
        timeout: see `Painter`.
    """

    def __init__(self, timeout: float | None = None) -> None:
        self._painter = Painter(timeout)

    def work(self, rows: Iterable[Row], see: See) -> Generator[Painted, None, None]:
        """See `Crew`."""
        for row in rows:
            for answer in self._painter.paint(row):
                if isinstance(answer, Painted):
                    yield answer
                else:
                    see(row, answer)
