"""`nst stylize`: the main job."""

from __future__ import annotations

from typing import Any

import click

from nst.cli.checkpoints import checkpoint_options
from nst.cli.like import library_alone, like_option
from nst.cli.options import PAINTING, engine_options, mask_options, preset_option, trace_option
from nst.cli.recorder import frame_options

__all__ = ["stylize"]


@click.command()
@click.argument("content", type=click.Path())
@click.argument("style", type=click.Path(), nargs=-1)
@click.option(
    "-o", "--output", required=True, type=click.Path(), help="The result: .png, .jpg, .webp or .tif."
)
@preset_option
@like_option
@engine_options(*PAINTING)
@mask_options
@trace_option
@checkpoint_options
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

    if like is not None:
        if options["preset"] is not None:
            raise click.UsageError("--preset and --like are two recipes: give one of them")
        style = style or tuple(like["settings"]["styles"])  # click gives defaults to single arguments alone
        options = {**library_alone(like), **options}
    if not style:
        raise click.UsageError("Missing argument 'STYLE...'.")
    return run(content, style, output, **options)
