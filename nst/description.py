"""What a picture was made with: for its metadata, for traces and for the manifest of a batch."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np

from nst._version import __version__
from nst.progress import Progress
from nst.transfer import StyleTransfer

__all__ = ["describe"]


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


def _text(path: str) -> str:
    """A path as text: a name need not be UTF-8 on the disk, JSON and metadata must be."""
    return os.fsencode(path).decode("utf-8", "replace")


def _mask(typed: str | tuple[str, str]) -> str:
    """A mask as it was typed: a picture, or a picture and a color."""
    return f"{_text(typed[0])}:{typed[1]}" if isinstance(typed, tuple) else _text(typed)
