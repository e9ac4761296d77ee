"""`nst recolor`: other colours for a result, without painting it again."""

from __future__ import annotations

from typing import Any

import click

from nst.cli.options import free_name, label_options, output_option, quiet_option
from nst.settings import COLORS, Metadata


@click.command()
@click.argument("result", type=click.Path())
@output_option
@click.option(
    "--content",
    type=click.Path(),
    help="The photograph.  [default: the one that the metadata of RESULT name]",
)
@click.option(
    "--color",
    type=click.Choice(
        [word for word in COLORS if word not in ("none", "luminance")]
    ),  # no luminance after a run
    default="lab",
    show_default=True,
    help="Way to get the content's colours, as in nst stylize.",
)
@click.option(
    "--color-strength",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Strength of the change of colours.",
)
@quiet_option
@label_options
def recolor(
    result: str,
    output: str | None,
    content: str | None,
    quiet: bool,
    metadata: Metadata,
    dpi: float | None,
    **color: Any,
) -> int:
    """Give RESULT, a picture that nst has painted, the colours of its photograph.

    The picture is what a run with these colours (and --color-when after) would have made of the same strokes.

    \b
    nst recolor out.png --color lab -o in-its-colours.png
    nst recolor out.png --content photo.jpg --color histogram --color-strength 0.5 -o half.png
    """
    from nst.cli.recoloring import recolored
    from nst.description import Labels
    from nst.pictures.color import Color
    from nst.pictures.writing import check_output, write_picture

    output = output or free_name(result, color["color"])
    check_output(output)
    picture, description, note = recolored(
        result, content, Color(color["color"], color["color_strength"], "after")
    )
    write_picture(picture, output, **Labels(metadata, dpi).of(description, picture.tags))
    if not quiet:
        click.echo(f"{output}: {picture.width}x{picture.height}, colours by {color['color']}")
        if note:
            click.echo(f"nst: {note}", err=True)
    return 0
