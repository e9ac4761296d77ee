"""Networks at the terminal: what `--weights` names, with a line for what happens and a bar while it takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from nst.cli.console import progress_bar

if TYPE_CHECKING:
    from nst.models.weights import NetworkWeights

__all__ = ["find_network", "network_bar"]


def find_network(spec: str, *, offline: bool, seed: int, quiet: bool) -> NetworkWeights:
    """`resolve_weights`, with its lines and its progress on stderr unless `quiet`."""
    from nst.models.store.resolve import resolve_weights

    def notify(line: str) -> None:
        if not quiet:
            click.echo(line, err=True)

    with network_bar(spec, quiet) as progress:
        return resolve_weights(spec, offline=offline, seed=seed, notify=notify, progress=progress)


@contextmanager
def network_bar(name: str, quiet: bool = False) -> Iterator[Callable[[int, int | None], None]]:
    """A function of (done, in all) that moves a bar: bytes of a download."""
    with progress_bar(quiet, "bytes") as show:
        yield lambda done, total: show(done, total, name)
