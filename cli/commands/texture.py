"""`nst texture`: synthesis without content."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from nst.cli.like import like_option, with_like
from nst.cli.options import (
    SectionedCommand,
    checkpoint_options,
    engine_options,
    free_name,
    label_options,
    output_option,
    preset_option,
    trace_option,
)


def _sides(context: click.Context, _: click.Parameter, text: str | None) -> tuple[int, int] | None:
    like = context.params.get("like")
    if text is None or (like is None and context.get_parameter_source("size") is ParameterSource.DEFAULT_MAP):
        return None  # a preset's size is for photographs
    words = text.lower().replace("x", " ").split()
    if len(words) not in (1, 2) or not all(word.isdecimal() for word in words):
        raise click.BadParameter(f"{text!r} is not a size such as 512x384")
    return int(words[0]), int(words[-1])


@click.command(cls=SectionedCommand, context_settings={"default_map": {"init": "noise"}})
@click.argument("style", type=click.Path(), nargs=-1)
@output_option
@like_option
@click.option("--size", callback=_sides, metavar="WxH", help="In pixels.  [default: that of the first style]")
@click.option(
    "--style-scale",
    type=float,
    help="Size of the style pictures as a multiple of the result's.  [default: their own, not larger than 1]",
)
@preset_option
@engine_options("run", "losses", "style", "start")
@trace_option
@checkpoint_options
@label_options
def texture(
    style: tuple[str, ...],
    output: str | None,
    size: tuple[int, int] | None,
    like: dict[str, Any] | None,
    **options: Any,
) -> int:
    """Make a new picture with the texture of one or more STYLE pictures.

    \b
    nst texture pebbles.jpg -o more-pebbles.png --size 768x512
    nst texture pebbles.jpg -o tile.png --size 256x256 --padding circular   # repeats without a seam
    """
    from nst.cli.engine import begin

    style, options = with_like(like, style, options)
    begin(style[0], options["quiet"])
    from nst.cli.running import run
    from nst.synthesis import texture_arguments

    output = output or free_name(style[0], "texture")
    arguments = texture_arguments(style, size, options)
    content = arguments.pop("content")
    height, width, _ = content.shape
    command = {"name": "texture", "size": f"{width}x{height}"}
    return run(content, style, output, command=command, **arguments)
