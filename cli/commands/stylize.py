"""`nst stylize`: the main job."""

from __future__ import annotations

from typing import Any

import click

from nst.cli.like import like_option, with_like
from nst.cli.options import SectionedCommand, frame_options, output_option, painting_options

__all__ = ["stylize"]


@click.command(cls=SectionedCommand)
@click.argument("content", type=click.Path())
@click.argument("style", type=click.Path(), nargs=-1)
@output_option
@like_option
@painting_options
@frame_options
def stylize(
    content: str, style: tuple[str, ...], output: str, like: dict[str, Any] | None, **options: Any
) -> int:
    """Paint CONTENT in the style of one or more STYLE pictures.

    \b
    nst stylize photo.jpg painting.jpg -o out.png
    nst stylize photo.jpg monet.jpg klimt.jpg --style-weights 0.7,0.3 -o out.png
    nst stylize photo.jpg painting.jpg -o out.png --init noise --content-weight 1 --style-weight 1e4
    nst stylize photo.jpg --like out.png -o other.png
    """
    from nst.cli.running import run

    style, options = with_like(like, style, options)
    return run(content, style, output, **options)
