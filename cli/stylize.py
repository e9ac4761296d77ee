"""`nst stylize`: the main job."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from nst.cli._frames import frame_options
from nst.cli._options import engine_options, mask_options, masks_by_name
from nst.cli._preset import preset_option, with_preset

if TYPE_CHECKING:
    from nst.transfer import StyleTransfer

__all__ = ["stylize"]


@click.command()
@click.argument("content", type=click.Path())
@click.argument("style", type=click.Path(), nargs=-1, required=True)
@click.option(
    "-o", "--output", required=True, type=click.Path(), help="The result: .png, .jpg, .webp or .tif."
)
@preset_option
@engine_options
@mask_options
@frame_options
def stylize(content: str, style: tuple[str, ...], output: str, **options: Any) -> int:
    """Paint CONTENT in the style of one or more STYLE pictures.

    \b
    nst stylize photo.jpg painting.jpg -o out.png
    nst stylize photo.jpg monet.jpg klimt.jpg --style-weights 0.7,0.3 -o out.png
    nst stylize photo.jpg painting.jpg -o out.png --init noise --content-weight 1 --style-weight 1e4
    """
    return run(content, style, output, **options)


def run(
    content: Any,
    style: Sequence[str],
    output: str,
    *,
    trace: str | None = None,
    quiet: bool = False,
    save_every: int | None = None,
    save_at: Sequence[int] = (),
    animate: str | None = None,
    **options: Any,
) -> int:
    """Set up, run and save; the exit status. Options are arguments of `StyleTransfer` beside those named here.

    Raises:
        NSTError: bad input, found before any work where that is possible.
    """
    from nst.cli._frames import Recorder, check_frames
    from nst.cli._run import run_transfer
    from nst.cli._trace import check_trace_path
    from nst.images import check_output

    check_output(output)
    if trace is not None:
        check_trace_path(trace, output)
    check_frames(animate, output, trace)
    transfer = make_transfer(content, style, quiet=quiet, **options)
    check_output(output, transfer.size)
    paths = {
        "content": content if isinstance(content, str) else "",
        "styles": list(style),
        "masks": masks_by_name(options.get("mask", ())),
        "init": transfer.settings.init if transfer.settings.init != "picture" else options["init"],
    }
    frames = Recorder(transfer, paths, output, save_every, save_at, animate)
    outcome = run_transfer(transfer, paths, output, trace, quiet, frames.see)
    frames.finish()
    if not quiet:
        click.echo(_summary(transfer, outcome, output), err=outcome.status != 0)
    return outcome.status


def make_transfer(
    content: Any, style: Sequence[str], *, quiet: bool, preset: str | None = None, **options: Any
) -> StyleTransfer:
    """Set up, ready to be run.

    Raises:
        NSTError: bad input.
    """
    from nst.cli._run import out_of_memory
    from nst.transfer import StyleTransfer

    given = engine_arguments(quiet=quiet, preset=preset, **options)
    try:
        transfer = StyleTransfer(content, list(style), **given)
    except MemoryError as error:
        size = f"--size {given['size']}" if "size" in given else "that size"
        raise out_of_memory(size) from error
    if given.get("tuned_for") and transfer.settings.tuned_for is None and not quiet:
        suits = f"the weights of {preset} suit a {given['tuned_for']} VGG19"
        click.echo(f"{suits}: balanced for {transfer.weights.name}", err=True)
    return transfer


def engine_arguments(
    *,
    quiet: bool,
    offline: bool = False,
    mask: Sequence[str] = (),
    preset: str | None = None,
    memory: float | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The arguments of `StyleTransfer` from the options of the command line.

    Backend and weights become functions, so that a mistake in the pictures or the settings does not wait for a
    framework or a download.
    """
    from nst.cli._backend import load_backend
    from nst.cli._network import find_network

    given = with_preset(preset, options)
    backend, device, weights = (given.pop(name) for name in ("backend", "device", "weights"))
    return {
        **given,
        "backend": partial(load_backend, backend, device, given["precision"]),
        "weights": partial(find_network, weights, offline=offline, seed=given["seed"], quiet=quiet),
        "masks": masks_by_name(mask),
        "memory": None if memory is None else round(memory * 1e9),
    }


def _summary(transfer: StyleTransfer, outcome: Any, output: str) -> str:
    width, height = transfer.size
    first, last = outcome.first, outcome.last
    reason = {"converged": "; converged", "non-finite": "; stopped at a loss that is not finite"}
    ending = "; interrupted" if outcome.status == 130 else reason.get(outcome.stopped, "")
    return (
        f"{output}: {width}x{height}, {outcome.step} of {outcome.steps} steps "
        f"in {outcome.seconds:.1f} s with {transfer.backend.name} on {transfer.backend.device}, "
        f"weights {transfer.weights.name}, "
        f"loss {first:.4g} -> {last:.4g}{ending}"
    )
