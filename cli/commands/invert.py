"""`nst invert`: reconstruction without style."""

from __future__ import annotations

from typing import Any

import click

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


@click.command(cls=SectionedCommand, context_settings={"default_map": {"init": "noise", "scales": "1"}})
@click.argument("content", type=click.Path())
@output_option
@like_option
@click.option(
    "--layer",
    default="conv4_2",
    show_default=True,
    metavar="LAYERS",
    help="Whose features to match; comma list, conv4_2=0.5 weights a layer.",
)
@preset_option
@engine_options("size", "run", "losses", "content", "start", without=("content_layers",))
@trace_option
@checkpoint_options
@label_options
def invert(content: str, output: str | None, like: dict[str, Any] | None, **options: Any) -> int:
    """Show what a layer of the network keeps of CONTENT: another picture with the same features.

    \b
    nst invert photo.jpg --layer conv2_2 -o conv2_2.png
    nst invert photo.jpg --layer conv5_1 -o conv5_1.png
    """
    from nst.cli.engine import begin

    begin(content, options["quiet"])
    from nst.cli.running import run

    _, options = with_like(like, (), options)
    layer = options.pop("layer")
    output = output or free_name(content, layer.replace(",", "+"))
    return run(
        *(content, (), output),
        command={"name": "invert", "layer": layer},
        content_layers=layer,
        style_layers=(),
        **options,
    )
