"""The trace: settings, versions and the losses of every step, as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nst.errors import SettingsError
from nst.files import check_writable, write_atomically
from nst.progress import Progress

__all__ = ["check_trace_path", "step_record", "write_trace"]


def check_trace_path(path: str, output: str) -> None:
    """Before the work starts.

    Raises:
        SettingsError: the folder is not there or cannot be written to, or `path` is a device or the picture.
    """
    if os.path.realpath(path) == os.path.realpath(output):
        raise SettingsError(f"the trace and the picture are both {path}: give them different names")
    if Path(path).exists() and not Path(path).is_file():  # a file would take the place of /dev/null
        raise SettingsError(f"cannot write the trace {path}: it is not a regular file; give another name")
    try:
        check_writable(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def step_record(record: Progress) -> dict[str, Any]:
    """One line of the trace; waits for the device."""
    losses = record.losses()
    return {
        "step": record.step,
        "size": list(record.size),
        "terms": dict(losses.terms),
        "weights": record.weights,
        "total": losses.total,
        "seconds": round(record.seconds, 6),
    }


def write_trace(path: str, description: dict[str, Any], steps: Sequence[dict[str, Any]]) -> None:
    """Write the file, whole or not at all.

    Raises:
        SettingsError: it cannot be written.
    """
    document = {**description, "steps": list(steps)}
    try:
        write_atomically(path, (json.dumps(document, indent=1) + "\n").encode())
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: str, error: OSError) -> SettingsError:
    return SettingsError(f"cannot write the trace {path}: {error.strerror}")
