"""The runs of an experiment: each is kept in a file of its own, so that none is computed twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from nst.cli.console import interruptible
from nst.cli.experiments.grid import Cell
from nst.cli.experiments.measure import distances
from nst.cli.recoloring import with_color
from nst.cli.recorder import step_record, write_trace
from nst.cli.running import explain
from nst.control import progress_bar
from nst.description import Fingerprints, Labels, Sources, describe
from nst.engine.cache import Cache
from nst.errors import ImageError, NSTError, told_as
from nst.files import write_atomically
from nst.models.weights import NetworkWeights
from nst.pictures.color import Color
from nst.pictures.opening import open_file
from nst.pictures.picture import Picture, fit_longest_side, resize
from nst.pictures.reading import read_picture
from nst.pictures.subjects import FINDERS, with_found
from nst.pictures.writing import write_picture
from nst.progress import Progress
from nst.protocol import Backend
from nst.settings import MAX_PIXELS, style_shares
from nst.transfer import StyleTransfer
from nst.workers.devices import Devices

PLAIN = Labels()

COLORS = ("color", "color_strength", "color_when")

_SECONDS = ".seconds"  # the file beside a picture that says how long the run took


@dataclass(frozen=True)
class Done:
    """A run that is there."""

    cell: Cell  # which one
    picture: Path  # its result
    # see `nst.cli.recorder`, with "measures" beside and without times: equal runs have equal bytes
    trace: Mapping[str, Any]
    seconds: float | None  # that it took, where that is still known


class RunContext:
    """What the runs share: pictures, networks, backends, workers, and what the engine keeps from run to run.

    The experiment is kept in `folder`, the runs in its folder "cells".
    """

    def __init__(
        self,
        folder: Path,
        content: str,
        styles: Sequence[str],
        offline: bool,
        quiet: bool,
        labels: Labels = PLAIN,
    ) -> None:
        from nst.cli.engine import find_network, load_backend

        self.folder, self.content, self.styles = folder / "cells", content, list(styles)
        self.labels = labels
        for path in (content, *styles):  # before a network is loaded
            with open_file(path):
                pass
        self._files = Fingerprints()
        self.backend: Callable[..., Backend[Any]] = cache(load_backend)

        @cache
        def network(spec: str, seed: int) -> NetworkWeights:
            return find_network(spec, offline=offline, seed=seed, quiet=quiet)

        @cache
        def found(word: str, longest: int, most: int) -> Mapping[str, Any]:
            masks = with_found({"protect": word}, read_picture(content, longest, most))
            assert isinstance(masks, Mapping)
            return masks

        self._network, self._found = network, found
        self._ready = Cache()

    def network(self, settings: Mapping[str, Any]) -> NetworkWeights:
        """The network of a run."""
        spec = settings["weights"]
        return self._network(spec, settings.get("seed", 0) if spec == "random" else 0)

    def path(self, cell: Cell, judges: Sequence[str]) -> Path:
        """The picture of a run, named by a hash of everything that decides it; the trace is beside it as .json."""
        deciding = {
            "settings": cell.settings if _color_of(cell).active else _colorless(cell),
            "weights": self.network(cell.settings).sha256,
            "judges": list(judges),
            "pictures": [self.content, *self.styles],
            **self.labels.typed,
        }
        return self.folder / f"{self._files.of(deciding)[:16]}.png"

    def transfer(self, cell: Cell) -> StyleTransfer:
        """The run, set up; NSTError as `StyleTransfer`."""
        settings = dict(cell.settings)
        backend, names = settings.pop("backend", "auto"), settings.pop("device", "auto")
        devices = Devices(
            tuple(names.split(",")), settings.pop("ray", None), settings.pop("ray_workers", None)
        )
        memory = settings.pop("memory", None)
        word = _masks(cell).get("protect")
        if word in FINDERS:  # once for all runs
            rest = {name: mask for name, mask in _masks(cell).items() if name != "protect"}
            most = settings.get("max_pixels", MAX_PIXELS)
            settings["masks"] = {**rest, **self._found(word, settings["size"], most)}
        changed = {
            "weights": self.network(cell.settings),
            "backend": lambda: self.backend(backend, devices.first),
            "device": devices,
            "cache": self._ready,
            "memory": None if memory is None else round(memory * 1e9),
        }
        return StyleTransfer(self.content, self.styles, **{**settings, **changed})


def _fetch(context: RunContext, cell: Cell, judges: Sequence[str]) -> Done | None:
    """A run that was finished before."""
    path = context.path(cell, judges)
    try:
        trace = json.loads(path.with_suffix(".json").read_text())
    except (OSError, ValueError):
        return None
    try:
        seconds = float(path.with_suffix(_SECONDS).read_text())
    except (OSError, ValueError):
        seconds = None
    return Done(cell, path, trace, seconds) if path.is_file() else None


@dataclass(frozen=True)
class _Open:
    """A run that is not there yet."""

    cell: Cell
    path: Path
    transfer: StyleTransfer


def _open_runs(context: RunContext, cells: Sequence[Cell], judges: Sequence[str]) -> list[list[_Open]]:
    """The runs that are not there yet, set up; those of a list differ in colours alone and share one optimisation.

    NSTError: a run that cannot be set up.
    """
    groups: dict[str, dict[Path, _Open]] = {}
    for cell in cells:
        path = context.path(cell, judges)
        group = groups.setdefault(str(path) if _color_of(cell).early else _optimised(cell), {})
        if path not in group and _fetch(context, cell, judges) is None:
            group[path] = _Open(cell, path, _set_up(context, cell))
    return [list(group.values()) for group in groups.values() if group]


def run_cells(
    context: RunContext,
    cells: Sequence[Cell],
    judges: Sequence[str],
    quiet: bool,
    announce: Callable[[Sequence[StyleTransfer]], bool] = lambda transfers: True,
    kept: Callable[[list[Done]], None] = lambda done: None,
) -> list[Done]:
    """Every run, from its file or computed; after Ctrl-C those that are finished.

    `judges` are networks that measure every result, besides its own; `announce` is called with what is to be optimised
    and says whether to; `kept` is told what is there before the first run and after each. NSTError: a run that cannot
    be set up, before any work.
    """
    missing = [(group, _plain(context, judges, group)) for group in _open_runs(context, cells, judges)]
    groups = [group for group, plain in missing if plain is None]
    if not announce([group[0].transfer for group in groups]):
        return []
    for judge in judges if missing else ():
        context.network({"weights": judge})  # now, since one that is built has a bar of its own
    for group, plain in missing:
        if plain is not None:
            _recolor(context, judges, group, plain)
    total = sum(_steps_of(group[0].transfer) for group in groups)

    def there() -> list[Done]:
        return [found for cell in cells if (found := _fetch(context, cell, judges))]

    if groups:
        kept(there())
    with interruptible() as interrupted, progress_bar(quiet) as show:
        done = 0
        for number, group in enumerate(groups, start=1):
            first, steps = group[0], []
            try:
                for record in first.transfer.iterate():
                    steps.append(step_record(record))
                    show(done + record.step, total, f"{number} of {len(groups)}: {first.cell.label}")
                    if interrupted():
                        break
                if record.step == record.steps or record.stopped:
                    for one in group:
                        own = record if one is first else record.colored(one.transfer.output.color)
                        _keep_run(context, judges, one, own, steps)
                    kept(there())
            except NSTError as error:
                raise type(error)(f"{first.cell.label}: {error}") from error
            except Exception as error:
                explain(error, first.transfer, None)
            if interrupted():
                break
            done += _steps_of(first.transfer)
    return there()


def _color_of(cell: Cell) -> Color:
    """What becomes of the colours of a run."""
    given = cell.settings
    return Color(given.get("color", "none"), given.get("color_strength", 1.0), given.get("color_when"))


def _steps_of(transfer: StyleTransfer) -> int:
    """All steps at all scales."""
    return sum(count for _, count in transfer.schedule)


def _colorless(cell: Cell) -> dict[str, Any]:
    return {key: value for key, value in cell.settings.items() if key not in COLORS}


def _optimised(cell: Cell) -> str:
    """What runs have in common whose colours are changed afterwards."""
    return json.dumps(_colorless(cell), sort_keys=True)


def _masks(cell: Cell) -> Mapping[str, Any]:
    masks: Mapping[str, Any] = cell.settings.get("masks", {})
    return masks


def _plain(context: RunContext, judges: Sequence[str], group: Sequence[_Open]) -> Done | None:
    """The run in the colours of the style, if it is there, of which those of a group can be made."""
    if _color_of(group[0].cell).early:
        return None
    return _fetch(context, replace(group[0].cell, settings=_colorless(group[0].cell)), judges)


def _recolor(context: RunContext, judges: Sequence[str], group: Sequence[_Open], plain: Done) -> None:
    """Make the runs of a group from `plain`."""
    result = read_picture(plain.picture)
    own = {name: value for name, value in plain.trace.items() if name not in ("steps", "measures", "label")}
    for one in group:
        output = one.transfer.output
        _keep(
            *(context, judges, one, output.finish(result), with_color(own, output.color)),
            steps=plain.trace["steps"],
            seconds=plain.seconds or 0.0,
        )


def _set_up(context: RunContext, cell: Cell) -> StyleTransfer:
    try:
        return context.transfer(cell)
    except NSTError as error:
        raise type(error)(f"{cell.label}: {error}") from error


def _keep_run(
    context: RunContext, judges: Sequence[str], run: _Open, record: Progress, steps: Sequence[dict[str, Any]]
) -> None:
    sources = Sources.of(context.content, context.styles, run.cell.settings)
    made = describe(run.transfer, sources, record.settings, record.step)
    description = {**made, "stopped": record.stopped}
    timeless = [{name: value for name, value in step.items() if name != "seconds"} for step in steps]
    _keep(context, judges, run, record.picture(), description, timeless, record.seconds)


def _keep(
    context: RunContext,
    judges: Sequence[str],
    run: _Open,
    result: Picture,
    description: Mapping[str, Any],
    steps: Sequence[dict[str, Any]],
    seconds: float,
) -> None:
    """Measure and write; the trace last, since it says that the run is finished."""
    transfer, settings = run.transfer, run.transfer.settings
    longest = max(1, round(settings.style_scale * max(transfer.size)))
    styles = [read_picture(style, longest, settings.max_pixels) for style in context.styles]
    styles = [resize(style, *fit_longest_side(*style.size, longest)) for style in styles]
    shared = list(zip(styles, style_shares(settings.style_weights, len(styles)), strict=True))
    measures = {}
    for weights in (transfer.weights, *(context.network({"weights": judge}) for judge in judges)):
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
    context.folder.mkdir(parents=True, exist_ok=True)
    about = {name: value for name, value in description.items() if name != "stopped"}
    write_picture(result, run.path, **context.labels.of(about, result.tags))
    file = run.path.with_suffix(_SECONDS)
    with told_as(ImageError, f"cannot write {file}", "free some space"):
        write_atomically(file, f"{seconds:.6f}\n".encode())
    write_trace(
        str(run.path.with_suffix(".json")),
        {**description, "label": run.cell.label, "measures": measures},
        steps,
    )
