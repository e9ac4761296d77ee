"""`nst demo`: the first picture, from nothing but the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nst.cli.options import (
    PAINTING,
    SectionedCommand,
    engine_options,
    label_options,
    preset_option,
    trace_option,
)

DEFAULTS = {"size": 384, "steps": 72, "offline": True}
"""A minute on two cores, without a connection to the internet."""


@click.command(cls=SectionedCommand, context_settings={"default_map": DEFAULTS})
@click.option("-o", "--output", default="out.png", show_default=True, type=click.Path(), help="The result.")
@click.option(
    "--pictures",
    default="demo",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Folder for copies of the photograph and the painting.",
)
@preset_option
@engine_options(*PAINTING)
@trace_option
@label_options
def demo(output: str, pictures: str, quiet: bool, **options: Any) -> int:
    """Paint a cup of coffee as van Gogh painted The Starry Night.

    Both pictures come with nst and are free: CC0, and in the public domain.
    """
    from nst.cli.engine import begin

    begin("the pictures of the demo", quiet)
    from nst.cli.running import run
    from nst.errors import ImageError, told_as
    from nst.samples import PAINTING, PHOTOGRAPH, copy_sample

    with told_as(ImageError, f"cannot write into {pictures}", "use another --pictures"):
        content, style = (copy_sample(name, Path(pictures)) for name in (PHOTOGRAPH, PAINTING))
    if not quiet:
        click.echo(f"{content}: Rachel Michetti; {style}: Vincent van Gogh, 1889")
    return run(str(content), [str(style)], output, quiet=quiet, **options)
