"""`nst web`: a studio in the browser."""

from __future__ import annotations

from pathlib import Path

import click

from nst.settings import PRECISIONS

__all__ = ["web"]


@click.command()
@click.option(
    "--port",
    default=8484,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port of 127.0.0.1; 0 for any.",
)
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
@click.option(
    "--backend",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="auto, torch, tf, onnx, numpy, or a plug-in.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--weights",
    default="auto",
    show_default=True,
    metavar="NAME|PATH",
    help="Network, as of 'nst stylize'; nothing is downloaded.",
)
@click.option(
    "--precision",
    default="auto",
    show_default=True,
    type=click.Choice(PRECISIONS),
    help="Of the network.",
)
@click.option(
    "--memory",
    type=float,
    metavar="GB",
    help="Memory to stay within, all pictures together.  [default: what is free]",
)
@click.option(
    "--size",
    default=512,
    show_default=True,
    type=click.IntRange(64, 2048),
    help="Longest side of the live picture in pixels.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where sessions and the queue are kept.  [default: the user's data folder]",
)
def web(port: int, show: bool, folder: Path | None, memory: float | None, **options: str | int) -> None:
    """Serve a studio to a browser on this machine: pictures, sliders, a brush, and the result while it is painted.

    \b
    nst web --open
    """
    try:
        from nst.cli.web.serve import serve
    except ModuleNotFoundError as error:
        raise click.ClickException(f"the studio needs {error.name}: pip install 'nst[web]'") from error
    from nst.cli.web.painting import Setup
    from nst.models.store.cache import own_folder

    setup = Setup(**options, memory=None if memory is None else round(memory * 1e9))  # type: ignore[arg-type]
    serve(setup, folder or own_folder("studio", "data"), port, show)
