"""Paints row after row; whatever happens, a row is answered, and the next one finds everything ready."""

from __future__ import annotations

import io
import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from nst.backends import get_backend
from nst.batch.manifest import files_in
from nst.batch.rows import Row
from nst.description import Labels, Sources, describe
from nst.engine.cache import LRU, Cache
from nst.errors import BackendError, NSTError, WeightsError
from nst.models.store.resolve import network_of
from nst.models.weights import NetworkWeights
from nst.pictures.writing import encoded
from nst.planning.plan import is_out_of_memory
from nst.progress import Progress
from nst.settings import STARTS, Settings, layer_weights, make_settings, require_known
from nst.transfer import ARGUMENTS, StyleTransfer
from nst.workers.devices import devices_of


@dataclass(frozen=True, eq=False)
class RowInputs:
    """What a row needs where its files are not: their contents in place of paths, the network in place of its name.

    Without anything a row is painted from the files that it names.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)  # contents by path
    weights: NetworkWeights | None = None  # the network that the options name
    device: str | None = None  # in place of the options' own

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


NOTHING = RowInputs()
"""Files and networks are where they are said to be."""


@dataclass(frozen=True)
class Painted:
    """What became of a row; plain data, which may come from another process.

    Attributes:
        row: which one.
        data: the file of the result, or None for a row that failed.
        facts: for the manifest: seconds, steps, size, losses, settings, versions, weights.
        error: one line, or None.
        hopeless: whether every row with this backend and these weights fails alike.
    """

    row: Row
    data: bytes | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    hopeless: bool = False


class RowPainter:
    """Keeps backend, network, compiled code and style targets from row to row.

    Args:
        timeout: seconds for a row, checked after each step; None for any time.
        processes: that paint at a time, this one among them, and share the free memory.
    """

    def __init__(self, timeout: float | None = None, processes: int = 1) -> None:
        self._timeout, self._cache = timeout, Cache(processes=processes)
        self._backends, self._networks = LRU(2), LRU(2)

    def paint(self, row: Row, inputs: RowInputs = NOTHING) -> Iterator[float | Painted]:
        """After each step, how much of the row is done, 0 to 1; in the end, what became of it."""
        began = time.perf_counter()
        try:
            content, styles = inputs.filled(row.content), inputs.filled(list(row.styles))
            given, labels = labels_among(row.options)
            transfer = StyleTransfer(content, styles, **self._ready(given, inputs))
            first = last = None
            for last in transfer.iterate():
                first = last.losses().total if first is None else first
                yield last.step / last.steps if last.steps else 1.0
                self._check(last, time.perf_counter() - began)
            assert last is not None
            assert first is not None
            data, facts = _finished(row, transfer, first, last, labels)
        except Exception as error:
            facts, said = {"seconds": _since(began)}, self._said(error)
            yield Painted(row, None, facts, said, isinstance(error, (BackendError, WeightsError)))
        else:
            yield Painted(row, data, {"seconds": _since(began), **facts})

    def _check(self, record: Progress, seconds: float) -> None:
        if record.stopped == "non-finite":
            raise NSTError(f"the losses are not finite after {record.step} steps")
        over = record.stopped or record.step == record.steps
        if self._timeout is not None and seconds > self._timeout and not over:
            raise NSTError(
                f"not done after {self._timeout:g} seconds, at step {record.step} of {record.steps}"
            )

    def _ready(self, options: Mapping[str, Any], inputs: RowInputs) -> dict[str, Any]:
        """The options, with a backend and a network that are made once, when they are first needed."""
        given = {**inputs.options(options), "cache": self._cache}
        backend, weights = given.get("backend", "auto"), given.get("weights", "auto")
        seed = given.get("seed", 0)
        if isinstance(backend, str):
            choice = backend, devices_of(given.get("device", "auto")).first
            given["backend"] = partial(self._backends.get, choice, partial(get_backend, *choice))
        if isinstance(weights, (str, Path)):
            named = str(weights), seed if weights == "random" else None
            given["weights"] = partial(
                self._networks.get, named, lambda: inputs.weights or network_of(weights, seed)
            )
        return given

    def _said(self, error: Exception) -> str:
        """One line."""
        if isinstance(error, NSTError):
            return " ".join(str(error).split())
        if is_out_of_memory(error):
            self._cache.clear()
            return "out of memory: use a smaller size"
        logging.getLogger("nst").debug("a row of a batch failed", exc_info=error)
        return f"{type(error).__name__}: {' '.join(str(error).split())}"


def labels_among(options: Mapping[str, Any]) -> tuple[dict[str, Any], Labels]:
    """The options of a row for `StyleTransfer`, and what the file of its result says."""
    names = Labels.__dataclass_fields__
    rest = {name: value for name, value in options.items() if name not in names}
    return rest, Labels(**{name: options[name] for name in names if name in options})


def _finished(
    row: Row, transfer: StyleTransfer, first: float, record: Progress, labels: Labels
) -> tuple[bytes, dict[str, Any]]:
    """The file, and the facts about it."""
    sources = Sources.of(row.content, row.styles, row.options)
    description = describe(transfer, sources, record.settings, record.step)
    losses = record.losses()
    picture = record.picture()
    data = encoded(picture, row.output, **labels.of(description, picture.tags))
    own = {"steps": record.step, "size": record.size}
    return data, {**own, "losses": {"start": first, "total": losses.total, **losses.terms}, **description}


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 3)


OURS = ("cache", "extra_terms")
"""Arguments of `StyleTransfer` that are no plain data, or the batch's own."""


def check_options(options: Mapping[str, Any]) -> None:
    """SettingsError for an option that does not exist, or has a value that it cannot have whatever the pictures are."""
    options, _ = labels_among(options)
    require_known(options, ARGUMENTS - {*OURS})
    settings = {name: value for name, value in options.items() if name in Settings.__dataclass_fields__}
    for name in ("content_layers", "style_layers"):
        if name in settings:
            settings[name] = layer_weights(settings[name], name.replace("_", " "))
    init = settings.get("init", "content")
    settings["init"] = init if isinstance(init, str) and init in STARTS else "picture"
    if not isinstance(settings.get("optimizer", "lbfgs"), str):
        settings["optimizer"] = "custom"
    make_settings(**settings)
