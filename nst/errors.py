"""What nst tells people: errors of one line each, and how a value shows itself in a console and in a notebook.

The command line prints an error that a caller can cause without a traceback and exits with status 2.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape


class NSTError(Exception):
    """Base of every error that nst raises on purpose."""


class BackendError(NSTError):
    """A backend that is not installed, a device that is not there, a data type it lacks."""


class ImageError(NSTError):
    """A picture that cannot be read, written or used."""


class SettingsError(NSTError, ValueError):
    """A setting outside its range: an unknown layer, a negative weight, no style picture."""


class WeightsError(NSTError):
    """A weight file that is missing, damaged or no VGG."""


@contextmanager
def told_as(kind: type[NSTError], problem: str, fix: str = "") -> Iterator[None]:
    """What the system refuses inside is one line: the problem, why, the fix."""
    try:
        yield
    except OSError as error:
        why = error.strerror or " ".join(str(error).split())
        raise kind(f"{problem}: {why}{fix and '; '}{fix}") from error


LEFT = 'style="text-align:left"'


class ReprHtml(ABC):
    """Shows itself by names and values for people."""

    @abstractmethod
    def _repr_rows(self) -> Mapping[str, str]:
        """Names and values, in order."""

    def __repr__(self) -> str:
        told = ", ".join(f"{name} {value}" for name, value in self._repr_rows().items())
        return f"{type(self).__name__}({told})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th {LEFT}>{escape(name)}</th><td {LEFT}>{escape(value)}</td></tr>"
            for name, value in self._repr_rows().items()
        )
        return f"<table><caption><b>{type(self).__name__}</b></caption>{rows}</table>"
