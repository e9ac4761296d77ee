"""What a picture was made with: where its inputs come from, its metadata, a hash of all that decides it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import numpy as np

from nst._version import __version__
from nst.errors import ImageError, NSTError, SettingsError
from nst.files import require
from nst.models.weights import NetworkWeights
from nst.pictures.kinds import from_any
from nst.pictures.masks import Masks
from nst.pictures.opening import FileSource, name_of
from nst.pictures.picture import DENSEST, Picture, Tags
from nst.pictures.writing import read_settings
from nst.protocol import Backend
from nst.settings import METADATA, STARTS, Metadata, Settings, make_settings


@dataclass(frozen=True)
class Sources:
    """Where the pictures and the network of a run come from: paths and words as they were typed."""

    content: str = ""  # empty for one without a path
    styles: Sequence[str] = ()
    # by name, a path, or a path and the color that counts there
    masks: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    init: str = "content"  # what it starts from, a word or a path
    weights: str = ""  # the network, a name or a path; empty for an object

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


STYLIZE: Mapping[str, Any] = {"name": "stylize"}
"""The command that makes a picture where nothing else is said."""


@dataclass(frozen=True)
class Labels:
    """What the file of a result says of how it was made. SettingsError: one of them cannot be."""

    # the settings, with the names of files as they were typed ("all") or without their folders, which may name a person
    # ("settings"); or nothing beside profile and dots per inch ("none")
    metadata: Metadata = "settings"
    dpi: float | None = None  # dots per inch; None: as in the photograph

    def __post_init__(self) -> None:
        if self.metadata not in METADATA:
            raise SettingsError(f"metadata is {self.metadata!r}: choose from {', '.join(METADATA)}")
        if self.dpi is not None and not 1 <= self.dpi <= DENSEST:
            raise SettingsError(f"dpi is {self.dpi!r}: it must be a number from 1 to {DENSEST}")

    def of(self, description: Mapping[str, Any] | None, tags: Tags) -> dict[str, Any]:
        """What `write_picture` is told beside the picture: the settings if known, and the tags of the photograph."""
        tags = tags if self.dpi is None else replace(tags, dpi=(self.dpi, self.dpi))
        if self.metadata == "none" or description is None:
            return {"settings": None, "tags": Tags(dpi=tags.dpi) if self.metadata == "none" else tags}
        kept = description if self.metadata == "all" else without_folders(description)
        return {"settings": {**kept, "command": {**kept["command"], **self.typed}}, "tags": tags}

    @property
    def typed(self) -> dict[str, Any]:
        """The options by which they come about, where they are not as always."""
        plain = Labels()
        return {
            one.name: value
            for one in fields(self)
            if (value := getattr(self, one.name)) != getattr(plain, one.name)
        }


def without_folders(description: Mapping[str, Any]) -> dict[str, Any]:
    """A description with the mere names of its files."""
    settings, weights, command = (description[part] for part in ("settings", "weights", "command"))
    settings = {
        **settings,
        "content": bare_name(settings["content"]),
        "styles": [bare_name(style) for style in settings["styles"]],
        "masks": {name: bare_name(mask) for name, mask in (settings.get("masks") or {}).items()},
        "init": bare_name(settings["init"]),
    }
    command = {name: bare_name(value) if name in FILES else value for name, value in command.items()}
    weights = {**weights, "from": bare_name(weights.get("from", ""))}
    return {**description, "settings": settings, "weights": weights, "command": command}


FILES = ("result", "content")
"""Values of `command` that are files."""


class _Made(Protocol):
    """By what a picture is made: a transfer."""

    @property
    def backend(self) -> Backend[Any]: ...

    @property
    def weights(self) -> NetworkWeights: ...


def describe(
    transfer: _Made,
    sources: Sources,
    settings: Settings,
    step: int,
    command: Mapping[str, Any] = STYLIZE,
) -> dict[str, Any]:
    """Everything that decides the result, for traces and for the metadata of the picture.

    In the settings the size is worked out; a command of the command line has its name, and options of its own that are
    no settings.
    """
    precision = settings.precision
    return {
        "settings": {
            **settings.as_dict(),
            "content": _text(sources.content),
            "styles": [_text(path) for path in sources.styles],
            "masks": {name: _mask(typed) for name, typed in sources.masks.items()},
            "init": _text(sources.init),
            "backend": transfer.backend.name,
            "device": transfer.backend.device,
            "dtype": transfer.backend.dtype,
            "precision": list(precision) if isinstance(precision, tuple) else transfer.backend.precision,
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
        "step": step,
        "command": dict(command),
    }


FORM = {
    "settings": {
        "content": str,
        "styles": [str],
        "init": str,
        "backend": str,
        "device": str,
        "optimizer": str,
        "precision?": (str, [str], None),
        "masks?": ({str: str}, None),
    },
    "versions?": {str: str},
    "weights?": {"name?": str, "sha256?": str, "from?": str},
    "step?": int,
    "command?": {str: (str, int, float)},
}
"""What the metadata of a picture must be; see `nst.files`. The settings are checked by `nst.settings`."""

OURS = ("max_pixels",)
"""Settings that are bounds against strangers' files: they come from the person and from no picture."""

TYPED_PRECISIONS = {"bfloat16": "bf16", "float16": "fp16"}
"""As they are typed; float32 is every backend's own."""


def read_description(path: FileSource) -> dict[str, Any]:
    """What a picture of nst says that it was made with, held to its form. ImageError: it says nothing of that kind."""
    document = read_settings(path)
    try:
        require(document, FORM)
        settings_in(document)
    except (ValueError, NSTError) as error:
        raise ImageError(f"{name_of(path)} carries no settings of a run of nst ({error})") from error
    return document


def settings_in(document: Mapping[str, Any]) -> Settings:
    """The settings in the metadata, checked. SettingsError: values that they cannot have."""
    found, names = document["settings"], {declared.name for declared in fields(Settings)}
    given = {name: value for name, value in found.items() if name in names}
    own = given["init"] not in STARTS
    precision = given.get("precision")
    if isinstance(precision, str):
        given["precision"] = TYPED_PRECISIONS.get(precision)
    given |= {name: getattr(Settings(), name) for name in OURS}
    return make_settings(**{**given, "init": "picture" if own else given["init"]})


def settings_of(picture: FileSource) -> dict[str, Any]:
    """The settings that nst painted a picture with, to be used again: arguments of `stylize` and `StyleTransfer`.

    Args:
        picture: a file that nst has written, by its command line or by `Result.save`.

    Returns:
        Those that differ from the defaults, by name. Pictures are not among them, nor `max_pixels`, nor an optimiser of
        one's own.

    Raises:
        ImageError: nst has not written it, or without its settings.

    Examples:
        >>> nst.StyleTransfer(content, style, steps=2, size=40).paint().save("painted.png")
        >>> nst.settings_of("painted.png")["steps"]
        2
    """
    settings, plain = settings_in(read_description(picture)), Settings()
    values = {one.name: getattr(settings, one.name) for one in fields(Settings)}
    lost = {"init": "picture", "optimizer": "custom"}
    return {
        name: value
        for name, value in values.items()
        if value != getattr(plain, name) and lost.get(name) != value
    }


def bare_name(path: str) -> str:
    """A file's name without its folder, as text; a word is one too."""
    return os.path.basename(_text(path))


def _text(path: str) -> str:
    """A path as text: a name need not be UTF-8 on the disk, JSON and metadata must be."""
    return os.fsencode(path).decode("utf-8", "replace")


def _mask(typed: str | Sequence[str]) -> str:
    """A mask as it was typed: a picture, or a picture and a color."""
    return _text(typed) if isinstance(typed, str) else f"{_text(typed[0])}:{typed[1]}"


def digest(data: bytes) -> str:
    """The SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


class Fingerprints:
    """Hashes of what decides a result; a file is read once for as long as it does not change."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[tuple[int, int], str]] = {}

    def of(self, deciding: Mapping[str, Any]) -> str:
        """The hash of values by name, with what their files hold."""
        return digest(json.dumps(self.plain(deciding), sort_keys=True, default=repr).encode())

    def plain(self, value: Any) -> Any:
        """A value as JSON has it; of files, pictures, arrays, networks and backends what tells them apart."""
        if isinstance(value, (str, os.PathLike)):
            return self.file(os.fspath(value)) or str(value)
        if isinstance(value, Mapping):
            return {str(name): self.plain(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.plain(item) for item in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, bytes):
            return digest(value)
        if isinstance(value, np.ndarray):
            return [str(value.dtype), value.shape, digest(np.ascontiguousarray(value).tobytes())]
        if isinstance(value, Picture):
            return digest(value.rgb.tobytes() + (b"" if value.alpha is None else value.alpha.tobytes()))
        if isinstance(value, Masks):
            return {one.name: self.plain(getattr(value, one.name)) for one in fields(value)}
        if isinstance(value, NetworkWeights):
            return value.sha256
        if hasattr(value, "versions"):  # a backend
            return [value.name, value.device, value.dtype, value.precision]
        if not hasattr(value, "read"):  # an open file can be read but once
            with suppress(NSTError):  # no picture: an optimiser, say
                return self.plain(from_any(value)[0])
        return value

    def file(self, path: str) -> str | None:
        """The hash of a file, or None where it cannot be read."""
        try:
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode):  # a pipe would wait for ever
                return None
            seen = status.st_size, status.st_mtime_ns
            known = self._files.get(path)
            if known is None or known[0] != seen:
                hashed = hashlib.sha256()
                with open(path, "rb") as file:
                    while block := file.read(2**20):
                        hashed.update(block)
                known = self._files[path] = seen, hashed.hexdigest()
            return known[1]
        except (OSError, ValueError):  # a name with a zero in it
            return None
