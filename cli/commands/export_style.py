"""`nst export-style`: the targets of a style."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from nst.cli.options import SectionedCommand, exported_options, network_options, preset_option, quiet_option


@click.command("export-style", cls=SectionedCommand)
@click.argument("style", type=click.Path(), nargs=-1, required=True)
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False), help="The file: .safetensors."
)
@click.option(
    "--size",
    type=click.IntRange(1, 65536),
    default=512,
    show_default=True,
    help="Longest side of the graph's pictures, in pixels.",
)
@preset_option
@network_options
@exported_options("style", "style_scale", "max_pixels", without=("rate",))
@quiet_option
def export_style(style: tuple[str, ...], output: str, size: int, quiet: bool, **options: Any) -> None:
    """Write the targets of one or more STYLE pictures, for a graph of `nst export-onnx` with the same settings.

    \b
    nst export-style painting.jpg -o style.safetensors --size 256
    nst export-style monet.jpg klimt.jpg --style-weights 0.7,0.3 -o both.safetensors --size 256
    """
    from nst.cli.engine import exported_arguments, load_backend
    from nst.export import export_style as write

    backend = partial(load_backend, "auto", "auto")
    write(list(style), output, size, backend=backend, **exported_arguments(options, quiet))
    if not quiet:
        click.echo(f"{output}: {Path(output).stat().st_size / 1e6:.1f} MB, for pictures of {size} px")
