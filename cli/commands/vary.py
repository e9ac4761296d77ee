"""`nst vary`: one picture in many ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nst.cli.options import (
    PAINTING,
    SectionedCommand,
    engine_options,
    folder_option,
    label_options,
    mask_options,
    option_name,
    preset_option,
)

if TYPE_CHECKING:
    from nst.settings import Metadata
    from nst.transfer import StyleTransfer

BASE = {"backend": "auto", "device": "auto", "weights": "auto", "size": 256, "steps": 60}
"""What a run has unless the user says otherwise: small and quick."""

FULL = 1024
"""Longest side in pixels of a picture at full size, unless the photograph is smaller."""

VARIED = {"style_strength": "0.3,0.5,0.7", "style_scale": "0.5,1", "color": "none,lab"}


def _varied(setting: str, text: str) -> Callable[..., Any]:
    """The option for the values of a setting."""
    default = VARIED[setting]
    return click.option(option_name(setting), default=default, show_default=True, metavar="LIST", help=text)


@click.command(
    cls=SectionedCommand,
    context_settings={"default_map": {"size": BASE["size"], "steps": str(BASE["steps"])}},
)
@click.argument("content", type=click.Path())
@click.argument("style", type=click.Path(), nargs=-1, required=True)
@folder_option
@_varied("style_strength", "Of the style, 0 to 1; makes the columns.")
@_varied("style_scale", "Size of the style pictures as multiples of the result's: of the strokes.")
@_varied("color", "Ways to keep the content's colours; none, lab, yuv share one optimisation.")
@click.option(
    "--blends/--no-blends",
    default=True,
    show_default=True,
    help="Of several styles: blends in equal parts beside each alone.",
)
@click.option(
    "--full-size",
    type=click.IntRange(1, 65536),
    metavar="N",
    help=f"Longest side that the commands in the page ask for.  [default: the photograph's, {FULL} at most]",
)
@click.option(
    "--full-steps",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    metavar="N",
    help="Steps that they ask for.",
)
@click.option("--plan", is_flag=True, help="Tell how many runs it takes and how long, and do nothing.")
@preset_option
@engine_options(*PAINTING, without=("style_weights", *VARIED))
@mask_options
@label_options
@click.pass_context
def vary(
    ctx: click.Context,
    /,
    content: str,
    style: tuple[str, ...],
    output: str,
    blends: bool,
    full_size: int | None,
    full_steps: int,
    plan: bool,
    quiet: bool,
    offline: bool,
    metadata: Metadata,
    dpi: float | None,
    **options: Any,
) -> int:
    """Paint CONTENT in the style of STYLE with every strength, size of strokes and colour that is asked for.

    Writes a labelled sheet, vary.png, and a page, vary.html, with a slider between any two pictures and under each the
    command that makes it at full size. The page is there at once and fills as they come. Several styles are an axis
    too. Runs that are in the folder already are not done again.

    \b
    nst vary photo.jpg painting.jpg -o sheet
    nst vary photo.jpg monet.jpg klimt.jpg -o sheet --style-strength 0.5 --color none,lab,yuv
    """
    from nst.cli.engine import begin

    begin(content, quiet)
    from nst.cli.experiments.catalogue import Experiment
    from nst.cli.experiments.grid import given_settings, make_grid, with_base
    from nst.cli.experiments.report import write_file, write_files
    from nst.cli.experiments.runs import Done, RunContext, run_cells
    from nst.cli.experiments.sheet import inputs_of, sheet_of
    from nst.cli.experiments.variations import axes, full_command, write_page
    from nst.cli.options import masks_by_name
    from nst.cli.running import save_found
    from nst.description import Labels
    from nst.errors import ImageError

    varied = axes({name: str(options.pop(name)) for name in VARIED}, style, blends)
    masks = masks_by_name(options)
    own = {name: value for name, value in options.items() if name not in ("mask", "protect")}
    given = {name: value for name, value in given_settings(ctx, own).items() if name not in varied}
    table = with_base(
        make_grid(Experiment("variations"), varied, given | ({"masks": masks} if masks else {}), len(style)),
        BASE,
    )
    if not plan:
        try:
            Path(output).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImageError(f"cannot make the folder {output}: {error.strerror}") from error
    context = RunContext(Path(output), content, style, offline, quiet, Labels(metadata, dpi))

    def announce(transfers: Sequence[StyleTransfer]) -> bool:
        if transfers and not plan:
            save_found(transfers[0], masks, str(Path(output) / "vary.png"))
        if plan or not quiet:
            click.echo(_announced(len(table.cells), transfers), err=not plan)
        return not plan

    inputs = {} if plan else inputs_of([content, *style], table.cells)
    title = f"{Path(content).name} in the style of {', '.join(Path(one).name for one in style)}"
    shown: list[Done] | None = None

    def page_of(done: Sequence[Done], filling: bool = False) -> str:
        longest = full_size or min(FULL, _longest(content))
        commands = [full_command(one, longest, full_steps) for one in done]
        return write_page(title, table, done, inputs, commands, filling)

    def fill(done: list[Done], filling: bool = True) -> None:
        nonlocal shown
        shown = done
        write_file(Path(output) / "vary.html", page_of(done, filling).encode())

    try:
        done = run_cells(context, table.cells, (), quiet, announce, fill)
    finally:  # whatever has ended it, nothing more comes
        if shown is not None:
            fill(shown, filling=False)
    if plan:
        return 0
    missing = len(table.cells) - len(done)
    if done:
        files = write_files(
            *(Path(output), "vary", sheet_of(title, table, done, list(inputs.values())), page_of(done))
        )
        if not quiet:
            pictures = _count(len(table.cells), "picture")
            click.echo(f"{files}: {len(done)} of {pictures}{'; interrupted' if missing else ''}")
    return 130 if missing else 0


def _announced(pictures: int, transfers: Sequence[StyleTransfer]) -> str:
    """How much there is to do. A few steps of small versions are run, for the time."""
    from nst.control import duration_text
    from nst.forecast import forecast

    runs = len(transfers)
    if not runs:
        return f"{_count(pictures, 'picture')}, nothing to be painted"
    seconds = forecast(transfers[0]).total * runs
    return f"{_count(pictures, 'picture')} from {_count(runs, 'run')}, about {duration_text(seconds)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _longest(content: str) -> int:
    from nst.pictures.opening import open_file, open_picture

    with open_file(content) as file:
        return max(open_picture(file, content).size)
