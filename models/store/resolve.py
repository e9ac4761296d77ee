"""From what people type after `--weights` to a network in memory."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from nst.errors import WeightsError, told_as
from nst.models.store import cache
from nst.models.store.catalogue import CATALOGUE, Entry
from nst.models.weights import NetworkWeights

Notify = Callable[[str], None]  # called with one line for people
Progress = Callable[[int, "int | None"], None]
"""Called with how much is done, and of how much if that is known: bytes of a download."""

_TRAINED = "vgg19"


def resolve_weights(
    spec: str | Path = "auto",
    *,
    offline: bool = False,
    seed: int = 0,
    notify: Notify | None = None,
    progress: Progress | None = None,
) -> NetworkWeights:
    """The network that `spec` names.

    Args:
        spec: "auto" (vgg19 if it is in the cache, else the same network to conv5_1 in 8 bits, which is embedded),
            "embedded", "random", the name of a network in the catalogue or the cache, or a file in any known format.
        offline: never use the network; NST_OFFLINE=1 says the same.
        seed: decides the filters of "random".
        notify: told, in one line each, what is downloaded, made or assumed.
        progress: told of each piece of a download.

    Raises:
        WeightsError: nothing of that name, a damaged file, no network; one line with what to do.

    Examples:
        >>> weights = nst.resolve_weights("embedded")
        >>> weights.layer_names[-1], weights.channels("conv4_2")
        ('conv5_1', 512)
    """
    notify = notify or (lambda line: None)
    if spec == "auto":
        return cache.load_cached(_TRAINED) if cache.is_cached(_TRAINED) else _embedded()
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
    path = Path(os.path.expanduser(spec))  # which leaves a ~ that nobody knows
    if path.is_file():
        return _file(path, notify)
    script = ", which examples/whitened_network.py makes" if name == "whitened" else ""
    raise WeightsError(
        f"no weights called {name!r} and no such file: choose auto, embedded, random, "
        f"{', '.join(sorted({*CATALOGUE, *cache.cached_names()}))}, or a file{script}"
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


def weights_here(spec: str, seed: int = 0, notify: Notify | None = None) -> NetworkWeights:
    """The network that a file names (a checkpoint, a picture's settings): if it is on this machine.

    WeightsError: it would have to be downloaded, which only a person may ask for; or as `resolve_weights`.
    """
    require_here(spec)
    return resolve_weights(spec, offline=True, seed=seed, notify=notify)


def require_here(spec: str) -> None:
    """WeightsError for a network named in a file that needs a download, or is another machine's file."""
    if spec.startswith(("\\\\", "//")):  # Windows would log in there
        raise WeightsError(
            f"the weights {spec!r} are on another machine: give them yourself (--weights FILE)"
        )
    name = spec
    while name in CATALOGUE and not cache.is_cached(name):
        name = CATALOGUE[name].made_from
        if not name:
            raise WeightsError(
                f"the network is {spec}, which is not on this machine: give it yourself (--weights {spec}), which "
                "downloads it, or another one"
            )


def is_offline() -> bool:
    """Whether NST_OFFLINE forbids the network."""
    return os.environ.get("NST_OFFLINE", "").lower() not in ("", "0", "false", "no")


def obtain(
    name: str,
    *,
    offline: bool = False,
    force: bool = False,
    notify: Notify | None = None,
    progress: Progress | None = None,
) -> NetworkWeights:
    """A network of the catalogue, from the cache (unless `force`) or else downloaded (or made) and kept there.

    Two processes that want the same network wait for each other: the second finds the first one's file. `notify` is
    told what happens, one line each, `progress` each piece of a download. WeightsError: not in the catalogue, no server
    gave it, no way to read or keep it.
    """
    notify = notify or (lambda line: None)
    if name not in CATALOGUE:
        raise WeightsError(f"{name!r} is not in the catalogue: choose from {', '.join(CATALOGUE)}")
    entry = CATALOGUE[name]
    if cache.is_cached(name) and not force:
        return cache.load_cached(name)
    if entry.sources:
        _require_network(entry, offline or is_offline())
    with _lock(name, notify):
        if cache.is_cached(name) and not force:
            return cache.load_cached(name)
        if entry.made_from:
            from nst.models.normalise import normalise

            if entry.made_from == "embedded":
                base = _embedded()
            else:
                base = obtain(entry.made_from, offline=offline, notify=notify, progress=progress)
            notify(f"making {name} from {base.name}: mean activation of every channel to 1")
            weights = normalise(base, name=name)
        else:
            weights = _downloaded(entry, progress)
        weights = replace(weights, license=f"{entry.license} ({entry.attribution})")
        cache.store(weights)
    return weights


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


def _downloaded(entry: Entry, progress: Progress | None) -> NetworkWeights:
    from nst.models.importers import import_file
    from nst.models.store.download import download

    try:
        path, source = download(entry.sources, cache.weights_folder(), progress)
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
    if entry.needs and importlib.util.find_spec(entry.needs) is None:
        raise WeightsError(
            f"{entry.name} comes in a format that needs {entry.needs}: pip install {entry.needs}"
        )


@contextmanager
def _lock(name: str, notify: Notify) -> Iterator[None]:
    from filelock import FileLock, Timeout

    path = cache.weights_folder() / f".{name}.lock"
    lock = FileLock(path)
    with told_as(WeightsError, f"cannot write to {path.parent}", "set NST_HOME"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            notify(f"another nst is fetching or making {name}: waiting for it")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()
