"""A table of pictures to paint: a CSV file, a row each, with options of their own as one would type them."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import click
from click.core import ParameterSource

from nst.batch import Row
from nst.batch.rows import beside, named
from nst.cli.engine import library_arguments
from nst.cli.options import PAINTING, engine_options, mask_options, option_name, preset_option
from nst.errors import ImageError, NSTError, SettingsError

__all__ = ["is_table", "table_rows"]

STYLE, OUTPUT = "style", "output"
ELSEWHERE = ("quiet", "offline", "ray", "ray_workers")
"""Options of the whole batch."""

TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@click.command()
@preset_option
@engine_options(*PAINTING)
@mask_options
def _row(**options: Any) -> None:
    """The options that a row may have."""


def is_table(word: str) -> bool:
    """Whether it is a table by its name."""
    return word.lower().endswith(".csv")


def table_rows(path: str, name: str, options: Mapping[str, Any]) -> list[Row]:
    """The rows.

    Args:
        path: of a table with a line of names: content, style (several with ; between them), perhaps output, and options
            without their dashes. An empty cell is an option that is not given. Paths are as they are, or else beside
            the table.
        name: of a result without a cell of its own.
        options: of the whole batch; those of a row win.

    Raises:
        ImageError: it cannot be read.
        SettingsError: it has other columns, or a cell is wrong.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = [column.strip().lower().replace("-", "_") for column in reader.fieldnames or ()]
            _check(path, columns)
            reader.fieldnames = columns
            lines = [(reader.line_num, line) for line in reader]
    except OSError as error:
        raise ImageError(f"cannot read the table {path}: {error.strerror}; check the name") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no CSV file in UTF-8: {error}") from error
    known: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    rows = []
    for number, (line, cells) in enumerate(lines, start=1):
        try:
            if None in cells:
                raise SettingsError("there are more cells than columns")
            filled = {column: cell.strip() for column, cell in cells.items() if cell and cell.strip()}
            content, styles = beside(filled.pop("content", ""), path), filled.pop(STYLE, "").split(";")
            found = tuple(beside(style.strip(), path) for style in styles if style.strip())
            if not content or not found:
                raise SettingsError("there is no content, or no style")
            output = filled.pop(OUTPUT, None) or named(name, content, found, number)
            own = tuple(filled.items())
            if own not in known:
                known[own] = library_arguments(**{**options, **_typed(filled)})
        except NSTError as error:
            raise SettingsError(f"{path}, line {line}: {error}") from error
        rows.append(Row(content, found, output, known[own]))
    return rows


def _check(path: str, columns: list[str]) -> None:
    """The names of the columns."""
    options = {parameter.name or "" for parameter in _row.params} - {*ELSEWHERE}
    for wanted in ("content", STYLE):
        if wanted not in columns:
            raise SettingsError(f"{path} has no column {wanted!r}: its first line must name the columns")
    for column in columns:
        if column not in ("content", STYLE, OUTPUT, *options):
            near = get_close_matches(column, options, n=1)
            fix = f"did you mean {near[0]}?" if near else "a column is content, style, output or an option"
            raise SettingsError(f"{path} has an unknown column {column!r}: {fix}")
    if len(set(columns)) != len(columns):
        raise SettingsError(f"{path} names a column twice")


def _typed(cells: Mapping[str, str]) -> dict[str, Any]:
    """The options of a row as click reads them; those of its preset are among them."""
    words: list[str] = []
    for column, cell in cells.items():
        (option,) = [parameter for parameter in _row.params if parameter.name == column]
        if not getattr(option, "is_flag", False):
            words.append(f"{option_name(column)}={cell}")
        elif cell.lower() in TRUE:
            words.append(option_name(column))
        elif cell.lower() not in FALSE:
            raise SettingsError(f"{column} is {cell!r}: it must be yes or no")
    try:
        context = _row.make_context("row", words)
    except click.ClickException as error:
        raise SettingsError(error.format_message()) from error
    given = (ParameterSource.COMMANDLINE, ParameterSource.DEFAULT_MAP)
    values = context.params.items()
    return {name: value for name, value in values if context.get_parameter_source(name) in given}
