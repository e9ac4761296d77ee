"""`nst export-onnx`: one step as a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nst.cli.options import SectionedCommand, exported_options, network_options, preset_option, quiet_option


def _sides(_: click.Context, __: click.Parameter, text: str) -> tuple[int, int]:
    words = text.lower().split("x")
    if len(words) != 2 or not all(word.isdecimal() and 0 < int(word) <= 65536 for word in words):
        raise click.BadParameter(f"{text!r} is not a size such as 256x192")
    return int(words[0]), int(words[1])


@click.command("export-onnx", cls=SectionedCommand)
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), help="The graph: .onnx.")
@click.option("--size", required=True, callback=_sides, metavar="WxH", help="Of the pictures, in pixels.")
@click.option(
    "--adam/--no-adam",
    default=True,
    show_default=True,
    help="Take a step of Adam as well, or give losses and gradient alone.",
)
@click.option(
    "--weights-file",
    type=click.Path(dir_okay=False),
    help="Keep the network's weights in this file beside the graph, so that graphs of several sizes share it.",
)
@preset_option
@network_options
@exported_options()
@quiet_option
def export_onnx(output: str, size: tuple[int, int], quiet: bool, **options: Any) -> None:
    """Write the whole of one step as an ONNX graph: picture in, losses, gradient and the next picture out.

    The targets of a photograph and of a painting come from the same graph, so that a program needs nothing else: see
    docs/export.md.

    \b
    nst export-onnx -o step.onnx --size 256x192
    nst export-onnx -o small.onnx --size 128x96 --weights-file vgg19.bin
    """
    from nst.cli.engine import exported_arguments
    from nst.export import export_onnx as write

    arguments = exported_arguments(options, quiet)
    write(output, size, **arguments)
    files = [output, *([arguments["weights_file"]] if arguments["weights_file"] else [])]
    if not quiet:
        sizes = " + ".join(f"{file} ({Path(file).stat().st_size / 1e6:.1f} MB)" for file in files)
        click.echo(
            f"{sizes}: {size[0]}x{size[1]}, {'a step of Adam' if arguments['adam'] else 'losses and gradient'}"
        )
