"""`nst plan`: what a run would take, before it is run."""

from __future__ import annotations

from typing import Any

import click

from nst.cli.options import PAINTING, engine_options, trace_option

__all__ = ["plan"]

MIB = 2**20


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
    from nst.forecast import forecast

    quiet = options.pop("quiet")
    options.pop("trace")
    transfer = make_transfer(content, style, quiet=quiet, **options)
    chosen = transfer.plan
    future = forecast(transfer)
    width, height = transfer.size
    scales = ", ".join(f"{side} px x {steps}" for side, steps in transfer.schedule)
    free = "unknown" if chosen.free is None else _size(chosen.free)
    rows = [
        ("size", f"{width}x{height} pixels, {transfer.backend.name} on {transfer.backend.device}"),
        ("scales", scales),
        (
            "windows",
            f"{chosen.side} px, computing {future.overlap:.2f} times the pixels" if chosen.side else "none",
        ),
        (
            "L-BFGS history",
            f"{chosen.history} pairs{' in float16' if chosen.half else ''}, {_size(chosen.history_bytes)}",
        ),
        ("peak memory", f"{_size(chosen.peak)} of {free} that are free"),
        ("time", f"{future.total:.0f} s, {future.step:.2f} s for a step at the full size"),
    ]
    for name, text in rows:
        click.echo(f"{name:15} {text}")
    if not chosen.fits:
        click.echo("nst: this will hardly fit: use a smaller --size", err=True)
        return 1
    return 0


def _size(count: int) -> str:
    return f"{count / MIB:.0f} MB" if count < 10_000 * MIB else f"{count / MIB / 1024:.1f} GB"
