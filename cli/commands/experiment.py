"""`nst experiment`: the paper's experiments, and grids of one's own."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nst.cli.options import PAINTING, engine_options

if TYPE_CHECKING:
    from PIL import Image

    from nst.cli.experiments.catalogue import Experiment, Value
    from nst.cli.experiments.grid import Grid
    from nst.cli.experiments.runs import Done

__all__ = ["experiment"]

BASE = {"backend": "auto", "device": "auto", "weights": "auto", "size": 256, "steps": 150}
"""What a run has if neither the experiment nor the user says otherwise."""

SHOWN = 1024
"""Longest side in pixels of a picture of the user's, as a sheet or report needs it."""

DRAWN = ("Voronoi cells", "Turing pattern", "flow lines")
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
@click.option(
    "-o", "--output", required=True, type=click.Path(file_okay=False), help="Folder for everything it makes."
)
@click.option(
    "--grid",
    multiple=True,
    metavar="KEY=V1,V2",
    help="Sweep any option; a list has plus signs: conv1_1+conv2_1.",
)
@engine_options(*PAINTING)
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
    **options: Any,
) -> int:
    """Run the experiment NAME on CONTENT and STYLE, or on those of 'nst demo'.

    Runs that are in the folder already are not computed again, so an interrupted experiment goes on from
    there. Writes NAME.png, NAME.html and, for each run, a picture and a trace in cells/.
    """
    from nst.cli.experiments.grid import make_grid, parse_sweeps, plain, recipe
    from nst.cli.experiments.runs import Workshop, run_cells

    chosen = _experiment(name)
    source = click.core.ParameterSource.COMMANDLINE
    given = {key: plain(value) for key, value in options.items() if ctx.get_parameter_source(key) is source}
    if "preset" in given:
        given = recipe(given.pop("preset"), **given)
    sweeps = parse_sweeps(grid)
    content, styles = _pictures(pictures, chosen, Path(output))
    table = make_grid(chosen, sweeps, given, len(styles))
    table = replace(table, cells=tuple(_with_base(cell) for cell in table.cells))

    workshop = Workshop(Path(output), content, styles, offline, quiet)
    done = run_cells(workshop, table.cells, chosen.judges, quiet)
    missing = len(table.cells) - len(done)
    if done:
        files = _write(Path(output), name, chosen, table, done, [content, *styles])
        if not quiet:
            click.echo(f"{files}: {len(done)} of {len(table.cells)} runs{'; interrupted' if missing else ''}")
    return 130 if missing else 0


def _experiment(name: str) -> Experiment:
    """The experiment, without the networks that are not on this machine.

    Raises:
        SettingsError: no such experiment.
    """
    from nst.cli.experiments.catalogue import EXPERIMENTS
    from nst.errors import SettingsError
    from nst.models.store import cache
    from nst.models.store.catalogue import CATALOGUE

    if name not in EXPERIMENTS:
        raise SettingsError(f"no experiment called {name!r}: choose from {', '.join(EXPERIMENTS)}")

    def here(weights: str) -> bool:
        return weights not in CATALOGUE or CATALOGUE[weights].built or cache.is_cached(weights)

    def possible(axis: Sequence[Value]) -> list[Value]:
        return [value for value in axis if here(value.settings.get("weights", "auto"))]

    chosen = EXPERIMENTS[name]
    return replace(
        chosen,
        rows=possible(chosen.rows),
        columns=possible(chosen.columns),
        judges=[judge for judge in chosen.judges if here(judge)],
    )


def _with_base(cell: Any) -> Any:
    return replace(cell, settings={**BASE, **cell.settings})


def _pictures(paths: Sequence[str], chosen: Experiment, folder: Path) -> tuple[str, list[str]]:
    """Paths of the content and the style pictures; without any, those of `nst demo`, and more styles drawn.

    Raises:
        SettingsError: not as many styles as the experiment takes.
    """
    from nst.cli.samples import PAINTING, PHOTOGRAPH, copy_sample
    from nst.errors import ImageError, SettingsError
    from nst.files import write_atomically
    from nst.models.procedural.pictures import procedural_picture
    from nst.pictures.picture import Picture
    from nst.pictures.writing import to_pil

    least, most = (2, chosen.most) if chosen.blend else (1, chosen.most)
    if paths:
        styles = list(paths[1:])
        if len(styles) < least or (most is not None and len(styles) > most):
            wanted = f"{least} to {most}" if most else f"{least} or more"
            raise SettingsError(f"{len(styles)} style picture(s) after the content picture: give {wanted}")
        return paths[0], styles
    try:
        content, *found = (copy_sample(name, folder / "pictures") for name in (PHOTOGRAPH, PAINTING))
        for style in DRAWN[: chosen.styles - 1]:
            path = folder / "pictures" / f"{style.replace(' ', '-')}.png"
            if not path.is_file():
                write_atomically(path, _png(to_pil(Picture(procedural_picture(style, 384, (9999, 3))))))
            found.append(path)
    except OSError as error:
        raise ImageError(f"cannot write into {folder}: {error.strerror}; choose another --output") from error
    return str(content), [str(path) for path in found]


def _write(
    folder: Path, name: str, chosen: Experiment, table: Grid, done: Sequence[Done], inputs: Sequence[str]
) -> str:
    """The contact sheet and the report; their names, for people."""
    from PIL import Image

    from nst.cli.experiments.report import write_report
    from nst.cli.experiments.sheet import Tile, contact_sheet
    from nst.errors import ImageError
    from nst.files import write_atomically
    from nst.pictures.reading import read_picture
    from nst.pictures.writing import to_pil
    from nst.words import MAX_PIXELS

    tiles = []
    for one in done:
        with Image.open(one.picture) as file:
            tiles.append(
                Tile(
                    one.cell.row, one.cell.column, file.convert("RGB"), one.cell.label if chosen.blend else ""
                )
            )
    most = max(one.cell.settings.get("max_pixels", MAX_PIXELS) for one in done)
    images = {Path(path).name: to_pil(read_picture(path, SHOWN, most)) for path in inputs}
    sheet = contact_sheet(
        tiles, table.rows, table.columns, f"{name}: {chosen.summary}", list(images.values())
    )
    page = write_report(name, chosen.summary, done, images, len(table.cells) - len(done))
    for path, data in (folder / f"{name}.png", _png(sheet)), (folder / f"{name}.html", page.encode()):
        try:
            write_atomically(path, data)
        except OSError as error:
            raise ImageError(
                f"cannot write {path}: {error.strerror}; free some space and run it again, the runs are kept"
            ) from error
    return f"{folder / name}.png and .html"


def _png(image: Image.Image) -> bytes:
    """The file, in memory, so that it can be written whole or not at all."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
