"""`nst show`: what a picture was made with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click


@click.command()
@click.argument("picture", type=click.Path())
@click.option("--all", "everything", is_flag=True, help="Every setting, also those that are as always.")
@click.option("--json", "as_json", is_flag=True, help="The metadata as they are, as JSON.")
def show(picture: str, everything: bool, as_json: bool) -> None:
    """Print the command that makes PICTURE of nst, and the settings that it was made with."""
    from nst.cli.console import harmless
    from nst.cli.like import absent, again, command_of, read_picture_settings
    from nst.pictures.writing import read_settings

    document = read_picture_settings(picture)
    if as_json:
        click.echo(json.dumps(read_settings(picture), indent=1))
        return
    command = command_of(document, picture, again(document, picture))
    lines = [] if command is None else [command, ""]
    missing = [
        f"{name} is neither in this folder nor beside {picture}" for _, name in absent(document, picture)
    ]
    lines += [*missing, ""] if missing else []
    lines += [f"{name.replace('_', ' '):17} {text}" for name, text in _rows(document, everything).items()]
    click.echo(harmless("\n".join(lines)))


def _rows(document: Mapping[str, Any], everything: bool) -> dict[str, str]:
    """Text by name: what differs from the defaults, or all of it."""
    from nst.cli.options import as_typed
    from nst.description import settings_in
    from nst.settings import Settings

    plain, own = Settings().as_dict(), settings_in(document).as_dict()
    found, weights, command = document["settings"], document["weights"], document["command"]
    rows = {
        name: value
        for name, value in found.items()
        if everything or name not in plain or own[name] != plain[name]
    }
    rows |= {name: value for name, value in command.items() if name != "name"}
    rows["step"] = document.get("step")
    rows["weights"] = f"{weights.get('name')} (SHA-256 {str(weights.get('sha256'))[:16]}...)"
    rows["versions"] = ", ".join(f"{name} {number}" for name, number in document.get("versions", {}).items())
    shown = {name: value for name, value in rows.items() if value is not None and value not in ([], {}, "")}
    masks = {"masks": ",".join(f"{name}={path}" for name, path in (found.get("masks") or {}).items())}
    return {
        name: masks[name]
        if name in masks
        else str(as_typed(tuple(value) if isinstance(value, list) else value))
        for name, value in shown.items()
    }
