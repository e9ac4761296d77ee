"""`nst show`: what a picture was made with."""

from __future__ import annotations

import json

import click

__all__ = ["show"]


@click.command()
@click.argument("picture", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="The metadata as they are, as JSON.")
def show(picture: str, as_json: bool) -> None:
    """Print the settings that PICTURE of nst was made with, and the command that makes it."""
    from nst.cli.console import harmless
    from nst.cli.like import command_of, read_picture_settings
    from nst.cli.options import as_typed

    document = read_picture_settings(picture)
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return
    versions = ", ".join(f"{name} {version}" for name, version in document.get("versions", {}).items())
    weights = document.get("weights", {})
    rows = {
        **document["settings"],
        "step": document.get("step"),
        "weights": f"{weights.get('name')} (SHA-256 {str(weights.get('sha256'))[:16]}...)",
        "versions": versions,
    }
    for name, value in rows.items():
        if value is None or value in ([], {}):
            continue
        text = (
            _paths(value) if name == "masks" else as_typed(tuple(value) if isinstance(value, list) else value)
        )
        click.echo(harmless(f"{name.replace('_', ' '):17} {text}"))
    command = command_of(document, picture)
    if command is not None:
        click.echo(f"\n{harmless(command)}")


def _paths(masks: dict[str, str]) -> str:
    return ",".join(f"{name}={path}" for name, path in masks.items())
