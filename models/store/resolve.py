"""From what people type after `--weights` to a network in memory."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from nst.errors import WeightsError
from nst.models.store import cache
from nst.models.store.catalogue import CATALOGUE, DEFAULT, Entry
from nst.models.weights import NetworkWeights

__all__ = ["Notify", "is_offline", "network_of", "obtain", "resolve_weights"]

Notify = Callable[[str], None]
"""Called with one line for people."""

_SHORT_TIMEOUT = 5.0


def resolve_weights(
    spec: str | Path = "auto",
    *,
    offline: bool = False,
    seed: int = 0,
    notify: Notify | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> NetworkWeights:
    """The network that `spec` names.

    Args:
        spec: "auto" (vgg19 from the cache, else downloaded, else the embedded network), "embedded",
            "random", the name of a network in the catalogue or the cache, or a file in any known format.
        offline: never use the network; NST_OFFLINE=1 says the same.
        seed: of "random".
        notify: told, in one line each, what is downloaded, assumed or used instead.
        progress: told of each piece of a download (bytes so far, bytes in all).

    Raises:
        WeightsError: nothing of that name, a damaged file, no network; one line with what to do.
    """
    notify = notify or (lambda line: None)
    offline = offline or is_offline()
    if spec == "auto":
        return _auto(offline, notify, progress)
    if spec == "embedded":
        return _embedded()
    if spec == "random":
        from nst.models.random import random_weights

        return random_weights(seed)
    name = str(spec)
    if name in CATALOGUE:
        return obtain(name, offline=offline, notify=notify, progress=progress)
    if name in cache.cached_names():
        return cache.load_cached(name)
    if Path(spec).expanduser().is_file():
        return _file(Path(spec).expanduser(), notify)
    raise WeightsError(
        f"no weights called {name!r} and no such file: choose auto, embedded, random, "
        f"{', '.join(sorted({*CATALOGUE, *cache.cached_names()}))}, or a file"
    )


def network_of(
    weights: str | Path | NetworkWeights | Callable[[], NetworkWeights], seed: int
) -> NetworkWeights:
    """What `StyleTransfer` takes as weights: a network, a function that returns one, or a word or file."""
    if isinstance(weights, NetworkWeights):
        return weights
    if callable(weights):
        return weights()
    return resolve_weights(weights, seed=seed, notify=logging.getLogger("nst").info)


def is_offline() -> bool:
    """Whether NST_OFFLINE forbids the network."""
    return os.environ.get("NST_OFFLINE", "").lower() not in ("", "0", "false", "no")


def obtain(
    name: str,
    *,
    offline: bool = False,
    force: bool = False,
    timeout: float = 15.0,
    notify: Notify | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> NetworkWeights:
    """A network of the catalogue, from the cache or else downloaded (or computed) and kept there.

    Two processes that want the same network wait for each other: the second finds the first one's file.

    Args:
        name: a key of `CATALOGUE`.
        offline: only from the cache.
        force: even if it is in the cache.
        timeout: seconds to wait for each server.
        notify: told what happens, one line each.
        progress: told of each piece of a download.

    Raises:
        WeightsError: not in the catalogue, no server gave it, no way to read or keep it.
    """
    notify = notify or (lambda line: None)
    if name not in CATALOGUE:
        raise WeightsError(f"{name!r} is not in the catalogue: choose from {', '.join(CATALOGUE)}")
    entry = CATALOGUE[name]
    if cache.is_cached(name) and not force:
        return cache.load_cached(name)
    if not entry.made_from:
        _require_network(entry, offline or is_offline())
    with _lock(name, notify):
        if cache.is_cached(name) and not force:
            return cache.load_cached(name)
        if entry.made_from:
            from nst.models.normalise import normalise

            base = obtain(entry.made_from, offline=offline, timeout=timeout, notify=notify, progress=progress)
            notify(f"making {name} from {base.name}: mean activation of every channel to 1")
            weights = normalise(base, name=name)
        else:
            weights = _downloaded(entry, timeout, progress)
        weights = replace(weights, license=f"{entry.license} ({entry.attribution})")
        cache.store(weights)
    cache.forget_failure(name)
    return weights


def _auto(
    offline: bool, notify: Notify, progress: Callable[[int, int | None], None] | None
) -> NetworkWeights:
    if cache.is_cached(DEFAULT):
        return cache.load_cached(DEFAULT)
    entry = CATALOGUE[DEFAULT]
    reason = f"{DEFAULT} is not on this machine"
    if not offline and _missing_package(entry):
        reason += f" and reading it needs {entry.needs} (pip install {entry.needs})"
    elif not offline and cache.recently_failed(DEFAULT):
        reason += " and could not be downloaded within the last hour"
    elif not offline:
        notify(f"{DEFAULT} is not on this machine: trying to download {entry.summary}, {entry.license}")
        try:
            return obtain(DEFAULT, timeout=_SHORT_TIMEOUT, notify=notify, progress=progress)
        except WeightsError as error:
            cache.remember_failure(DEFAULT)
            reason = str(error).removeprefix(f"{DEFAULT}: ")
    embedded = _embedded()
    notify(
        f"using the embedded network {embedded.name!r}, which is not trained: {reason}; "
        f"to get the real one: nst weights download {DEFAULT}"
    )
    return embedded


def _embedded() -> NetworkWeights:
    from nst.models.embedded import load_embedded

    return load_embedded()


def _file(path: Path, notify: Notify) -> NetworkWeights:
    from nst.models.importers import import_file

    imported = import_file(path)
    if not imported.certain:
        notify(
            f"{path}: assumed the {imported.convention} input convention; if that is wrong, import it with "
            "nst weights import FILE --name NAME --convention ..."
        )
    return imported.weights


def _downloaded(
    entry: Entry, timeout: float, progress: Callable[[int, int | None], None] | None
) -> NetworkWeights:
    from nst.models.importers import import_file
    from nst.models.store.download import download

    try:
        path, source = download(entry.sources, cache.weights_folder(), progress, timeout)
    except WeightsError as error:
        raise WeightsError(f"{entry.name}: {error}") from error
    imported = import_file(path, entry.name, entry.convention)
    path.unlink()
    return replace(imported.weights, source=f"{source.url} sha256:{imported.sha256}")


def _require_network(entry: Entry, offline: bool) -> None:
    if offline:
        raise WeightsError(
            f"{entry.name} is not in {cache.weights_folder()} and the network is forbidden (--offline or "
            f"NST_OFFLINE): run nst weights download {entry.name} where it is allowed, or use embedded"
        )
    if _missing_package(entry):
        raise WeightsError(
            f"{entry.name} comes in a format that needs {entry.needs}: pip install {entry.needs}"
        )


def _missing_package(entry: Entry) -> bool:
    return bool(entry.needs) and importlib.util.find_spec(entry.needs) is None


@contextmanager
def _lock(name: str, notify: Notify) -> Iterator[None]:
    from filelock import FileLock, Timeout

    path = cache.weights_folder() / f".{name}.lock"
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            notify(f"another nst is fetching {name}: waiting for it")
            lock.acquire()
    except OSError as error:
        raise WeightsError(
            f"cannot write to {path.parent}: {error.strerror or error}; set NST_HOME"
        ) from error
    try:
        yield
    finally:
        lock.release()
