"""`nst plan`: what a run would take, before it is run."""

from __future__ import annotations

from typing import Any

import click

from nst.cli.options import PAINTING, engine_options, trace_option

__all__ = ["plan"]


@click.command()
@click.argument("content", type=click.Path())
@click.argument("style", type=click.Path(), nargs=-1, required=True)
@engine_options(*PAINTING)
@trace_option
def plan(content: str, style: tuple[str, ...], **options: Any) -> int:
    """Predict memory and time of `nst stylize` with the same options, and how it would make the picture fit.

    The time is measured: two steps of a small version of the picture are run.
    """
    from nst.cli.engine import make_transfer
    from nst.cli.planning import plan_rows

    quiet = options.pop("quiet")
    options.pop("trace")
    transfer = make_transfer(content, style, quiet=quiet, **options)
    for name, text in plan_rows(transfer):
        click.echo(f"{name:15} {text}")
    if not transfer.plan.fits:
        click.echo("nst: this will hardly fit: use a smaller --size", err=True)
        return 1
    return 0
