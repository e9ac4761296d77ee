"""From options to a `StyleTransfer`; backends are loaded without the chatter of their frameworks."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from nst.cli.options import masks_by_name, with_preset
from nst.errors import NSTError

if TYPE_CHECKING:
    from nst.protocol import Backend
    from nst.transfer import StyleTransfer

__all__ = ["engine_arguments", "load_backend", "make_transfer", "out_of_memory"]


def load_backend(name: str, device: str, precision: str | None = None) -> Backend[Any]:
    """A backend whose network computes in `precision` (or "auto"), silent unless it fails."""
    from nst.backends.autotune import backend_in

    with _quiet_stderr():
        return backend_in(name, device, precision)


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back what C++ libraries write to file descriptor 2; show it when something unforeseen is raised.

    TensorFlow logs to stderr at import before any setting of its own can stop it.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
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


def make_transfer(
    content: Any, style: Sequence[str], *, quiet: bool, preset: str | None = None, **options: Any
) -> StyleTransfer:
    """Set up, ready to be run.

    Raises:
        NSTError: bad input.
    """
    from nst.cli.notes import notes
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
    if given.get("tuned_for") and transfer.settings.tuned_for is None and not quiet:
        suits = f"the weights of {preset} suit a {given['tuned_for']} VGG19"
        click.echo(f"{suits}: carried over to {transfer.weights.name}", err=True)
    return transfer


def engine_arguments(
    *,
    quiet: bool,
    offline: bool = False,
    mask: Sequence[str] = (),
    protect: str | None = None,
    preset: str | None = None,
    memory: float | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The arguments of `StyleTransfer` from the options of the command line.

    Backend and weights become functions, so that a mistake in the pictures or the settings does not wait for a
    framework or a download.
    """
    from nst.cli.network import find_network

    given = with_preset(preset, options)
    backend, device, weights = (given.pop(name) for name in ("backend", "device", "weights"))
    return {
        **given,
        "backend": partial(load_backend, backend, device, given["precision"]),
        "weights": partial(find_network, weights, offline=offline, seed=given["seed"], quiet=quiet),
        "masks": masks_by_name({"mask": mask, "protect": protect}),
        "memory": None if memory is None else round(memory * 1e9),
    }


def out_of_memory(what: str, saved: str | None = None) -> NSTError:
    """The error for it, with the picture that was `saved`, if one was."""
    kept = f"; the picture so far is in {saved}" if saved else ""
    return NSTError(f"out of memory at {what}: use a smaller --size{kept}")
