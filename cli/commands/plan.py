"""`nst plan`: what a run would take, before it is run."""

from __future__ import annotations

from typing import Any

import click

from nst.cli.like import like_option, with_like
from nst.cli.options import SectionedCommand, frame_options, painting_options

FILES = (
    *("output", "metadata", "dpi", "trace", "animate"),
    *("save_at", "save_every", "checkpoint", "checkpoint_every"),
)
"""Options of `nst stylize` that change neither memory nor time: its command line can be given as it is."""


@click.command(cls=SectionedCommand)
@click.argument("content", type=click.Path())
@click.argument("style", type=click.Path(), nargs=-1)
@click.option("-o", "--output", hidden=True)
@like_option
@painting_options
@frame_options
def plan(content: str, style: tuple[str, ...], like: dict[str, Any] | None, **options: Any) -> int:
    """Predict memory and time of `nst stylize` with the same options, and how it would make the picture fit.

    The time is measured: a few steps of two small versions of the picture are run.
    """
    from nst.cli.engine import begin, make_transfer, plan_rows

    style, options = with_like(like, style, options)
    quiet = options.pop("quiet")
    begin(content, quiet)
    transfer = make_transfer(
        content, style, quiet=quiet, **{name: value for name, value in options.items() if name not in FILES}
    )
    for name, text in plan_rows(transfer):
        click.echo(f"{name:15} {text}")
    if not transfer.plan.fits:
        click.echo("nst: this will hardly fit: use a smaller --size", err=True)
        return 1
    return 0
