"""`nst presets`: the recipes, and what each of them sets."""

from __future__ import annotations

from typing import Any

import click

from nst.cli.options import as_typed
from nst.presets import PRESETS

COLUMNS = ("style_loss", "optimizer", "steps", "scales", "size", "init", "pooling", "padding", "average")
"""Of the table; `nst presets NAME` shows the rest."""


@click.command()
@click.argument("name", required=False, type=click.Choice(list(PRESETS)))
def presets(name: str | None) -> None:
    """Show the recipes that --preset takes, or every value that NAME sets."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    if name is None:
        for column in ("preset", *(column.replace("_", " ") for column in COLUMNS)):
            table.add_column(column, no_wrap=True)
        for key in PRESETS:
            table.add_row(key, *(cell(key, column) for column in COLUMNS))
    else:
        recipe = PRESETS[name]
        click.echo(f"{name}: {recipe.summary}")
        table.show_header = False
        for key, value in recipe.settings.items():
            table.add_row(key, str(as_typed(value)))
        table.add_row("weights", recipe.network or "auto")
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 200  # a pipe has no width to fit into
    console.print(table)
    if name is None:
        click.echo("\n" + "\n".join(f"{key}: {recipe.summary}" for key, recipe in PRESETS.items()))
    elif PRESETS[name].note:
        click.echo(f"\n{PRESETS[name].note}")


def cell(name: str, setting: str) -> str:
    """What a preset sets, as one would type it; "-" for the engine's own default."""
    value: Any = PRESETS[name].settings.get(setting, "-")
    return str(as_typed(value))
