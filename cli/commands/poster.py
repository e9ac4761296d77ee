"""`nst poster`: a result far larger than what a computer can paint."""

from __future__ import annotations

from typing import Any

import click

from nst.cli.like import like_option, with_like
from nst.cli.options import SectionedCommand, free_name, output_option, painting_options


@click.command(cls=SectionedCommand)
@click.argument("content", type=click.Path())
@click.argument("style", type=click.Path(), nargs=-1)
@output_option
@like_option
@click.option(
    "--long-side",
    type=click.IntRange(1, 65535),
    default=4096,
    show_default=True,
    metavar="PIXELS",
    help="Longest side of the poster.",
)
@click.option("--plan", is_flag=True, help="Predict memory and time, and do nothing.")
@painting_options
def poster(
    content: str,
    style: tuple[str, ...],
    output: str | None,
    long_side: int,
    like: dict[str, Any] | None,
    **options: Any,
) -> int:
    """Paint CONTENT in the style of STYLE at --size, and bring what has changed up to --long-side.

    The strokes are those of the small picture, enlarged; detail comes from the photograph, where they follow it.

    \b
    nst poster photo.jpg painting.jpg -o wall.png --size 1024 --long-side 8192
    """
    from nst.cli.engine import begin

    begin(content, options["quiet"])
    from nst.cli.running import run

    style, options = with_like(like, style, options)
    output = output or free_name(content, *style, "poster")
    command = {"name": "poster", "long_side": long_side}
    return run(content, style, output, command=command, **options)
