"""The trace: settings, versions and the losses of every step, as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np

from nst._files import check_writable, write_atomically
from nst._version import __version__
from nst.errors import SettingsError
from nst.transfer import Progress, StyleTransfer

__all__ = ["check_trace_path", "describe", "step_record", "write_trace"]


def check_trace_path(path: str) -> None:
    """Before the work starts.

    Raises:
        SettingsError: the folder is not there or cannot be written to.
    """
    try:
        check_writable(path)
    except OSError as error:
        raise SettingsError(f"cannot write the trace {path}: {error.strerror}") from error


def describe(transfer: StyleTransfer, content: str, styles: Sequence[str]) -> dict[str, Any]:
    """Everything that decides the result, for traces and for the metadata of the picture."""
    return {
        "settings": {
            **transfer.resolved_settings().as_dict(),
            "content": content,
            "styles": list(styles),
            "backend": transfer.backend.name,
            "device": transfer.backend.device,
            "dtype": transfer.backend.dtype,
        },
        "versions": {
            "nst": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            **transfer.backend.versions(),
        },
        "weights": {"name": transfer.weights.name, "sha256": transfer.weights.sha256},
    }


def step_record(record: Progress) -> dict[str, Any]:
    """One line of the trace; waits for the device."""
    losses = record.losses()
    return {
        "step": record.step,
        "size": list(record.size),
        "terms": dict(losses.terms),
        "total": losses.total,
        "seconds": round(record.seconds, 6),
    }


def write_trace(path: str, description: dict[str, Any], steps: Sequence[dict[str, Any]]) -> None:
    """Write the file, whole or not at all."""
    document = {**description, "steps": list(steps)}
    write_atomically(path, (json.dumps(document, indent=1) + "\n").encode())
