"""Networks at the terminal: what `--weights` names, with a line for what happens and a bar while it takes long."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nst.models.weights import NetworkWeights

__all__ = ["find_network", "progress_bar"]


def find_network(spec: str, *, offline: bool, seed: int, quiet: bool) -> NetworkWeights:
    """`resolve_weights`, with its lines and its progress on stderr unless `quiet`."""
    from nst.models.store.resolve import resolve_weights

    def notify(line: str) -> None:
        if not quiet:
            click.echo(line, err=True)

    with progress_bar(spec, quiet) as progress:
        return resolve_weights(spec, offline=offline, seed=seed, notify=notify, progress=progress)


@contextmanager
def progress_bar(name: str, quiet: bool = False) -> Iterator[Callable[[int, int | None], None]]:
    """A function of (done, in all) that moves a bar on stderr: bytes of a download, or layers that are built.

    Only networks of the catalogue take long; for others, and where stderr is not a terminal, there is no bar.
    """
    from nst.models.store.catalogue import CATALOGUE

    if quiet or name not in CATALOGUE or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    built = CATALOGUE[name].built
    counted = (MofNCompleteColumn(), TextColumn("layers"), TimeElapsedColumn())
    loaded = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    columns = (TextColumn(name), BarColumn(), *(counted if built else loaded))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)
