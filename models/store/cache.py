"""The folder of networks on this machine: one safetensors file each, written whole or not at all."""

from __future__ import annotations

import os
import re
from pathlib import Path

from safetensors import SafetensorError

from nst.errors import WeightsError
from nst.models.weights import NetworkWeights, load_weights, save_weights

__all__ = [
    "RESERVED",
    "cached_names",
    "cached_path",
    "is_cached",
    "load_cached",
    "store",
    "weights_folder",
]

RESERVED = ("auto", "embedded", "random")
"""Words that `--weights` gives another meaning; no file is called like this."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def weights_folder() -> Path:
    """`$NST_HOME/weights`, or the user's cache folder; not created."""
    home = os.environ.get("NST_HOME")
    if home:
        return Path(home).expanduser() / "weights"
    from platformdirs import user_cache_path

    return user_cache_path("nst", appauthor=False) / "weights"


def cached_path(name: str) -> Path:
    """Where the network of that name is kept, whether or not it is there.

    Raises:
        WeightsError: the name cannot be one.
    """
    if not _NAME.fullmatch(name) or name in RESERVED:
        raise WeightsError(
            f"{name!r} cannot name a network: use letters, digits, '.', '_' and '-', but none of "
            f"{', '.join(RESERVED)}"
        )
    return weights_folder() / f"{name}.safetensors"


def cached_names() -> list[str]:
    """The networks in the folder, sorted."""
    return sorted(path.stem for path in weights_folder().glob("[!.]*.safetensors"))


def is_cached(name: str) -> bool:
    """Whether the network is in the folder."""
    return cached_path(name).is_file()


def load_cached(name: str) -> NetworkWeights:
    """Read a network from the folder.

    Raises:
        WeightsError: not there or damaged, with what to do about it.
    """
    path = cached_path(name)
    try:
        return load_weights(path)
    except WeightsError as error:
        if path.is_file():
            raise WeightsError(f"{error}: delete it, then download or import {name} again") from error
        raise


def store(weights: NetworkWeights, dtype: str = "float32") -> Path:
    """Write a network into the folder under its name, whole or not at all; `dtype` as in `save_weights`.

    Raises:
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
