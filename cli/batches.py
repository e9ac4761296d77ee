"""A batch at the terminal: one bar, failures at the end, Ctrl-C."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from click.core import ParameterSource

from nst.batch import Batch, Row, Status, Summary
from nst.batch.painter import labels_among
from nst.batch.rows import beside, named, paired_rows, text_in
from nst.children import add_working_folder
from nst.cli.console import harmless, interruptible
from nst.cli.engine import find_network, library_arguments, tell_of_numpy
from nst.cli.like import with_like
from nst.cli.options import PAINTING, engine_options, mask_options, option_name, preset_option
from nst.control import duration_text, progress_bar
from nst.description import Labels
from nst.errors import ImageError, NSTError, SettingsError
from nst.forecast import forecast
from nst.models.store.cache import is_cached
from nst.models.store.catalogue import CATALOGUE
from nst.models.store.resolve import require_here
from nst.pictures.reading import read_picture
from nst.pictures.writing import to_pil
from nst.settings import MAX_PIXELS, Metadata
from nst.transfer import StyleTransfer

FAILED = 3
"""Exit status: some pictures could not be painted."""


def run_batch(
    contents: Sequence[str],
    styles: Sequence[str],
    output: str,
    *,
    pair: bool,
    name: str,
    jobs: int,
    timeout: float | None,
    quiet: bool,
    offline: bool,
    metadata: Metadata,
    dpi: float | None,
    yes: bool,
    like: Mapping[str, Any] | None,
    ray: str | None,
    ray_workers: int | None,
    **options: Any,
) -> int:
    """Paint what is not there yet; the exit status. Further options are those of `nst stylize`.

    NSTError: bad input, found before any work, or a folder that cannot be written to.
    """
    if like is not None:
        table = is_table(contents[0])
        recipe, options = with_like(like, tuple(styles), options)
        styles = () if table else recipe
    labels = Labels(metadata, dpi).typed
    rows = [
        replace(row, options={**row.options, **labels})
        for row in rows_of(contents, styles, pair, name, options)
    ]
    executor = None
    if ray is not None:
        from nst.batch.cluster import Cluster

        for row in rows:  # a class of the person's own comes from the folder of the command
            add_working_folder(str(row.options["backend"]))
        executor = Cluster(ray, ray_workers, timeout)
    batch = Batch.of_rows(rows, output, jobs=jobs, timeout=timeout)
    if offline:
        os.environ["NST_OFFLINE"] = "1"  # for the workers
    _fetch(rows, offline, quiet)
    for name in {str(row.options["backend"]) for row in rows} if ray is None else ():
        tell_of_numpy(name)
    if not (yes or quiet or ray is not None):
        _ask(rows, output, jobs)
    last: Status | None = None

    def watch(status: Status) -> None:
        nonlocal last
        last = status
        if interrupted():
            raise KeyboardInterrupt
        after = f"{status.failed} failed" if status.failed else ""
        show(status.done, status.total, status.row.output if status.row else "", lambda: after)

    try:
        with interruptible() as interrupted, progress_bar(quiet, "pictures") as show:
            summary = batch.run(watch, executor)
    except KeyboardInterrupt:
        done = last.there if last else 0
        click.echo(
            f"nst: interrupted: {done} of {len(rows)} are in {output}; the same command goes on", err=True
        )
        return 130
    return _report(rows, summary, output, quiet)


PAGE = "nst-batch.html"
THUMBNAIL = 240
"""Longest side in pixels in the page."""


def _lay_out(rows: Sequence[Row], summary: Summary, page: Path, quiet: bool) -> None:
    """Write the contact sheet: each photograph and what became of it, the paintings, what has failed.

    ImageError: it cannot be written.
    """
    from nst.cli.experiments.report import embedded, template, write_file

    def thumbnail(path: str, row: Row) -> dict[str, str] | None:
        try:
            shown = read_picture(path, THUMBNAIL, row.options.get("max_pixels", MAX_PIXELS))
        except NSTError:  # which has been told
            return None
        return embedded(to_pil(shown), Path(path).name, THUMBNAIL)

    failed = dict(summary.failed)
    styles = {path: row for row in rows for path in row.styles}
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.content, []).append(row)
    laid = []
    with progress_bar(quiet, "photographs") as show:
        for number, (content, group) in enumerate(groups.items()):
            show(number, len(groups), PAGE)
            results = [
                {
                    "name": f"{row.output}: failed" if row.output in failed else row.output,
                    "link": quote(row.output),
                    "image": None if row.output in failed else thumbnail(str(page.parent / row.output), row),
                }
                for row in group
            ]
            laid.append((Path(content).name, thumbnail(content, group[0]), results))
    text = template("batch.html.j2").render(
        title=f"{len(rows)} pictures of {len(groups)} photographs",
        failed=failed,
        styles=[(Path(path).name, thumbnail(path, row)) for path, row in styles.items()],
        rows=laid,
    )
    write_file(page, text.encode())


MANY = 5
"""Pictures from which on it is worth a few steps of a small version to tell how long a batch will take."""

HOURS = 3600.0
"""Seconds after which somebody is asked."""


def _ask(rows: Sequence[Row], output: str, jobs: int) -> None:
    """Before a batch of hours, where somebody can answer; NSTError if the answer is no."""
    left = [row for row in rows if not os.path.exists(os.path.join(output, row.output))]
    if len(left) < MANY or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    options, _ = labels_among(left[0].options)
    try:
        each = forecast(StyleTransfer(left[0].content, list(left[0].styles), **options)).total
    except NSTError:  # which is told as the failure of its picture
        return
    seconds = each * len(left) / jobs
    if seconds >= HOURS:
        told = f"{len(left)} pictures, about {duration_text(seconds)}"
        if not click.confirm(f"{told}: go on?", default=True, err=True):
            raise NSTError("nothing was begun: a smaller --size or fewer --steps take less")


def rows_of(
    contents: Sequence[str], styles: Sequence[str], pair: bool, name: str, options: Mapping[str, Any]
) -> list[Row]:
    """What is to be painted: of pictures, folders, patterns and lists, or one table.

    SettingsError: nothing to paint, or a table beside other things. ImageError: something that is not there.
    """
    tables = [word for word in contents if is_table(word)]
    if tables:
        if len(contents) > 1 or styles or pair:
            raise SettingsError(f"{tables[0]} is a table, which has its own styles: give it alone")
        return table_rows(tables[0], name, options)
    if not styles:
        meant = f": did you mean --styles {contents[-1]}?" if len(contents) > 1 else ""
        raise SettingsError(f"no style picture{meant or ': give some after --styles, behind the contents'}")
    return paired_rows(contents, styles, pair, name, library_arguments(**options))


def _fetch(rows: Sequence[Row], offline: bool, quiet: bool) -> None:
    """Get networks that are not there yet here, where one can see it, and not in each worker."""
    for spec in dict.fromkeys(str(row.options["weights"]) for row in rows):
        if spec in CATALOGUE and not is_cached(spec):
            find_network(spec, offline=offline, seed=0, quiet=quiet)


def _report(rows: Sequence[Row], summary: Summary, output: str, quiet: bool) -> int:
    page = Path(output) / PAGE
    shows = f"; {page} shows them"
    try:
        _lay_out(rows, summary, page, quiet)
    except ImageError as error:  # the pictures are there all the same
        shows = ""
        click.echo(f"nst: {error}", err=True)
    for result, why in summary.failed:
        click.echo(harmless(f"nst: {result}: {why}"), err=True)
    counts = {"painted": summary.done, "there already": summary.kept, "failed": len(summary.failed)}
    if not quiet:
        said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        click.echo(f"{output}: {said}{shows}")
    return FAILED if summary.failed else 0


STYLE, OUTPUT = "style", "output"
ELSEWHERE = ("quiet", "offline", "ray", "ray_workers", "memory", "max_pixels", "device")
"""Options of the whole batch: a table does not say how much of a machine is used."""

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
    """The rows of a table, with the options of the whole batch where a row has none of its own.

    Its first line has names: content, style (several with ; between them), perhaps output, and options without their
    dashes. An empty cell is an option that is not given. Paths are as they are, or else beside the table. `name` is
    that of a result without a cell of its own. ImageError: it cannot be read. SettingsError: it has other columns, or a
    cell is wrong.
    """
    try:
        text = _text_of(path)
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
        columns = [column.strip().lower().replace("-", "_") for column in reader.fieldnames or ()]
        while columns and not columns[-1]:  # of a spreadsheet in which something stood there once
            columns.pop()
        _check(path, columns)
        reader.fieldnames = columns
        cells_of = [(reader.line_num, line) for line in reader]
        lines = [(number, line) for number, line in cells_of if any(_words(line))]
    except OSError as error:
        raise ImageError(f"cannot read the table {path}: {error.strerror}; check the name") from error
    except (csv.Error, ValueError) as error:
        raise SettingsError(f"{path} is no CSV file: {error}") from error
    known: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    rows = []
    for number, (line, cells) in enumerate(lines, start=1):
        try:
            if len(_words(cells)) > len(columns):
                raise SettingsError("there are more cells than columns")
            filled = {
                column: cell.strip() for column, cell in cells.items() if column and cell and cell.strip()
            }
            if any("\0" in cell for cell in filled.values()):
                raise SettingsError("there is a NUL in it, which no name has")
            content, styles = beside(filled.pop("content", ""), path), filled.pop(STYLE, "").split(";")
            found = tuple(beside(style.strip(), path) for style in styles if style.strip())
            if not content or not found:
                raise SettingsError("there is no content, or no style")
            output = filled.pop(OUTPUT, None) or named(name, content, found, number)
            _check_cells(filled)
            own = tuple(filled.items())
            if own not in known:
                known[own] = library_arguments(**{**options, **_typed(filled)})
        except NSTError as error:
            raise SettingsError(f"{path}, line {line}: {error}") from error
        rows.append(Row(content, found, output, known[own]))
    return rows


def _words(line: Mapping[Any, Any]) -> list[str]:
    """The cells of a line up to the last that is not empty, those beyond the columns too."""
    cells = [cell for cell in line.values() if isinstance(cell, str)] + list(line.get(None, ()))
    while cells and not cells[-1].strip():
        cells.pop()
    return cells


def _text_of(path: str) -> str:
    """UTF-8, UTF-16, or the letters of Windows in western Europe, in which its spreadsheets write .csv files."""
    data = Path(path).read_bytes()
    try:
        return text_in(data)
    except UnicodeDecodeError:
        return data.decode("cp1252")


def _delimiter(text: str) -> str:
    """That of the first line, in which there are names alone; a spreadsheet takes ; where a comma is in numbers."""
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


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


def _check_cells(cells: Mapping[str, str]) -> None:
    """What a person may type and a table may not say: code to import, a network to download."""
    if ":" in cells.get("backend", ""):
        raise SettingsError(f"the backend {cells['backend']!r} is code: give it yourself, with --backend")
    if "weights" in cells:
        require_here(cells["weights"])


def _typed(cells: Mapping[str, str]) -> dict[str, Any]:
    """The options of a row as click reads them; those of its preset are among them."""
    words: list[str] = []
    for column, cell in cells.items():
        (option,) = [parameter for parameter in _row.params if parameter.name == column]
        if isinstance(option.type, click.types.FloatParamType):  # 0,7 where a comma is in numbers
            cell = cell.replace(",", ".")
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
