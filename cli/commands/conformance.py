"""`nst conformance`: do the backends compute the same thing?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import click

from nst.conformance.runner import Options, run_command

__all__ = ["conformance"]


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(fields(Options)):
        shown = option.default is not None
        kind = int if isinstance(option.default, int) else str
        command = click.option(
            f"--{option.name}",
            type=kind,
            default=option.default,
            show_default=shown,
            help=option.metadata["help"],
        )(command)
    return command


@click.command()
@click.argument("backends", nargs=-1, metavar="[BACKEND]...")
@_options
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False), help="Write the whole report to this file."
)
def conformance(backends: tuple[str, ...], json_file: str | None, **options: Any) -> int:
    """Check backends against the float64 reference, each in a process of its own, and against each other.

    A BACKEND is a name or package.module:Class. Without one: every installed backend, and every one that
    NST_REQUIRE_BACKENDS names, whether installed or not.

    Levels: 0 transfer, 1 primitives, 2 features, 3 losses, 4 gradients, 5 vector space, 6 optimisers, 7 the
    network at full size.

    \b
    nst conformance
    nst conformance torch tf --level 4
    nst conformance torch --precision bf16
    nst conformance my_package.backend:MyBackend --json report.json
    """
    return 0 if run_command(backends, Options(**options), json_file, click.echo) else 1
