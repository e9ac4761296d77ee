"""`--preset`: a recipe gives the other options their defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from nst.presets import PRESETS, preset

__all__ = ["as_typed", "preset_option", "with_preset"]

Command = Callable[..., Any]


def preset_option(command: Command) -> Command:
    """The option itself."""
    option = click.option(
        "--preset",
        type=click.Choice(list(PRESETS)),
        is_eager=True,
        callback=_take,
        help="A recipe for all other options; those that are given win. See 'nst presets'.",
    )
    return option(command)


def with_preset(name: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as `nst.StyleTransfer` takes them, with what a preset sets beyond the command line's options."""
    if name is None:
        return dict(options)
    recipe = PRESETS[name].settings
    changed = {
        key: options[key]
        for key in ("content_weight", "style_weight", "style_strength")
        if key in options and options[key] != recipe.get(key)
    }
    return {**preset(name, **changed), **options}


def as_typed(value: Any) -> Any:
    """A setting as one would type it: "1000,500,...", "conv1_1=0.2,conv2_1=0.2"."""
    if isinstance(value, Mapping):
        return ",".join(f"{key}={weight:.9g}" for key, weight in value.items())
    return ",".join(map(str, value)) if isinstance(value, tuple) else value


def _take(context: click.Context, _: click.Parameter, name: str | None) -> str | None:
    """Put the recipe behind the options; it is read first, whatever the order on the command line."""
    if name is None:
        return None
    typed = {key: as_typed(value) for key, value in preset(name).items()}
    for key in ("content_layers", "style_layers"):
        if key in typed:
            typed[key] = [typed[key]]
    context.default_map = {**(context.default_map or {}), **typed}
    return name
