"""`nst demo`: the first picture, from nothing but the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nst.cli.options import engine_options, preset_option

__all__ = ["demo"]

DEFAULTS = {"size": 384, "steps": 160, "padding": "replicate", "offline": True}
"""Half a minute on two cores, without a connection to the internet, and without a frame at the border."""


@click.command(context_settings={"default_map": DEFAULTS})
@click.option("-o", "--output", default="out.png", show_default=True, type=click.Path(), help="The result.")
@click.option(
    "--pictures",
    default="demo",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Folder for the two pictures that are drawn.",
)
@preset_option
@engine_options
def demo(output: str, pictures: str, quiet: bool, **options: Any) -> int:
    """Draw a harbour and a painting of brush strokes, and stylize one in the style of the other."""
    from nst.cli.running import run
    from nst.errors import ImageError
    from nst.models.procedural.harbour import draw_harbour, paint_strokes

    content, style = Path(pictures, "harbour.png"), Path(pictures, "strokes.png")
    try:
        content.parent.mkdir(parents=True, exist_ok=True)
        draw_harbour(768, 576).save(content)
        paint_strokes(640, 640).save(style)
    except OSError as error:
        raise ImageError(
            f"cannot write into {pictures}: {error.strerror}; choose another --pictures"
        ) from error
    if not quiet:
        click.echo(f"drew {content} and {style}")
    return run(str(content), [str(style)], output, quiet=quiet, **options)
