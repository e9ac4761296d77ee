"""A batch at the terminal: one bar, failures at the end, Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import click

from nst.batch import Batch, Row, Status, Summary
from nst.batch.rows import paired_rows
from nst.cli.console import interruptible, progress_bar
from nst.cli.engine import library_arguments
from nst.cli.like import with_like
from nst.cli.network import find_network
from nst.cli.tables import is_table, table_rows
from nst.errors import SettingsError
from nst.models.store.cache import is_cached
from nst.models.store.catalogue import CATALOGUE

__all__ = ["FAILED", "rows_of", "run"]

FAILED = 3
"""Exit status: some pictures could not be painted."""


def run(
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
    like: Mapping[str, Any] | None,
    ray: str | None,
    ray_workers: int | None,
    **options: Any,
) -> int:
    """Paint what is not there yet; the exit status. Further options are those of `nst stylize`.

    Raises:
        NSTError: bad input, found before any work, or a folder that cannot be written to.
    """
    if like is not None:
        table = is_table(contents[0])
        recipe, options = with_like(like, tuple(styles), options)
        styles = () if table else recipe
    rows = rows_of(contents, styles, pair, name, options)
    crew = None
    if ray is not None:
        from nst.batch.cluster import Cluster

        crew = Cluster(ray, ray_workers, timeout)
    batch = Batch.of_rows(rows, output, jobs=jobs, timeout=timeout)
    if offline:
        os.environ["NST_OFFLINE"] = "1"  # for the workers
    _fetch(rows, offline, quiet)
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
            summary = batch.run(watch, crew)
    except KeyboardInterrupt:
        done = last.there if last else 0
        click.echo(
            f"nst: interrupted: {done} of {len(rows)} are in {output}; the same command goes on", err=True
        )
        return 130
    return _report(summary, output, quiet)


def rows_of(
    contents: Sequence[str], styles: Sequence[str], pair: bool, name: str, options: Mapping[str, Any]
) -> list[Row]:
    """What is to be painted.

    Args:
        contents: pictures, folders, patterns and lists, or one table.
        styles: the same, but a table.
        pair: one to one.
        name: of a result.
        options: as click has them.

    Raises:
        SettingsError: nothing to paint, or a table beside other things.
        ImageError: something that is not there.
    """
    tables = [word for word in contents if is_table(word)]
    if tables:
        if len(contents) > 1 or styles or pair:
            raise SettingsError(f"{tables[0]} is a table, which has its own styles: give it alone")
        return table_rows(tables[0], name, options)
    if not styles:
        raise SettingsError("no style picture: give some after --styles, behind the contents")
    return paired_rows(contents, styles, pair, name, library_arguments(**options))


def _fetch(rows: Sequence[Row], offline: bool, quiet: bool) -> None:
    """Get networks that are not there yet here, where one can see it, and not in each worker."""
    for spec in dict.fromkeys(str(row.options["weights"]) for row in rows):
        if spec in CATALOGUE and not is_cached(spec):
            find_network(spec, offline=offline, seed=0, quiet=quiet)


def _report(summary: Summary, output: str, quiet: bool) -> int:
    for result, why in summary.failed:
        click.echo(f"nst: {result}: {why}", err=True)
    counts = {"painted": summary.done, "there already": summary.kept, "failed": len(summary.failed)}
    if not quiet:
        said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        click.echo(f"{output}: {said}")
    return FAILED if summary.failed else 0
