"""`nst experiment`: the paper's experiments, and grids of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nst.cli.options import PAINTING, engine_options, folder_option, label_options

if TYPE_CHECKING:
    from nst.cli.experiments.catalogue import Experiment, SweepValue
    from nst.settings import Metadata

BASE = {"backend": "auto", "device": "auto", "weights": "auto", "size": 256, "steps": 150}
"""What a run has if neither the experiment nor the user says otherwise."""

MORE_STYLES = ("glass.jpg", "waves.jpg", "shipwreck.jpg")
"""Without pictures of the user's, the two of `nst demo` and, for experiments of more than one style, these."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def experiment() -> None:
    """Run the paper's experiments; write a labelled contact sheet and a report.

    \b
    nst experiment list
    nst experiment run start -o results
    nst experiment run alpha-beta photo.jpg painting.jpg -o results --size 384
    nst experiment run grid -o results --grid pooling=avg,max --grid style_layers=conv1_1,conv1_1+conv4_1
    """


@experiment.command("list")
def list_() -> None:
    """Show every experiment: its name, how many runs it makes, what it compares."""
    from nst.cli.experiments.catalogue import EXPERIMENTS, simplex

    for name, one in EXPERIMENTS.items():
        count = len(simplex(one.styles)) if one.blend else max(1, len(one.rows)) * max(1, len(one.columns))
        click.echo(f"{name:16} {count:3} runs  {one.summary}")


@experiment.command(
    "run", context_settings={"default_map": {"size": BASE["size"], "steps": str(BASE["steps"])}}
)
@click.argument("name")
@click.argument("pictures", metavar="[CONTENT STYLE...]", nargs=-1, type=click.Path())
@folder_option
@click.option(
    "--grid",
    multiple=True,
    metavar="KEY=V1,V2",
    help="Sweep any option; a list has plus signs: conv1_1+conv2_1.",
)
@engine_options(*PAINTING)
@label_options
@click.pass_context
def run(
    ctx: click.Context,
    /,
    name: str,
    pictures: tuple[str, ...],
    output: str,
    grid: tuple[str, ...],
    quiet: bool,
    offline: bool,
    metadata: Metadata,
    dpi: float | None,
    **options: Any,
) -> int:
    """Run the experiment NAME on CONTENT and STYLE, or on those of 'nst demo'.

    Runs that are in the folder already are not computed again, so an interrupted experiment goes on from
    there. Writes NAME.png, NAME.html and, for each run, a picture and a trace in cells/.
    """
    from nst.cli.experiments.grid import given_settings, make_grid, parse_sweeps, with_base
    from nst.cli.experiments.report import write_files, write_report
    from nst.cli.experiments.runs import RunContext, run_cells
    from nst.cli.experiments.sheet import inputs_of, sheet_of
    from nst.description import Labels

    chosen = _experiment(name)
    given = given_settings(ctx, options)
    sweeps = parse_sweeps(grid)
    content, styles = _pictures(pictures, chosen, Path(output))
    table = with_base(make_grid(chosen, sweeps, given, len(styles)), BASE)

    context = RunContext(Path(output), content, styles, offline, quiet, Labels(metadata, dpi))
    done = run_cells(context, table.cells, chosen.judges, quiet)
    missing = len(table.cells) - len(done)
    if done:
        inputs = inputs_of([content, *styles], table.cells)
        title = f"{name}: {chosen.summary}"
        sheet = sheet_of(title, table, done, list(inputs.values()), captions=chosen.blend)
        page = write_report(name, chosen.summary, done, inputs, missing)
        files = write_files(Path(output), name, sheet, page)
        if not quiet:
            click.echo(f"{files}: {len(done)} of {len(table.cells)} runs{'; interrupted' if missing else ''}")
    return 130 if missing else 0


def _experiment(name: str) -> Experiment:
    """The experiment, without the networks that are not on this machine; SettingsError if there is none of the name."""
    from nst.cli.experiments.catalogue import EXPERIMENTS
    from nst.errors import SettingsError
    from nst.models.store import cache
    from nst.models.store.catalogue import CATALOGUE

    if name not in EXPERIMENTS:
        raise SettingsError(f"no experiment called {name!r}: choose from {', '.join(EXPERIMENTS)}")

    def here(weights: str) -> bool:
        return weights not in CATALOGUE or cache.is_cached(weights)

    def possible(axis: Sequence[SweepValue]) -> list[SweepValue]:
        return [value for value in axis if here(value.settings.get("weights", "auto"))]

    chosen = EXPERIMENTS[name]
    return replace(
        chosen,
        rows=possible(chosen.rows),
        columns=possible(chosen.columns),
        judges=[judge for judge in chosen.judges if here(judge)],
    )


def _pictures(paths: Sequence[str], chosen: Experiment, folder: Path) -> tuple[str, list[str]]:
    """Paths of the content and the style pictures; without any, those of `nst demo`, and more that are in the package.

    SettingsError: not as many styles as the experiment takes.
    """
    from nst.errors import ImageError, SettingsError, told_as
    from nst.samples import PAINTING, PHOTOGRAPH, copy_sample

    least, most = (2, chosen.most) if chosen.blend else (1, chosen.most)
    if paths:
        styles = list(paths[1:])
        if len(styles) < least or (most is not None and len(styles) > most):
            wanted = f"{least} to {most}" if most else f"{least} or more"
            raise SettingsError(f"{len(styles)} style picture(s) after the content picture: give {wanted}")
        return paths[0], styles
    with told_as(ImageError, f"cannot write into {folder}", "choose another --output"):
        names = (PHOTOGRAPH, PAINTING, *MORE_STYLES[: chosen.styles - 1])
        content, *found = (copy_sample(name, folder / "pictures") for name in names)
    return str(content), [str(path) for path in found]
