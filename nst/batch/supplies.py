"""What a row needs where its files are not: their contents in place of paths, the network in place of its name."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nst.batch.fingerprint import files_in
from nst.batch.rows import Row
from nst.models.weights import NetworkWeights
from nst.settings import STARTS

__all__ = ["Supplies", "paths_of"]


@dataclass(frozen=True, eq=False)
class Supplies:
    """See the module; without anything a row is painted from the files that it names.

    Attributes:
        files: contents by path.
        weights: the network that the options name.
        device: in place of the options' own.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    weights: NetworkWeights | None = None
    device: str | None = None

    def filled(self, value: Any) -> Any:
        """A path, or paths inside a value, as open files of the same names; anything else as it is."""
        if isinstance(value, (str, os.PathLike)):
            path = os.fspath(value)
            return _File(self.files[path], path) if path in self.files else value
        if isinstance(value, Mapping):
            return {name: self.filled(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)([self.filled(item) for item in value])
        return value

    def options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a row, with what is supplied."""
        filled = {
            name: self.filled(value) if name in _pictured(options) else value
            for name, value in options.items()
        }
        return filled if self.device is None else {**filled, "device": self.device}


def paths_of(row: Row) -> list[str]:
    """The files of pictures that a row reads, each once."""
    options = [row.options[name] for name in _pictured(row.options)]
    return list(dict.fromkeys([row.content, *row.styles, *files_in(options)]))


def _pictured(options: Mapping[str, Any]) -> list[str]:
    """The options that may be pictures."""
    init = options.get("init")
    own = not (isinstance(init, str) and init in STARTS)
    return [name for name in ("masks", "init") if name in options and (name == "masks" or own)]


class _File(io.BytesIO):
    """An open file in memory that knows its name, which errors tell."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name
