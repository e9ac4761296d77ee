"""The folder of networks on this machine: one safetensors file each, written whole or not at all."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Literal

from safetensors import SafetensorError

from nst.errors import WeightsError
from nst.models.weights import NetworkWeights, load_weights, save_weights

RESERVED = ("auto", "embedded", "random")
"""Words that `--weights` gives another meaning; no file is called like this."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def own_folder(name: str, kind: Literal["cache", "data"]) -> Path:
    """`$NST_HOME/name`, or the user's own place for such files; not created.

    WeightsError: nobody knows where that is, as in a container whose user has no name.
    """
    folder = _own_folder(name, kind)
    if folder is None:
        raise WeightsError(
            "this user has no home, in which nst keeps its files: set NST_HOME to a folder for them"
        )
    return folder


def _own_folder(name: str, kind: Literal["cache", "data"]) -> Path | None:
    from platformdirs import PlatformDirs

    home = os.environ.get("NST_HOME")
    with suppress(RuntimeError):  # no HOME, and no such user
        own = Path(home).expanduser() if home else None
        folder: Path = own or getattr(PlatformDirs("nst", appauthor=False), f"user_{kind}_path")
        if folder.is_absolute() or own:  # a platformdirs of old answers with "~"
            return folder / name
    return None


def weights_folder() -> Path:
    """Where networks are; see `own_folder`."""
    return own_folder("weights", "cache")


def cached_path(name: str) -> Path:
    """Where the network of that name is kept, whether or not it is there.

    WeightsError: the name cannot be one, or as `own_folder`.
    """
    _check_name(name)
    return weights_folder() / f"{name}.safetensors"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name in RESERVED:
        raise WeightsError(
            f"{name!r} cannot name a network: use letters, digits, '.', '_' and '-', but none of "
            f"{', '.join(RESERVED)}"
        )


def cached_names() -> list[str]:
    """The networks in the folder, sorted."""
    folder = _own_folder("weights", "cache")
    return sorted(path.stem for path in folder.glob("[!.]*.safetensors")) if folder else []


def is_cached(name: str) -> bool:
    """Whether the network is in the folder."""
    _check_name(name)
    return _own_folder("weights", "cache") is not None and cached_path(name).is_file()


def load_cached(name: str) -> NetworkWeights:
    """Read a network from the folder; WeightsError if it is not there or damaged, with what to do about it."""
    path = cached_path(name)
    try:
        return load_weights(path)
    except WeightsError as error:
        if path.is_file():
            raise WeightsError(f"{error}: delete it, then download or import {name} again") from error
        raise


def store(weights: NetworkWeights, dtype: str = "float32") -> Path:
    """Write a network into the folder under its name, whole or not at all; `dtype` as in `save_weights`.

    WeightsError: the folder cannot be written, the disk is full; no partial file stays.
    """
    path = cached_path(weights.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_weights(weights, path, dtype)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WeightsError(f"cannot write {path}: {reason}; free some space or set NST_HOME") from error
    return path
