"""The settings in a picture's metadata: run again (`--like`), and shown as the command that makes it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import click
from click.core import ParameterSource

from nst.cli.options import PAINTING, as_typed, option_name
from nst.documents import require
from nst.errors import ImageError, NSTError
from nst.settings import Settings, make_settings, rule_of

__all__ = ["command_of", "like_option", "read_picture_settings", "settings_of", "typed", "with_like"]

_FORM = {
    "settings": {
        "content": str,
        "styles": [str],
        "init": str,
        "backend": str,
        "device": str,
        "optimizer": str,
        "precision?": (str, None),
        "masks?": ({str: str}, None),
    },
    "versions?": {str: str},
    "weights?": {"name?": str, "sha256?": str, "from?": str},
    "step?": int,
}
"""What the metadata of a picture must be; see `nst.documents`. The settings are checked by `nst.settings`."""

OURS = ("max_pixels",)
"""Settings that are bounds against strangers' files: they come from the person and from no picture."""

TYPED_PRECISIONS = {"bfloat16": "bf16", "float16": "fp16"}
"""As they are typed; float32 is every backend's own."""


def like_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--like; the command gets the metadata."""
    option = click.option(
        "--like",
        type=click.Path(dir_okay=False),
        is_eager=True,
        callback=_take,
        metavar="PICTURE",
        help="The settings and pictures that PICTURE of nst was made with; those that are given win.",
    )
    return option(command)


def _take(context: click.Context, _: click.Parameter, path: str | None) -> dict[str, Any] | None:
    """Put what the picture says behind the options; it is read first, whatever the order on the command line."""
    if path is None:
        return None
    document = read_picture_settings(path)
    context.default_map = {**(context.default_map or {}), **typed(document)}
    return document


def read_picture_settings(path: str) -> dict[str, Any]:
    """The metadata of a picture that `nst stylize` or one of its kin has written.

    Raises:
        ImageError: there are none.
    """
    from nst.backends.selection import parse_device
    from nst.pictures.writing import read_settings

    document = read_settings(path)
    try:
        require(document, _FORM)
        found = document["settings"]
        if ":" in found["backend"]:  # package.module:Class: no file may say what is imported
            raise ValueError("its backend is code")
        parse_device(found["device"])  # one of this machine
        for name in (found["content"], *found["styles"], found["init"], *(found.get("masks") or {}).values()):
            if "\0" in name or name.startswith(
                ("\\\\", "//")
            ):  # of another machine, where Windows would log in
                raise ValueError("a picture's name is not one of a file here")
        settings_of(document)
    except (ValueError, NSTError) as error:
        raise ImageError(f"{path} carries no settings of a run of nst ({error})") from error
    return document


def settings_of(document: Mapping[str, Any]) -> Settings:
    """The settings in the metadata, checked.

    Raises:
        SettingsError: values that they cannot have.
    """
    found, names = document["settings"], {declared.name for declared in fields(Settings)}
    given = {name: value for name, value in found.items() if name in names}
    own = given["init"] not in _words("init")
    precision = TYPED_PRECISIONS.get(given.get("precision") or "")
    given |= {name: getattr(Settings(), name) for name in OURS}
    return make_settings(**{**given, "init": "picture" if own else given["init"], "precision": precision})


def typed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the options that differ from their defaults, as one would type them, by parameter name.

    The content picture, an argument, is among them.
    """
    settings, found, plain = settings_of(document), document["settings"], Settings()
    values: dict[str, Any] = {}
    for declared in fields(Settings):
        name, value = declared.name, getattr(settings, declared.name)
        if rule_of(declared).group not in (*PAINTING, "masks") or value == getattr(plain, name):
            continue
        if name in ("content_layers", "style_layers"):
            values[name] = [_layers(value)]
        else:
            values[name] = value if isinstance(value, bool) else str(as_typed(value))
    if settings.init == "picture":
        values["init"] = found["init"]
    if found["content"]:
        values["content"] = found["content"]
    values["backend"], values["device"] = found["backend"], found["device"]
    if document.get("weights", {}).get("from"):
        values["weights"] = document["weights"]["from"]
    for name, path in (found.get("masks") or {}).items():
        if name == "protect":
            values["protect"] = path
        else:
            values.setdefault("mask", []).append(f"{name}={path}")
    return values


def with_like(
    like: Mapping[str, Any] | None, style: tuple[str, ...], options: Mapping[str, Any]
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """STYLE and the options with what `--like` adds to what click has put behind them.

    Raises:
        click.UsageError: no style picture, or another recipe beside it.
    """
    if like is None:
        found = dict(options)
    elif options["preset"] is not None:
        raise click.UsageError("--preset and --like are two recipes: give one of them")
    else:
        context = click.get_current_context()
        if context.get_parameter_source("weights") is ParameterSource.DEFAULT_MAP:
            from nst.models.store.resolve import require_here

            require_here(options["weights"])  # no picture starts a download
        style = style or tuple(like["settings"]["styles"])  # click gives defaults to single arguments alone
        found = {**_library_alone(like), **options}
    if not style:
        raise click.UsageError("Missing argument 'STYLE...'.")
    return style, found


def _library_alone(document: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that no option has, where they differ from their defaults."""
    settings, plain = settings_of(document), Settings()
    return {
        declared.name: getattr(settings, declared.name)
        for declared in fields(Settings)
        if not rule_of(declared).group and getattr(settings, declared.name) != getattr(plain, declared.name)
    }


def command_of(
    document: Mapping[str, Any], picture: str, output: str = "out.png", **changes: Any
) -> str | None:
    """The command that makes such a picture, for a shell; None where `nst stylize` does not make it.

    Args:
        document: the metadata.
        picture: that it stands in, for settings that cannot be typed.
        output: the picture that the command writes.
        changes: settings that are to be others.
    """
    found = {**document["settings"], **changes}
    document = {**document, "settings": found}
    if not found["content"] or not found["styles"] or found["optimizer"] == "custom":
        return None
    if _library_alone(document):
        words = ["nst", "stylize", "--like", picture, "-o", output]
        return shlex.join([*words, *(word for name in changes for word in _option(name, changes[name]))])
    pictures = [_as_file(name) for name in (found["content"], *found["styles"])]
    words = ["nst", "stylize", *pictures, "-o", output]
    options = typed(document)
    del options["content"]  # it stands above
    return shlex.join([*words, *(word for name in options for word in _option(name, options[name]))])


def _as_file(name: str) -> str:
    """A name that the command line takes for nothing else."""
    return f"./{name}" if name.startswith("-") else name


def _option(name: str, value: Any) -> list[str]:
    """As one would type it; a list is several of them."""
    return [
        word
        for one in (value if isinstance(value, list) else [value])
        for word in ([option_name(name)] if one is True else [option_name(name), str(one)])
    ]


def _layers(weights: Mapping[str, float]) -> str:
    """So that reading it gives the same weights bit for bit."""
    if all(weight == 1.0 / len(weights) for weight in weights.values()):
        return ",".join(weights)
    return ",".join(f"{layer}={weight!r}" for layer, weight in weights.items())


def _words(name: str) -> tuple[Any, ...]:
    return rule_of(Settings.__dataclass_fields__[name]).words
