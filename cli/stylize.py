"""`nst stylize`: the main job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nst.transfer import StyleTransfer

__all__ = ["stylize"]

PAPER_STYLE = "conv1_1,conv2_1,conv3_1,conv4_1,conv5_1"


def _numbers(_: click.Context, __: click.Parameter, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(word) for word in text.replace(" ", ",").split(",") if word)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of numbers such as 0.7,0.3") from None


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that runs the optimisation."""
    options = [
        click.option(
            "--backend",
            default="auto",
            metavar="NAME",
            show_default=True,
            help="auto, torch, tf (tensorflow, keras), onnx, numpy, or an installed plug-in.",
        ),
        click.option(
            "--device",
            default="auto",
            metavar="DEVICE",
            show_default=True,
            help="auto, cpu, cuda, cuda:N or mps.",
        ),
        click.option(
            "--weights",
            default="auto",
            metavar="NAME|PATH",
            show_default=True,
            help="auto, embedded, random, a name from 'nst weights list', or a file.",
        ),
        click.option("--offline", is_flag=True, help="Never download weights (also: NST_OFFLINE=1)."),
        click.option(
            "--size", type=int, default=512, show_default=True, help="Longest side of the result in pixels."
        ),
        click.option("--steps", type=int, default=300, show_default=True, help="Steps of the optimiser."),
        click.option(
            "--optimizer",
            type=click.Choice(["lbfgs", "adam"]),
            default="lbfgs",
            show_default=True,
            help="L-BFGS as in the paper, or Adam.",
        ),
        click.option(
            "--init",
            default="content",
            metavar="content|noise|style|PATH",
            show_default=True,
            help="The picture to start from.",
        ),
        click.option(
            "--seed", type=int, default=0, show_default=True, help="Seed of the noise and of random weights."
        ),
        click.option(
            "--content-weight",
            type=float,
            help="Alpha, times the paper's content loss.  [default: balanced for the network]",
        ),
        click.option(
            "--style-weight",
            type=float,
            help="Beta, times the paper's style loss.  [default: balanced for the network]",
        ),
        click.option(
            "--tv-weight",
            type=float,
            default=0.0,
            show_default=True,
            help="Weight of the total variation (smoothness).",
        ),
        click.option(
            "--content-layers",
            multiple=True,
            default=["conv4_2"],
            show_default=True,
            metavar="LAYERS",
            help="Comma list; conv4_2=0.5 weights a layer.",
        ),
        click.option(
            "--style-layers",
            multiple=True,
            default=[PAPER_STYLE],
            show_default=True,
            metavar="LAYERS",
            help="Comma list; conv4_1=0.5 weights a layer.",
        ),
        click.option(
            "--style-weights",
            callback=_numbers,
            metavar="NUMBERS",
            help="Comma list, the share of each style picture.  [default: equal]",
        ),
        click.option(
            "--style-scale",
            type=float,
            default=1.0,
            show_default=True,
            help="Size of the style pictures as a multiple of --size.",
        ),
        click.option(
            "--pooling",
            type=click.Choice(["avg", "max"]),
            default="avg",
            show_default=True,
            help="Average as in the paper, or maximum.",
        ),
        click.option(
            "--trace",
            type=click.Path(dir_okay=False),
            help="Write settings, versions and the losses of every step to a JSON file.",
        ),
        click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("content", type=click.Path())
@click.argument("style", type=click.Path(), nargs=-1, required=True)
@click.option(
    "-o", "--output", required=True, type=click.Path(), help="The result: .png, .jpg, .webp or .tif."
)
@engine_options
def stylize(content: str, style: tuple[str, ...], output: str, **options: Any) -> int:
    r"""Paint CONTENT in the style of one or more STYLE pictures.

    \b
    nst stylize photo.jpg painting.jpg -o out.png
    nst stylize photo.jpg monet.jpg klimt.jpg --style-weights 0.7,0.3 -o out.png
    nst stylize photo.jpg painting.jpg -o out.png --init noise --content-weight 1 --style-weight 1e4
    """
    return run(content, style, output, **options)


def run(
    content: str,
    style: Sequence[str],
    output: str,
    *,
    trace: str | None = None,
    quiet: bool = False,
    offline: bool = False,
    **options: Any,
) -> int:
    """Set up, run and save; the exit status.

    Raises:
        NSTError: bad input, found before any work where that is possible.
    """
    from nst.cli._backend import load_backend
    from nst.cli._run import out_of_memory, run_transfer
    from nst.cli._trace import check_trace_path
    from nst.images import check_output
    from nst.models.resolve import resolve_weights
    from nst.transfer import StyleTransfer

    check_output(output)
    if trace is not None:
        check_trace_path(trace, output)

    def notify(message: str) -> None:
        if not quiet:
            click.echo(message, err=True)

    # functions, so that a mistake in the pictures or the settings does not wait for a framework or a download
    backend = partial(load_backend, options.pop("backend"), options.pop("device"))
    weights = partial(
        resolve_weights, options.pop("weights"), offline=offline, seed=options["seed"], notify=notify
    )
    try:
        transfer = StyleTransfer(content, list(style), backend=backend, weights=weights, **options)
    except MemoryError as error:
        raise out_of_memory(f"--size {options['size']}") from error
    check_output(output, transfer.size)
    paths = {"content": content, "styles": list(style), "init": options["init"]}
    outcome = run_transfer(transfer, paths, output, trace, quiet)
    if not quiet:
        click.echo(_summary(transfer, outcome, output), err=outcome.status != 0)
    return outcome.status


def _summary(transfer: StyleTransfer, outcome: Any, output: str) -> str:
    width, height = transfer.size
    first, last = outcome.first, outcome.last
    reason = {"converged": "; converged", "non-finite": "; stopped at a loss that is not finite"}
    ending = "; interrupted" if outcome.status == 130 else reason.get(outcome.stopped, "")
    return (
        f"{output}: {width}x{height}, {outcome.step} of {transfer.settings.steps} steps "
        f"in {outcome.seconds:.1f} s with {transfer.backend.name} on {transfer.backend.device}, "
        f"weights {transfer.weights.name}, "
        f"loss {first:.4g} -> {last:.4g}{ending}"
    )
