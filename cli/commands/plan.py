"""`nst plan`: what a run would take, before it is run."""

from __future__ import annotations

from typing import Any

import click

from nst.cli.options import PAINTING, engine_options, mask_options, preset_option, trace_option
from nst.cli.recorder import frame_options

__all__ = ["plan"]

MIB = 2**20

FILES = ("output", "trace", "animate", "save_at", "save_every")
"""Options of `nst stylize` that change neither memory nor time: its command line can be given as it is."""


@click.command()
@click.argument("content", type=click.Path())
@click.argument("style", type=click.Path(), nargs=-1, required=True)
@click.option("-o", "--output", hidden=True)
@preset_option
@engine_options(*PAINTING)
@mask_options
@trace_option
@frame_options
def plan(content: str, style: tuple[str, ...], **options: Any) -> int:
    """Predict memory and time of `nst stylize` with the same options, and how it would make the picture fit.

    The time is measured: a few steps of two small versions of the picture are run.
    """
    from nst.cli.engine import make_transfer
    from nst.forecast import forecast

    quiet = options.pop("quiet")
    transfer = make_transfer(
        content, style, quiet=quiet, **{name: value for name, value in options.items() if name not in FILES}
    )
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
        ("time", f"{_duration(future.total)}, {future.step:.2f} s for a step at the full size"),
    ]
    for name, text in rows:
        click.echo(f"{name:15} {text}")
    if not chosen.fits:
        click.echo("nst: this will hardly fit: use a smaller --size", err=True)
        return 1
    return 0


def _size(count: int) -> str:
    return f"{count / MIB:.0f} MB" if count < 10_000 * MIB else f"{count / MIB / 1024:.1f} GB"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
