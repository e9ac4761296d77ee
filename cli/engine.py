"""From options to a `StyleTransfer`: backend and network, and the plan of its run as lines for people.

Backends are loaded without the chatter of their frameworks, networks with a bar while it takes long.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import IO, TYPE_CHECKING, Any

import click

from nst.children import add_working_folder
from nst.cli.console import harmless
from nst.cli.options import masks_by_name, with_preset
from nst.control import duration_text, is_watched, progress_bar
from nst.errors import NSTError

if TYPE_CHECKING:
    from nst.models.weights import NetworkWeights
    from nst.protocol import Backend
    from nst.transfer import StyleTransfer


def begin(content: str, quiet: bool) -> None:
    """Say at once, where somebody looks, that something is going on: reading and setting up may take seconds."""
    if not quiet and is_watched():
        click.echo(f"reading {harmless(content)}", err=True)


def load_backend(name: str, device: str, precision: str | None = None) -> Backend[Any]:
    """See `get_backend`, silent unless it fails."""
    from nst.backends import get_backend

    add_working_folder(name)
    tell_of_numpy(name)
    with _quiet_stderr():
        return get_backend(name, device, precision=precision)


def tell_of_numpy(name: str) -> None:
    """Say what is quicker, where "auto" has found nothing but numpy."""
    from nst.backends.registry import choose_backend, how_to_install

    if name == "auto" and choose_backend() == "numpy":
        install = how_to_install("onnx")
        logging.getLogger("nst").warning("numpy is slow: ONNX Runtime is 20 MB away, by %s", install)


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back what C++ libraries write to file descriptor 2; show it when something unforeseen is raised.

    TensorFlow logs to stderr at import before any setting of its own can stop it.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with _held() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except NSTError:
            raise
        except BaseException:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _held() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError:  # nothing can be written but the folder of the results
        return open(os.devnull, "r+b")  # closed by who asks


def make_transfer(
    content: Any, style: Sequence[str], *, quiet: bool, preset: str | None = None, **options: Any
) -> StyleTransfer:
    """Set up, ready to be run; NSTError for bad input."""
    from nst.cli.console import notes
    from nst.transfer import StyleTransfer

    given = engine_arguments(quiet=quiet, preset=preset, **options)
    try:
        transfer = StyleTransfer(content, list(style), **given)
    except MemoryError as error:
        size = f"--size {given['size']}" if "size" in given else "that size"
        raise out_of_memory(size) from error
    if not quiet:
        for line in notes(content, style):
            click.echo(f"nst: {line}", err=True)
    return transfer


def library_arguments(
    *,
    mask: Sequence[str] = (),
    protect: str | None = None,
    preset: str | None = None,
    memory: float | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The arguments of `StyleTransfer` from the options of the command line, as plain data."""
    return {
        **with_preset(preset, options),
        "masks": masks_by_name({"mask": mask, "protect": protect}),
        "memory": None if memory is None else round(memory * 1e9),
    }


def engine_arguments(
    *,
    quiet: bool,
    offline: bool = False,
    ray: str | None = None,
    ray_workers: int | None = None,
    **options: Any,
) -> dict[str, Any]:
    """`library_arguments` for this process.

    Backend and weights become functions, so that a mistake in the pictures or the settings does not wait for a
    framework or a download.
    """
    from nst.workers import Devices

    given = library_arguments(**options)
    backend, device, weights = (given.pop(name) for name in ("backend", "device", "weights"))
    devices = Devices(tuple(device.split(",")), ray, ray_workers)
    return {
        **given,
        "backend": partial(load_backend, backend, devices.first),
        "device": devices,
        "weights": partial(find_network, weights, offline=offline, seed=given["seed"], quiet=quiet),
    }


def out_of_memory(what: str, saved: str | None = None) -> NSTError:
    """The error for it, with the picture that was `saved`, if one was."""
    kept = f"; the picture so far is in {saved}" if saved else ""
    return NSTError(f"out of memory at {what}: use a smaller --size{kept}")


def find_network(spec: str, *, offline: bool, seed: int, quiet: bool) -> NetworkWeights:
    """`resolve_weights`, with its lines and its progress on stderr unless `quiet`."""
    from nst.models.store.resolve import resolve_weights

    def notify(line: str) -> None:
        if not quiet:
            click.echo(harmless(line), err=True)

    with network_bar(spec, quiet) as progress:
        return resolve_weights(spec, offline=offline, seed=seed, notify=notify, progress=progress)


@contextmanager
def network_bar(name: str, quiet: bool = False) -> Iterator[Callable[[int, int | None], None]]:
    """A function of (done, in all) that moves a bar: bytes of a download."""
    with progress_bar(quiet, "bytes") as show:
        yield lambda done, total: show(done, total, name)


def exported_arguments(options: Mapping[str, Any], quiet: bool) -> dict[str, Any]:
    """The options with the network as a function; of a preset, what an exported file can have."""
    from nst.export.step import EXPORTED

    given = dict(options)
    name, offline, weights = given.pop("preset"), given.pop("offline"), given.pop("weights")
    recipe = {key: value for key, value in with_preset(name, given).items() if key in EXPORTED}
    network = partial(find_network, weights, offline=offline, seed=given["seed"], quiet=quiet)
    return {**recipe, **given, "weights": network}


MIB = 2**20


def plan_rows(transfer: StyleTransfer, long_side: int | None = None) -> list[tuple[str, str]]:
    """What is planned, by name; of a poster with its long side. A few steps of small versions are run, for the time."""
    from nst.engine.pyramid import schedule_text
    from nst.forecast import POSTER, forecast

    chosen, future = transfer.plan, forecast(transfer)
    width, height = transfer.size
    among = f", shared out among {chosen.workers} workers" if chosen.workers > 1 else ""
    told, long_side = duration_text(future.poster), long_side or max(width, height)
    quicker = f"about {told} as nst poster --size {POSTER} --long-side {long_side}"
    free = "unknown" if chosen.free is None else size_text(chosen.free)
    kinds = [backend.precision for backend in transfer.backends]
    lower = [("precision", ", ".join(kinds))] if {*kinds} != {transfer.backend.dtype} else []
    return [
        ("size", f"{width}x{height} pixels, {transfer.backend.name} on {transfer.backend.device}"),
        ("scales", schedule_text(transfer.schedule)),
        *lower,
        (
            "windows",
            f"{chosen.side} px, computing {future.overlap:.2f} times the pixels{among}"
            if chosen.side
            else "none",
        ),
        (
            "L-BFGS history",
            f"{chosen.history} pairs{' in float16' if chosen.half else ''}, {size_text(chosen.history_bytes)}",
        ),
        ("peak memory", f"{size_text(chosen.peak)} of {free} that are free"),
        ("time", f"about {duration_text(future.total)}, {future.step:.2f} s for a step at the full size"),
        *([("or", quicker)] if future.total >= LONG and max(width, height) > POSTER else []),
    ]


LONG = 3600.0
"""Seconds of a run from which on a plan says what would take less."""


def size_text(count: int) -> str:
    """Bytes for people."""
    return f"{count / MIB:.0f} MB" if count < 10_000 * MIB else f"{count / MIB / 1024:.1f} GB"
