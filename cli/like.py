"""The settings in a picture's metadata: run again (`--like`), and shown as the command that makes it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from nst.cli.options import PAINTING, as_typed, option_name
from nst.errors import ImageError, NSTError
from nst.settings import Settings, rule_of

COMMANDS: Mapping[str, tuple[Sequence[str], Mapping[str, Any]]] = {
    "stylize": ((), {}),
    "poster": (("long_side",), {}),
    "video": (("temporal_weight", "next_steps"), {}),
    "texture": (("size",), {"init": "noise", "style_scale": None}),
    "invert": (("layer",), {"init": "noise", "scales": 1}),
    "recolor": (("color", "color_strength", "content"), {}),
}
"""What a picture may say that it was made by -> options that are no settings, and what settings usually are there."""

ALL = ("metadata", "dpi", "save_at")
"""Such options of every command."""

NOTHING: Mapping[str, Any] = {}


def _take(context: click.Context, _: click.Parameter, path: str | None) -> dict[str, Any] | None:
    """Put what the picture says behind the options; it is read first, whatever the order on the command line."""
    if path is None:
        return None
    document = read_picture_settings(path)
    own, usual = COMMANDS.get(context.info_name or "", ((), NOTHING))
    found = {name: value for name, value in typed(document, usual).items() if name not in own}
    if document["command"].get("name") == context.info_name:
        found |= {name: document["command"][name] for name in own if name in document["command"]}
    context.default_map = {**(context.default_map or {}), **found}
    return {**document, "absent": absent(document, path)}


like_option = click.option(
    "--like",
    type=click.Path(dir_okay=False),
    is_eager=True,
    callback=_take,
    metavar="PICTURE",
    help="The settings and pictures that PICTURE of nst was made with; those that are given win.",
)


def read_picture_settings(path: str) -> dict[str, Any]:
    """The metadata of a picture that `nst stylize` or one of its kin has written.

    Files that are named without a folder are looked for in this one and beside the picture, see `absent`. ImageError:
    there are none.
    """
    from nst.backends.selection import parse_device
    from nst.description import read_description

    document = read_description(path)
    found = document["settings"]
    try:
        if ":" in found["backend"]:  # package.module:Class: no file may say what is imported
            raise ValueError("its backend is code")
        parse_device(found["device"])  # one of this machine
        for _, name in _files(document):
            if "\0" in name or name.startswith(ELSEWHERE):
                raise ValueError("a picture's name is not one of a file here")
    except (ValueError, NSTError) as error:
        raise ImageError(f"{path} carries no settings of a run of nst ({error})") from error
    return _nearby(document, path)


def _files(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The files that a document names, each after what one types it for."""
    found, command = document["settings"], document.get("command", NOTHING)
    named = [("CONTENT", found["content"]), *(("STYLE", style) for style in found["styles"])]
    named += [("--init", found["init"])] if found["init"] not in (*_words("init"), "picture") else []
    named += [("--mask", _mask_file(mask)) for mask in (found.get("masks") or {}).values()]
    weights = document.get("weights", NOTHING).get("from", "")
    named += [("--weights", weights)] if os.path.splitext(weights)[1] else []  # else a word
    named += [
        (typed, command[name])
        for name, typed in (("result", "RESULT"), ("content", "--content"))
        if isinstance(command.get(name), str)
    ]
    return [(typed, name) for typed, name in named if name and name not in FINDERS]


ELSEWHERE = ("\\\\", "//")
"""What a name on another machine begins with: even to ask whether it is there makes Windows log in."""

FINDERS = ("face", "subject")
"""Words of `nst.pictures.subjects`, which is slow to load."""


def _mask_file(mask: str) -> str:
    """The file of map.png:red; a colon may also be part of a file's name."""
    path, colon, _ = mask.rpartition(":")
    colored = colon and os.path.splitext(path)[1] and not mask.startswith(ELSEWHERE)
    return path if colored and not os.path.exists(mask) else mask


def _nearby(document: dict[str, Any], picture: str) -> dict[str, Any]:
    """A document whose files have the folder where they are."""
    folder = os.path.dirname(picture)
    places = {
        name: beside
        for _, name in _files(document)
        if not _is_here(name, picture) and _is_here(beside := os.path.join(folder, name), picture)
    }

    def place(name: Any) -> Any:
        if not isinstance(name, str):
            return name
        file = _mask_file(name)
        return places.get(file, file) + name[len(file) :]

    found = document["settings"]
    found = {
        **found,
        **{name: place(found[name]) for name in ("content", "init")},
        "styles": [place(style) for style in found["styles"]],
        "masks": {name: place(mask) for name, mask in (found.get("masks") or {}).items()},
    }
    command = {name: place(value) for name, value in document.get("command", {"name": "stylize"}).items()}
    weights = {name: place(value) for name, value in document.get("weights", NOTHING).items()}
    return {**document, "settings": found, "weights": weights, "command": command}


def _is_here(name: str, picture: str) -> bool:
    """Whether there is such a file, and another one than the picture that names it."""
    return os.path.exists(name) and not os.path.samefile(name, picture)


def absent(document: Mapping[str, Any], picture: str) -> list[tuple[str, str]]:
    """The files that a picture names and that are not here, each after what one types it for."""
    return [(typed, name) for typed, name in dict.fromkeys(_files(document)) if not _is_here(name, picture)]


def typed(document: Mapping[str, Any], usual: Mapping[str, Any] = NOTHING) -> dict[str, Any]:
    """The values of the options that differ from their defaults, as one would type them, by parameter name.

    The content picture, an argument, is among them; `usual` are values of a command that are not those of `Settings`.
    """
    from nst.description import settings_in

    settings, found = settings_in(document), document["settings"]
    plain = {**{one.name: getattr(Settings(), one.name) for one in fields(Settings)}, **usual}
    values: dict[str, Any] = {}
    for declared in fields(Settings):
        name, value = declared.name, getattr(settings, declared.name)
        if rule_of(declared).group not in (*PAINTING, "masks") or value == plain[name]:
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
    """STYLE, which no inversion has, and the options with what `--like` adds to what click has put behind them.

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
        for needed, name in like["absent"]:
            given = bool(style) if needed == "STYLE" else _is_given(context, needed)
            if not given and needed not in ("RESULT", "--content"):
                raise ImageError(f"{name}, {AGAIN}: give {needed}, or put it there")
        style = style or tuple(like["settings"]["styles"])  # click gives defaults to single arguments alone
        found = {**_untyped(like, _opts(context.command)), **options}
    if not style and "layer" not in options:
        raise click.UsageError("Missing argument 'STYLE...'.")
    return style, found


AGAIN = "which the picture of --like was made with, is neither in this folder nor beside it"


def _is_given(context: click.Context, needed: str) -> bool:
    """Whether somebody has typed what a picture names too."""
    names = {"CONTENT": ("content", "contents"), "--mask": ("mask", "protect")}
    return any(
        context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        for name in names.get(needed, (needed.lstrip("-"),))
    )


def _untyped(document: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """The settings but layers that none of a command's options has, where they differ from their defaults."""
    from nst.description import settings_in

    settings, plain = settings_in(document), Settings()
    return {
        declared.name: getattr(settings, declared.name)
        for declared in fields(Settings)
        if rule_of(declared).group in ("", "content", "style")
        and option_name(declared.name) not in {*known, "--content-layers", "--style-layers"}
        and getattr(settings, declared.name) != getattr(plain, declared.name)
    }


def command_of(
    document: Mapping[str, Any], picture: str, output: str = "out.png", **changes: Any
) -> str | None:
    """The command that makes a picture with this metadata, for a shell; None where none does.

    `picture` is where the metadata stands, for settings that cannot be typed; `changes` are settings that are to be
    others.
    """
    found, command = {**document["settings"], **changes}, document.get("command", {"name": "stylize"})
    document, name = {**document, "settings": found}, command.get("name")
    if name not in COMMANDS or found["optimizer"] == "custom":
        return None
    own, usual = COMMANDS[name]
    known = _options_of(name)
    pictures = {
        "texture": found["styles"],
        "invert": [found["content"]],
        "recolor": [command.get("result", "")],
    }.get(name, [found["content"], *(found["styles"] or [""])])
    chosen = {key: command[key] for key in (*own, *ALL) if key in command}
    if not pictures or not all(pictures):
        return None
    pictures = [_as_file(picture) for picture in pictures]
    if name == "recolor":
        options = chosen
    elif "--like" in known and _untyped(document, known):
        # files by the names that are known here, which need not be beside the picture
        files = {
            key: value for key, value in typed(document).items() if key in ("mask", "protect", "weights")
        }
        files |= {"init": found["init"]} if found["init"] not in (*_words("init"), "picture") else {}
        options = {"like": picture, **files, **changes, **chosen}
    else:
        options = typed(document, usual)
        options.pop("content", None)  # it stands above
        options |= chosen
    written = [word for key in options if option_name(key) in known for word in _option(key, options[key])]
    return shlex.join(["nst", name, *pictures, "-o", output, *written])


def again(document: Mapping[str, Any], picture: str) -> str:
    """A name for what a command of `command_of` writes: beside the picture, and not in its place."""
    path, command = Path(picture), document["command"]
    if command.get("name") == "video":
        return f"{path.parent}-again"
    stem = re.sub(r"-\d+$", "", path.stem) if "save_at" in command else path.stem
    return str(path.with_name(f"{stem}-again{path.suffix}"))


def _options_of(name: str) -> set[str]:
    """As one types them."""
    return _opts(getattr(import_module(f"nst.cli.commands.{name}"), name))


def _opts(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def _as_file(name: str) -> str:
    """A name that the command line takes for nothing else."""
    return f"./{name}" if name.startswith("-") else name


def _option(name: str, value: Any) -> list[str]:
    """As one would type it; a list is several of them."""
    return [
        word
        for one in (value if isinstance(value, list) else [value])
        for word in _words_of(option_name(name), one)
    ]


def _words_of(option: str, value: Any) -> list[str]:
    if value is True:
        return [option]
    return [f"{option}={value}"] if str(value).startswith("-") else [option, str(value)]


def _layers(weights: Mapping[str, float]) -> str:
    """So that reading it gives the same weights bit for bit."""
    if all(weight == 1.0 / len(weights) for weight in weights.values()):
        return ",".join(weights)
    return ",".join(f"{layer}={weight!r}" for layer, weight in weights.items())


def _words(name: str) -> tuple[Any, ...]:
    return rule_of(Settings.__dataclass_fields__[name]).words
