"""`nst stylize`: the main job."""

from __future__ import annotations

import os
from typing import Any

import click

from nst.cli.like import like_option, with_like
from nst.cli.options import SectionedCommand, frame_options, free_name, output_option, painting_options


@click.command(cls=SectionedCommand)
@click.argument("content", type=click.Path())
@click.argument("style", type=click.Path(), nargs=-1)
@output_option
@like_option
@painting_options
@frame_options
def stylize(
    content: str, style: tuple[str, ...], output: str | None, like: dict[str, Any] | None, **options: Any
) -> int:
    """Paint CONTENT in the style of one or more STYLE pictures.

    \b
    nst stylize photo.jpg painting.jpg                  # writes photo-painting.png
    nst stylize photo.jpg painting.jpg -o out.png --size 1024 --strength 70%
    nst stylize photo.jpg monet.jpg klimt.jpg --style-weights 0.7,0.3 -o out.png
    nst stylize photo.jpg painting.jpg -o out.png --init noise --content-weight 1 --style-weight 1e4
    nst stylize photo.jpg --like out.png -o other.png
    """
    from nst.cli.engine import begin

    begin(content, options["quiet"])
    from nst.cli.running import run

    style, options = with_like(like, style, options)
    if output is None:
        _require_no_output(style)
        output = free_name(content, *style)
    return run(content, style, output, **options)


def _require_no_output(styles: tuple[str, ...]) -> None:
    """Check that the last word is a style and not the name of a result.

    Raises:
        click.UsageError: there is no such file, and it could be written.
    """
    last = styles[-1]
    written = os.path.splitext(last)[1].lower() in (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
    if len(styles) > 1 and written and not os.path.exists(last):
        raise click.UsageError(f"there is no {last}: did you mean -o {last}?")
