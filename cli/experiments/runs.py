"""The runs of an experiment: each is kept in a file of its own, so that none is computed twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from nst.cli.console import interruptible, progress_bar
from nst.cli.experiments.grid import Cell
from nst.cli.experiments.measure import distances
from nst.cli.running import explain
from nst.cli.trace import step_record, write_trace
from nst.description import describe
from nst.errors import ImageError, NSTError
from nst.files import write_atomically
from nst.models.weights import NetworkWeights
from nst.pictures.picture import fit_longest_side, resize
from nst.pictures.reading import read_picture
from nst.pictures.writing import write_picture
from nst.progress import Progress
from nst.protocol import Backend
from nst.settings import style_shares
from nst.transfer import StyleTransfer

__all__ = ["Done", "Workshop", "fetch", "run_cells"]

_SECONDS = ".seconds"  # the file beside a picture that says how long the run took


@dataclass(frozen=True)
class Done:
    """A run that is there.

    Attributes:
        cell: which one.
        picture: its result.
        trace: see `nst.cli.trace`, with "measures" beside and without times: equal runs have equal bytes.
        seconds: that it took, where that is still known.
    """

    cell: Cell
    picture: Path
    trace: Mapping[str, Any]
    seconds: float | None


class Workshop:
    """What the runs share: pictures, networks, backends.

    Args:
        folder: where the experiment is kept; the runs are in its folder "cells".
        content: path of the content picture.
        styles: paths of the style pictures.
        offline: never download weights.
        quiet: no line and no bar for networks that are fetched or built.
    """

    def __init__(self, folder: Path, content: str, styles: Sequence[str], offline: bool, quiet: bool) -> None:
        from nst.cli.engine import load_backend
        from nst.cli.network import find_network

        self.folder, self.content, self.styles = folder / "cells", content, list(styles)
        self._hashes = [_hash(path) for path in (content, *styles)]
        self.backend: Callable[..., Backend[Any]] = cache(load_backend)

        @cache
        def network(spec: str, seed: int) -> NetworkWeights:
            return find_network(spec, offline=offline, seed=seed, quiet=quiet)

        self._network = network

    def network(self, settings: Mapping[str, Any]) -> NetworkWeights:
        """The network of a run."""
        spec = settings["weights"]
        return self._network(spec, settings.get("seed", 0) if spec == "random" else 0)

    def path(self, cell: Cell, judges: Sequence[str]) -> Path:
        """The picture of a run, named by a hash of everything that decides it; the trace is beside it as .json."""
        init = cell.settings.get("init", "content")
        deciding = {
            "settings": dict(cell.settings),
            "weights": self.network(cell.settings).sha256,
            "judges": list(judges),
            "pictures": self._hashes + ([_hash(init)] if Path(init).is_file() else []),
        }
        digest = hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()
        return self.folder / f"{digest[:16]}.png"

    def transfer(self, cell: Cell) -> StyleTransfer:
        """The run, set up.

        Raises:
            NSTError: as `StyleTransfer`.
        """
        settings = dict(cell.settings)
        where = settings.pop("backend", "auto"), settings.pop("device", "auto"), settings.get("precision")
        memory = settings.pop("memory", None)
        changed = {
            "weights": self.network(cell.settings),
            "backend": lambda: self.backend(*where),
            "memory": None if memory is None else round(memory * 1e9),
        }
        return StyleTransfer(self.content, self.styles, **{**settings, **changed})


def fetch(workshop: Workshop, cell: Cell, judges: Sequence[str]) -> Done | None:
    """A run that was finished before."""
    path = workshop.path(cell, judges)
    try:
        trace = json.loads(path.with_suffix(".json").read_text())
    except (OSError, ValueError):
        return None
    try:
        seconds = float(path.with_suffix(_SECONDS).read_text())
    except (OSError, ValueError):
        seconds = None
    return Done(cell, path, trace, seconds) if path.is_file() else None


def run_cells(workshop: Workshop, cells: Sequence[Cell], judges: Sequence[str], quiet: bool) -> list[Done]:
    """Every run, from its file or computed; after Ctrl-C those that are finished.

    Args:
        workshop: what they share.
        cells: the runs.
        judges: networks that measure every result, besides its own.
        quiet: no progress bar.

    Raises:
        NSTError: a run that cannot be set up, before any work.
    """
    pending: dict[Path, tuple[Cell, StyleTransfer]] = {}
    for cell in cells:
        path = workshop.path(cell, judges)
        if path not in pending and fetch(workshop, cell, judges) is None:
            pending[path] = cell, _set_up(workshop, cell)
    for judge in judges if pending else ():
        workshop.network({"weights": judge})  # now, since one that is built has a bar of its own
    total = sum(_steps(transfer) for _, transfer in pending.values())
    silence = np.errstate(over="ignore", invalid="ignore")  # as in `nst.cli.running`
    with silence, interruptible() as interrupted, progress_bar(quiet) as show:
        done = 0
        for number, (path, (cell, transfer)) in enumerate(pending.items(), start=1):
            steps = []
            try:
                for record in transfer.iterate():
                    steps.append(step_record(record))
                    show(done + record.step, total, f"{number}/{len(pending)} {cell.label}")
                    if interrupted():
                        break
                if record.step == record.steps or record.stopped:
                    _keep(workshop, cell, judges, path, transfer, record, steps)
            except NSTError as error:
                raise type(error)(f"{cell.label}: {error}") from error
            except Exception as error:
                explain(error, transfer, None)
            if interrupted():
                break
            done += _steps(transfer)
    return [found for cell in cells if (found := fetch(workshop, cell, judges))]


def _set_up(workshop: Workshop, cell: Cell) -> StyleTransfer:
    try:
        return workshop.transfer(cell)
    except NSTError as error:
        raise type(error)(f"{cell.label}: {error}") from error


def _steps(transfer: StyleTransfer) -> int:
    return sum(count for _, count in transfer.schedule)


def _keep(
    workshop: Workshop,
    cell: Cell,
    judges: Sequence[str],
    path: Path,
    transfer: StyleTransfer,
    record: Progress,
    steps: Sequence[dict[str, Any]],
) -> None:
    """Measure and write; the trace last, since it says that the run is finished."""
    settings, result = record.settings, record.picture()
    longest = max(1, round(settings.style_scale * max(transfer.size)))
    styles = [read_picture(style, longest, settings.max_pixels) for style in workshop.styles]
    styles = [resize(style, *fit_longest_side(*style.size, longest)) for style in styles]
    shared = list(zip(styles, style_shares(settings.style_weights, len(styles)), strict=True))
    measures = {}
    for weights in (transfer.weights, *(workshop.network({"weights": judge}) for judge in judges)):
        if weights.name not in measures:
            measures[weights.name] = distances(
                transfer.backend,
                weights,
                settings.pooling,
                result,
                transfer.content,
                shared,
                tuple(settings.content_layers),
            )
    paths = {
        "content": workshop.content,
        "styles": workshop.styles,
        "init": cell.settings.get("init", "content"),
    }
    description = describe(transfer, paths, record)
    workshop.folder.mkdir(parents=True, exist_ok=True)
    write_picture(result, path, {**description, "step": record.step})
    _write_seconds(path.with_suffix(_SECONDS), record.seconds)
    timeless = [{name: value for name, value in step.items() if name != "seconds"} for step in steps]
    ending = {"label": cell.label, "stopped": record.stopped, "measures": measures}
    write_trace(str(path.with_suffix(".json")), {**description, **ending}, timeless)


def _write_seconds(path: Path, seconds: float) -> None:
    try:
        write_atomically(path, f"{seconds:.6f}\n".encode())
    except OSError as error:
        raise ImageError(f"cannot write {path}: {error.strerror}; free some space") from error


def _hash(path: str | Path) -> str:
    """Of a picture's file.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}") from error
