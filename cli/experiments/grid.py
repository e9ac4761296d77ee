"""From an experiment and what the user sweeps to a table of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import click

from nst.cli.experiments.catalogue import Experiment, SweepValue, simplex
from nst.cli.options import PAINTING, SettingOption, engine_options, mask_options, preset_option
from nst.errors import SettingsError
from nst.presets import preset
from nst.settings import Settings, rule_of

NOT_SWEPT = ("trace", "quiet", "offline", "mask", "protect", "ray", "ray_workers")


@dataclass(frozen=True)
class Cell:
    """One run: its place (columns may be halves), what is written below it, its settings."""

    row: int
    column: float
    label: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Grid:
    """The table: a label for each row and column, or none."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[Cell, ...]


def parse_sweeps(words: Sequence[str]) -> dict[str, list[SweepValue]]:
    """The values of --grid, "key=v1,v2", by key; a list is one value with plus signs: conv1_1+conv2_1.

    SettingsError: no such option, a value that it does not take, a key that comes twice.
    """
    found: dict[str, list[SweepValue]] = {}
    for word in words:
        name, _, text = word.partition("=")
        key = name.strip().replace("-", "_")
        if key in found or not text.strip(", "):
            raise SettingsError(f"--grid {word}: give each key once, with values: --grid pooling=avg,max")
        found[key] = sweep(key, text, f"--grid {key}")
    return found


def sweep(key: str, text: str, typed: str) -> list[SweepValue]:
    """The values of the option `key`, from "v1,v2"; `typed` is what was typed before it, for messages.

    SettingsError: no such option, no value, or one that it does not take.
    """
    values = [value.strip() for value in text.split(",") if value.strip()]
    if not values:
        raise SettingsError(f"{typed}: give one value or more, with commas between them")
    shown = key.replace("_", " ")
    return [
        SweepValue(
            f"{shown} {value}", recipe(value) if key == "preset" else {key: _converted(key, value, typed)}
        )
        for value in values
    ]


def recipe(name: str, **changes: Any) -> dict[str, Any]:
    """What a preset sets, but for network, size and steps, in which the runs shall be alike; or SettingsError."""
    settings = preset(name, **changes)
    return {
        key: settings[key] for key in settings if key in changes or key not in ("weights", "size", "steps")
    }


def _converted(key: str, text: str, typed: str) -> Any:
    """As `nst stylize` would take it."""
    command = click.Command("--grid")
    preset_option(engine_options(*PAINTING)(mask_options(command)))
    options = {str(option.name): option for option in command.params if option.name not in NOT_SWEPT}
    if key not in options:
        raise SettingsError(f"{typed}: no such option, choose from {', '.join(sorted(options))}")
    option = options[key]
    rule = option.rule if isinstance(option, SettingOption) else None
    # the comma is between values: a list has a plus in its place
    word = text.replace("+", ",") if rule is not None and rule.kind in ("list", "layers") else text
    try:
        value = option.process_value(click.Context(command), (word,) if option.multiple else word)
    except click.BadParameter as error:
        raise SettingsError(f"{typed}: {error.message}") from error
    if rule is not None and rule.kind in ("integer", "number", "list") and not rule.allows(value):
        raise SettingsError(f"{typed}: {text} must be {rule.want}")
    return plain(key, value)


def plain(key: str, value: Any) -> Any:
    """The value of an option as JSON has it, and as `StyleTransfer` takes it."""
    if not isinstance(value, tuple):
        return value
    declared = Settings.__dataclass_fields__.get(key)
    return list(value) if declared and rule_of(declared).kind == "list" else ",".join(value)


def given_settings(context: click.Context, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the user has typed, and what a preset says beyond it."""
    source = click.core.ParameterSource.COMMANDLINE
    given = {
        key: plain(key, value)
        for key, value in options.items()
        if context.get_parameter_source(key) is source
    }
    return recipe(given.pop("preset"), **given) if "preset" in given else given


def with_base(table: Grid, base: Mapping[str, Any]) -> Grid:
    """The table with `base` behind the settings of every run."""
    cells = (replace(cell, settings={**base, **cell.settings}) for cell in table.cells)
    return replace(table, cells=tuple(cells))


def make_grid(
    experiment: Experiment, sweeps: Mapping[str, Sequence[SweepValue]], given: Mapping[str, Any], styles: int
) -> Grid:
    """Every combination of rows, columns and sweeps, of values that this machine can run.

    A sweep takes the place of the experiment's rows or columns if each of them sets its key. Otherwise it makes
    columns, or rows within the rows if there are columns, and wins over what the experiment says. SettingsError:
    `given`, the settings for all runs, fixes what the experiment compares.
    """
    rows = [list(experiment.rows)] if experiment.rows else []
    columns = [list(experiment.columns)] if experiment.columns else []
    for key, values in sweeps.items():
        axis = next((axis for axis in (*rows, *columns) if all(key in v.settings for v in axis)), None)
        if axis is not None:
            axis[:] = values
        elif columns or experiment.blend:
            rows.append(list(values))
        else:
            columns.append(list(values))
    for key in given:
        if any(key in value.settings for axis in (*rows, *columns) for value in axis):
            raise SettingsError(
                f"{key.replace('_', ' ')} is what this compares: choose values by --grid {key}=..."
            )
    swept = [value for values in sweeps.values() for value in values]
    fixed = {**experiment.fixed, **given}
    down, across = list(product(*rows)), list(product(*columns))
    if experiment.blend:
        return _blend(down, fixed, styles)
    cells = []
    for row, above in enumerate(down):
        for column, left in enumerate(across):
            # what is swept comes last, so that it wins
            chosen = sorted((*above, *left), key=lambda value: value in swept)
            label = ", ".join(value.label for value in chosen)
            cells.append(Cell(row, column, label, _merged(fixed, chosen)))
    return Grid(_labels(down), _labels(across), tuple(cells))


def _blend(down: Sequence[tuple[SweepValue, ...]], fixed: Mapping[str, Any], styles: int) -> Grid:
    """A simplex for each row, one below the other."""
    places = simplex(styles)
    height = 1 + max(row for row, _, _ in places)
    cells, labels = [], [""] * (height * len(down))
    for number, values in enumerate(down):
        labels[number * height] = ", ".join(value.label for value in values)
        for row, column, weights in places:
            settings = {**_merged(fixed, values), "style_weights": list(weights)}
            text = " : ".join(f"{100 * weight:.0f}" for weight in weights)
            cells.append(Cell(number * height + row, column, text, settings))
    return Grid(tuple(labels) if any(labels) else (), (), tuple(cells))


def _merged(fixed: Mapping[str, Any], values: Sequence[SweepValue]) -> dict[str, Any]:
    settings = dict(fixed)
    for value in values:
        settings |= value.settings
    return settings


def _labels(combinations: Sequence[tuple[SweepValue, ...]]) -> tuple[str, ...]:
    labels = tuple(", ".join(value.label for value in values) for values in combinations)
    return labels if any(labels) else ()
