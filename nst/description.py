"""What a picture was made with: where its inputs come from, and its metadata."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nst._version import __version__
from nst.progress import Progress
from nst.transfer import StyleTransfer

__all__ = ["Sources", "describe"]


@dataclass(frozen=True)
class Sources:
    """Where the pictures and the network of a run come from: paths and words as they were typed.

    Attributes:
        content: path of the content picture; empty for one without a path.
        styles: paths of the style pictures.
        masks: by name, a path, or a path and the color that counts there.
        init: what it starts from, a word or a path.
        weights: the network, a name or a path; empty for an object.
    """

    content: str = ""
    styles: Sequence[str] = ()
    masks: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    init: str = "content"
    weights: str = ""

    @classmethod
    def of(cls, content: Any, styles: Sequence[Any], options: Mapping[str, Any]) -> Sources:
        """Those of arguments of `StyleTransfer`, among which may be pictures in memory."""
        masks = options.get("masks")
        return cls(
            _named(content, ""),
            tuple(_named(style) for style in styles),
            {
                name: (_named(mask[0]), mask[1]) if isinstance(mask, tuple) else _named(mask)
                for name, mask in (masks.items() if isinstance(masks, Mapping) else ())
            },
            _named(options.get("init", "content")),
            _named(options.get("weights", "auto"), ""),
        )

    @property
    def pictures(self) -> list[str]:
        """Whatever may be the path of a picture, or a word in its place."""
        masks = [mask if isinstance(mask, str) else mask[0] for mask in self.masks.values()]
        return [self.content, *self.styles, *masks, self.init]


def _named(value: Any, unnamed: str = "picture") -> str:
    """A path or a word; `unnamed` for an object."""
    return os.fsdecode(value) if isinstance(value, (str, os.PathLike)) else unnamed


def describe(transfer: StyleTransfer, sources: Sources, record: Progress) -> dict[str, Any]:
    """Everything that decides the result, for traces and for the metadata of the picture.

    Args:
        transfer: what is run.
        sources: of its inputs.
        record: the last iterate.
    """
    return {
        "settings": {
            **record.settings.as_dict(),
            "content": _text(sources.content),
            "styles": [_text(path) for path in sources.styles],
            "masks": {name: _mask(typed) for name, typed in sources.masks.items()},
            "init": _text(sources.init),
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
            "from": _text(sources.weights),
        },
    }


def _text(path: str) -> str:
    """A path as text: a name need not be UTF-8 on the disk, JSON and metadata must be."""
    return os.fsencode(path).decode("utf-8", "replace")


def _mask(typed: str | Sequence[str]) -> str:
    """A mask as it was typed: a picture, or a picture and a color."""
    return _text(typed) if isinstance(typed, str) else f"{_text(typed[0])}:{typed[1]}"
