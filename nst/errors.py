"""Errors that a caller can cause: one line each, that names the cause and the fix.

The command line prints such an error without a traceback and exits with status 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


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
