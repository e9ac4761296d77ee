"""Variations of one picture: what is varied, and a page to compare them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from PIL import Image

from nst.cli.experiments.catalogue import SweepValue
from nst.cli.experiments.grid import Grid, sweep
from nst.cli.experiments.report import embedded, template
from nst.cli.experiments.runs import Done
from nst.cli.like import command_of
from nst.cli.options import option_name
from nst.engine.weighting import balance_of
from nst.errors import SettingsError
from nst.pictures.picture import fit_longest_side
from nst.settings import BALANCE

PICTURE = 640  # longest side in the page


def axes(typed: Mapping[str, str], styles: Sequence[str], blends: bool) -> dict[str, list[SweepValue]]:
    """What is varied, by setting: the first makes columns, the others rows.

    Several style pictures make an axis: each alone, then, with `blends`, equal parts of any two and of all.
    SettingsError: no such value, or one that comes twice.
    """
    found = {name: sweep(name, text, option_name(name)) for name, text in typed.items()}
    if len(styles) > 1:
        first, *rest = found
        found = {first: found[first], "style_weights": _blends(styles, blends), **{n: found[n] for n in rest}}
    for name, values in found.items():
        labels = [value.label for value in values]
        if len(set(labels)) < len(labels):
            raise SettingsError(f"{option_name(name)}: a value comes twice")
    return found


def _blends(styles: Sequence[str], blends: bool) -> list[SweepValue]:
    count = len(styles)
    parts: list[tuple[int, ...]] = [(number,) for number in range(count)]
    if blends:
        parts += combinations(range(count), 2)
        parts += [tuple(range(count))] if count > 2 else []
    stems = [Path(style).stem for style in styles]
    names = styles if len(set(stems)) < count else stems
    return [
        SweepValue(
            " + ".join(names[number] for number in part),
            {"style_weights": [float(number in part) for number in range(count)]},
        )
        for part in parts
    ]


def full_command(done: Done, size: int, steps: int) -> str | None:
    """The command that makes a small variation at full size (longest side in pixels) and steps, for a shell."""
    name = re.sub(r"[^\w.]+", "-", done.cell.label)
    changes = {"size": size, "steps": steps, "scales": "auto", **_strength(done)}
    return command_of(done.trace, str(done.picture), f"{name}.png", **changes)


def _strength(done: Done) -> dict[str, float]:
    """The strength as it was asked for, which a trace has as a balance; of a preset's weights they remain one."""
    strength, balance = done.cell.settings["style_strength"], done.cell.settings.get("balance", BALANCE)
    if not 0 < strength < 1 or done.trace["settings"]["balance"] != balance_of(strength, balance):
        return {}
    return {"style_strength": strength, "balance": balance}


def write_page(
    title: str,
    table: Grid,
    done: Sequence[Done],
    inputs: Mapping[str, Image.Image],
    commands: Sequence[str | None],
    filling: bool = False,
) -> str:
    """The whole page, with its pictures and its script; each of `done` with the command that makes it at full size.

    One that is `filling` loads itself anew every ten seconds.
    """
    places: dict[tuple[int, float], dict[str, Any]] = {}
    (photograph, content), *styles = inputs.items()
    size = fit_longest_side(*content.size, PICTURE)
    for number, (one, command) in enumerate(zip(done, commands, strict=True), start=1):
        with Image.open(one.picture) as file:
            size = fit_longest_side(*file.size, min(PICTURE, max(file.size)))
            image = embedded(file, one.cell.label, PICTURE)
        places[one.cell.row, one.cell.column] = {"number": number, "image": image, "command": command}
    columns = 1 + int(max(cell.column for cell in table.cells))
    page: str = template("vary.html.j2").render(
        title=title,
        photograph=embedded(content.resize(size, Image.Resampling.LANCZOS), photograph, PICTURE),
        styles=[embedded(image, name) for name, image in styles],
        columns=table.columns,
        rows=[
            (
                table.rows[row] if table.rows else "",
                [places.get((row, column)) for column in range(columns)],
            )
            for row in range(1 + max(cell.row for cell in table.cells))
        ],
        size=size,
        folder=Path.cwd().name,  # without the folders above, which may name a person
        missing=len(table.cells) - len(done),
        filling=filling,
    )
    return page
