"""The trace: settings, versions and the losses of every step, as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nst._version import __version__
from nst.errors import SettingsError
from nst.files import check_writable, write_atomically
from nst.progress import Progress
from nst.transfer import StyleTransfer

__all__ = ["check_trace_path", "describe", "step_record", "write_trace"]


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


def describe(transfer: StyleTransfer, paths: Mapping[str, Any], record: Progress) -> dict[str, Any]:
    """Everything that decides the result, for traces and for the metadata of the picture.

    Args:
        transfer: what is run.
        paths: what the user typed for "content", "styles", "init", "weights" and, by name, "masks".
        record: the last iterate.
    """
    return {
        "settings": {
            **record.settings.as_dict(),
            "content": _text(paths["content"]),
            "styles": [_text(path) for path in paths["styles"]],
            "masks": {name: _mask(typed) for name, typed in paths.get("masks", {}).items()},
            "init": _text(paths["init"]),
            "backend": transfer.backend.name,
            "device": transfer.backend.device,
            "dtype": transfer.backend.dtype,
            "precision": transfer.backend.precision,
        },
        "versions": {
            "nst": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            **transfer.backend.versions(),
        },
        "weights": {
            "name": transfer.weights.name,
            "sha256": transfer.weights.sha256,
            "from": _text(paths.get("weights", "")),
        },
    }


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


def _text(path: str) -> str:
    """A path as text: a name need not be UTF-8 on the disk, JSON and metadata must be."""
    return os.fsencode(path).decode("utf-8", "replace")


def _mask(typed: str | tuple[str, str]) -> str:
    """A mask as it was typed: a picture, or a picture and a color."""
    return f"{_text(typed[0])}:{typed[1]}" if isinstance(typed, tuple) else _text(typed)


def _unwritable(path: str, error: OSError) -> SettingsError:
    return SettingsError(f"cannot write the trace {path}: {error.strerror}")
