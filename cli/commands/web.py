"""`nst web`: a studio in the browser."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import click

from nst.settings import PRECISIONS


def _host(_: click.Context, option: click.Parameter, host: str) -> str:
    try:
        return str(ip_address("127.0.0.1" if host == "localhost" else host))
    except ValueError:
        raise click.BadParameter(f"{host!r} is no address such as 0.0.0.0", param=option) from None


def _names(_: click.Context, option: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d{1,5})?", name):
            raise click.BadParameter(
                f"{name!r} is no name such as studio.example or localhost:9000", param=option
            )
    return tuple(name.lower() for name in names)


def _base(_: click.Context, option: click.Parameter, base: str) -> str:
    path = base.strip("/")
    if not re.fullmatch(r"(\w[\w.~-]*(/\w[\w.~-]*)*)?", path, re.ASCII):
        raise click.BadParameter(f"{base!r} is no path such as /studio", param=option)
    return f"/{path}" if path else ""


def _proxies(_: click.Context, option: click.Parameter, proxies: tuple[str, ...]) -> Any:
    try:
        return tuple(ip_network(proxy) for proxy in proxies)
    except ValueError as error:
        raise click.BadParameter(
            f"{error}; give an address, or a network such as 172.17.0.0/16", param=option
        ) from None


@click.command()
@click.option(
    "--port",
    default=8484,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen to; 0 for any.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    callback=_host,
    help="Address to listen to; 0.0.0.0 (in a container) for all of this machine.",
)
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME[:PORT]",
    callback=_names,
    help="A further name that browsers reach it by, such as that of a proxy; once for each.",
)
@click.option(
    "--base-path",
    "base",
    default="",
    metavar="/PATH",
    callback=_base,
    help="What is in front of the token, where a proxy serves other things beside it.",
)
@click.option(
    "--proxy",
    "proxies",
    multiple=True,
    metavar="ADDRESS[/BITS]",
    callback=_proxies,
    help="A proxy whose X-Forwarded-Host and X-Forwarded-Proto are believed; once for each.  [default: nobody's]",
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
    default="fastest",
    show_default=True,
    type=click.Choice(PRECISIONS),
    help="Of the network, as of 'nst stylize'.",
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
def web(
    port: int,
    show: bool,
    folder: Path | None,
    memory: float | None,
    host: str,
    names: tuple[str, ...],
    base: str,
    proxies: Any,
    **options: str | int,
) -> None:
    """Serve a studio to a browser on this machine: pictures, sliders, a brush, and the result while it is painted.

    \b
    nst web --open
    """
    try:
        from nst.cli.web.serve import serve
    except ModuleNotFoundError as error:
        raise click.ClickException(f"the studio needs {error.name}: pip install 'nst[web]'") from error
    from nst.cli.web.guard import Access
    from nst.cli.web.painting import Setup
    from nst.models.store.cache import own_folder

    setup = Setup(**options, memory=None if memory is None else round(memory * 1e9))  # type: ignore[arg-type]
    place = folder or own_folder("studio", "data")
    serve(setup, place, port, show, Access(host, names, base, proxies))
