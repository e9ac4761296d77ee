"""The options of the commands that run the optimisation, and their help pages in sections.

Options of the settings are built from the fields of `nst.settings.Settings`: a command asks for the groups that it
wants. The others are arguments of `nst.StyleTransfer`, or concern the terminal.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from itertools import count
from pathlib import Path
from typing import Any

import click

from nst.errors import SettingsError
from nst.presets import PRESETS, preset
from nst.settings import METADATA, Rule, Settings, rule_of

Command = Callable[..., Any]

PAINTING = ("size", "run", "losses", "content", "style", "both", "start")
"""The groups of settings for a content picture in the style of others."""


class SettingOption(click.Option):
    """An option whose help page shows the range of its field, and what it stands for when it is left open."""

    def __init__(self, *arguments: Any, rule: Rule, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.rule, self.help = rule, rule.help

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """With one name, though there may be others."""
        names, self.opts = self.opts, self.opts[:1]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = names

    def get_help_extra(self, ctx: click.Context) -> Any:
        """What stands in brackets."""
        extra = super().get_help_extra(ctx)
        if self.rule.none:
            extra.setdefault("default", self.rule.none)
        if self.rule.limits:
            extra["range"] = self.rule.limits
        return extra


class _Number(click.types.FloatParamType):
    """A number, which may be typed as 70%."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click."""
        text = str(value).strip()
        return click.FLOAT(text.removesuffix("%"), param, ctx) / (100 if text.endswith("%") else 1)


class _Recipe(click.Choice[str]):
    """The presets; the best one has the name of what it is for."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click."""
        return super().convert("quality" if value == "best" else value, param, ctx)


ALSO = {"style_strength": ("--strength",)}  # further names of options, by setting


def _all(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """One decorator for several, in this order on the help page."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _option(name: str, text: str, default: str, metavar: str) -> Any:
    """An option that shows its default."""
    return click.option(name, default=default, show_default=True, help=text, metavar=metavar)


def engine_options(*settings: str, without: Collection[str] = ()) -> Callable[[Command], Command]:
    """Backend, network and memory; the settings of some groups, but for some; silence."""
    return _all(
        _option(
            "--backend",
            "auto, torch, tf (tensorflow, keras), onnx, numpy, a plug-in, or package.module:Class.",
            "auto",
            "NAME",
        ),
        _option(
            "--device",
            "auto, cpu, cuda, cuda:N or mps; several, as in cuda:0,cuda:1, share out the windows of a large picture.",
            "auto",
            "DEVICE[,...]",
        ),
        click.option(
            "--ray",
            is_flag=False,
            flag_value="auto",
            metavar="[ADDRESS]",
            is_eager=True,
            callback=address,
            help="Share out the windows among actors on a Ray cluster: auto, local, host:port or ray://host:port.",
        ),
        click.option(
            "--ray-workers",
            type=click.IntRange(min=1),
            metavar="N",
            help="Actors.  [default: one a GPU, or a machine]",
        ),
        network_options,
        click.option(
            "--memory", type=float, metavar="GB", help="Memory to stay within.  [default: what is free]"
        ),
        setting_options(*settings, without=without),
        quiet_option,
    )


def setting_options(*wanted: str, without: Collection[str] = ()) -> Callable[[Command], Command]:
    """The options of settings: groups of fields of `Settings`, or single fields, in the order of the help page."""
    options = []
    for word in wanted:
        found = [
            declared for declared in fields(Settings) if word in (declared.name, rule_of(declared).group)
        ]
        assert found, word
        options += [_setting(declared) for declared in found if declared.name not in without]
    return _all(*options)


def exported_options(*more: str, without: Collection[str] = ()) -> Callable[[Command], Command]:
    """The options of the settings that an exported step has, and of more groups or fields."""
    step = [
        declared.name
        for declared in fields(Settings)
        if rule_of(declared).exported and rule_of(declared).group not in ("", *more)
    ]
    return setting_options(*step, *more, without=without)


def option_name(setting: str) -> str:
    """--style-loss for style_loss."""
    return f"--{setting.replace('_', '-')}"


def default_of(declared: Field[Any]) -> Any:
    """What the option of a setting is unless given, as one would type it; None where it is left open."""
    if declared.default_factory is not MISSING:
        return ",".join(declared.default_factory())  # layers, all of one weight
    return declared.default


def _setting(declared: Field[Any]) -> Callable[[Command], Command]:
    """The option of one field."""
    rule, default = rule_of(declared), default_of(declared)
    more: dict[str, Any] = {"default": default, "show_default": True, "metavar": rule.metavar or None}
    if rule.kind == "flag":
        more = {"is_flag": True}
    elif rule.kind == "layers":
        more |= {"multiple": True, "default": [default]}
    elif rule.read is not None:
        more |= {"type": str, "callback": _reader(rule)}
    elif rule.kind == "word" and rule.metavar:  # of one's own beside the words: a path
        more["metavar"] = "|".join((*rule.words, rule.metavar))
    elif rule.kind == "word":
        more["type"] = click.Choice(rule.words)
    else:
        more["type"] = int if rule.kind == "integer" else _Number()
    names = option_name(declared.name), *ALSO.get(declared.name, ())
    return click.option(*names, cls=SettingOption, rule=rule, **more)


def _reader(rule: Rule) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """For values that click cannot read by itself: lists, and numbers or words."""
    assert rule.read is not None
    read = rule.read

    def callback(_: click.Context, __: click.Parameter, text: Any) -> Any:
        try:
            return None if text is None else read(str(text))
        except ValueError:
            raise click.BadParameter(f"{text!r} is not {rule.want}{_pixels_meant(str(text))}") from None

    return callback


def _pixels_meant(text: str) -> str:
    """What may be meant by 4k and 512x384."""
    if found := re.fullmatch(r"(\d{1,2})k", text.lower()):
        return f": write {960 * int(found[1])}, or see nst poster"
    if found := re.fullmatch(r"(\d+)x(\d+)", text.lower()):
        return f": write the longest side, {max(int(found[1]), int(found[2]))}"
    return ""


def _read_steps(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, ...]:
    words = [] if text is None else text.replace(",", " ").split()
    if text is not None and (not words or not all(word.isdecimal() for word in words)):
        raise click.BadParameter(f"{text!r} is not a list of steps such as 10,50,100")
    return tuple(sorted({int(word) for word in words}))


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


def address(_: click.Context, __: click.Parameter, typed: str | None) -> str | None:
    """An address of a cluster: the word behind --ray is one, whatever it was meant to be."""
    if typed is not None and os.path.exists(typed):
        raise click.BadParameter(f"{typed} is a file: put --ray last, or write --ray=ADDRESS")
    return typed


quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")

output_option = click.option(
    "-o",
    "--output",
    type=click.Path(),
    help="The result: .png, .jpg, .webp or .tif.  [default: a new .png beside the first picture]",
)

folder_option = click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(file_okay=False),
    help="Folder for everything it makes.",
)

trace_option = click.option(
    "--trace",
    type=click.Path(dir_okay=False),
    help="Write settings, versions and the losses of every step to a JSON file.",
)

checkpoint_options = _all(
    click.option(
        "--checkpoint",
        type=click.Path(dir_okay=False),
        metavar="FILE|off",
        help="Save the run here as it goes on, for 'nst resume FILE'; removed when it is finished.  "
        "[default: OUT.checkpoint, of runs of more than five minutes]",
    ),
    click.option(
        "--checkpoint-every",
        type=click.FloatRange(min=0),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="Time between two of them; 0 for every step.",
    ),
)

frame_options = _all(
    click.option(
        "--save-every",
        type=click.IntRange(min=1),
        metavar="N",
        help="Save every N-th step too, as OUT with its number.",
    ),
    click.option(
        "--save-at", metavar="STEPS", callback=_read_steps, help="Save these steps too, e.g. 10,50,100."
    ),
    click.option(
        "--animate",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="The run as .gif, .webp or .mp4.",
    ),
)

label_options = _all(
    click.option(
        "--metadata",
        type=click.Choice(METADATA),
        default="settings",
        show_default=True,
        help="In the file of the result: settings with the names of your files; all: with their folders; none. "
        "Author and copyright of the photograph are kept, a place never is.",
    ),
    click.option(
        "--dpi",
        type=click.FloatRange(1, 65535),
        metavar="N",
        help="Dots per inch, for printing.  [default: as in the photograph]",
    ),
)

preset_option = click.option(
    "--preset",
    type=_Recipe(list(PRESETS)),
    is_eager=True,
    callback=_take,
    help="A recipe for all other options; those that are given win. See 'nst presets'.",
)

network_options = _all(
    _option(
        "--weights",
        "auto (the trained VGG19), embedded, random, a name from 'nst weights list', or a file.",
        "auto",
        "NAME|PATH",
    ),
    click.option("--offline", is_flag=True, help="Never download weights (also: NST_OFFLINE=1)."),
)

mask_options = _all(
    click.option(
        "--mask",
        multiple=True,
        metavar="WHAT=PICTURE[:COLOR]",
        help="style1=mask.png: the white part gets the first style; style1=map.png:red: the red areas of a map of "
        "colors. style1-source: the part of the style picture that counts. protect: as --protect. content: weight of "
        "the content loss.",
    ),
    click.option(
        "--protect",
        metavar="face|subject|FILE",
        help="Where the photograph stays: heads (pip install 'nst[protect]'), what the picture is of (pip install "
        "'rembg[cpu]'), or the white of a mask picture. What is found is saved as OUT.protect.png.",
    ),
    setting_options("masks"),
)
"""Where styles and content act."""

painting_options = _all(
    preset_option,
    engine_options(*PAINTING),
    mask_options,
    trace_option,
    checkpoint_options,
    label_options,
)
"""What the commands that paint a content picture in the style of others have in common."""


def free_name(picture: str, *words: str) -> str:
    """photo-painting.png beside photo.jpg, or photo-painting-2.png where that is there: nothing is overwritten.

    ImageError: there is no such picture.
    """
    from nst.pictures.opening import open_file

    with open_file(picture):
        pass
    stem = "-".join([Path(picture).stem, *(Path(word).stem for word in words)])
    names = (f"{stem}{f'-{number}' if number > 1 else ''}.png" for number in count(1))
    return next(str(path) for name in names if not os.path.lexists(path := Path(picture).with_name(name)))


def masks_by_name(options: Mapping[str, Any]) -> dict[str, str | tuple[str, str]]:
    """The values of --mask ("style1=mask.png", "style2=map.png:red") and --protect, as `StyleTransfer` takes them.

    SettingsError: a word without a picture, a name that comes twice, or a color that does not exist.
    """
    masks: dict[str, str | tuple[str, str]] = {}
    typed = options.get("protect")
    if (
        typed is not None
        and typed not in PROTECTED
        and not os.path.splitext(typed)[1]
        and not os.path.exists(typed)
    ):
        raise SettingsError(f"--protect {typed}: give face, subject or a mask picture")
    for word in options.get("mask", ()):
        name, equals, path = word.partition("=")
        if not equals or not path or name in masks:
            raise SettingsError(f"--mask {word}: give each name once, with a picture: style1=mask.png")
        masks[name] = _with_color(path)
    protect = options.get("protect")
    if protect is None:
        return masks
    if "protect" in masks:
        raise SettingsError("--protect and --mask protect=... are the same: give one of them")
    return {**masks, "protect": _with_color(protect)}


PROTECTED = ("face", "subject")


def _with_color(typed: str) -> str | tuple[str, str]:
    """A path, or a path and a color; a colon may also be part of a file's name."""
    from nst.pictures.masks import color_named

    path, colon, color = typed.rpartition(":")
    if not colon or os.path.exists(typed) or not os.path.exists(path):
        return typed
    color_named(color)
    return path, color


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
    if isinstance(value, tuple):  # a single number has a comma behind it, as in Python
        single = len(value) == 1 and not isinstance(value[0], str)
        return ",".join(map(str, value)) + ("," if single else "")
    return value


FIRST = "Most used"

SECTIONS: Mapping[str, Sequence[str]] = {
    FIRST: (
        *("output", "preset", "size", "steps", "style_strength", "style_scale", "color", "protect"),
        *("backend", "device"),
    ),
    "Content and style": (
        *("content_layers", "content_weight", "style_layers", "style_weight", "style_weights", "style_loss"),
        *("balance", "tv_weight", "smoothing"),
    ),
    "Where and how it looks": ("mask", "feather", "color_strength", "color_when", "padding"),
    "Start": (),
    "Optimisation": (),
    "Network and machine": (
        *("weights", "offline", "pooling", "precision", "memory", "tile", "max_pixels", "ray", "ray_workers"),
    ),
    "What is kept": (
        *("metadata", "dpi", "save_every", "save_at", "animate", "trace", "checkpoint", "checkpoint_every"),
        *("quiet", "help", "help_all"),
    ),
}
"""Section -> parameters of the commands that paint, in the order of the page.

Those that are not listed follow: settings in the section of their group, a command's own ones in the first."""

SECTION_OF: Mapping[str, str] = {
    **dict.fromkeys(("content", "style", "losses"), "Content and style"),
    **dict.fromkeys(("both", "masks"), "Where and how it looks"),
    "start": "Start",
    "run": "Optimisation",
    "size": FIRST,
}
"""Section of the settings of a group."""


EVERYTHING = "nst.everything"  # in `Context.meta`: the help page is to have every option


def _show_all(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        ctx.meta[EVERYTHING] = True
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


class SectionedCommand(click.Command):
    """A command with many options, whose help page has them in sections."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        shown = click.Option(
            ["--help-all"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_all,
            help="Show every option and exit.",
        )
        self.params.append(shown)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options that are needed first, or with --help-all every one, by section."""
        sections = list(self.option_sections(ctx))
        rest = sum(len(rows) for _, rows in sections[1:])
        for title, rows in sections if ctx.meta.get(EVERYTHING) else sections[:1]:
            with formatter.section(title):
                formatter.write_dl(rows)
        if not ctx.meta.get(EVERYTHING):
            formatter.write_paragraph()
            formatter.write_text(f"{rest} more: {ctx.command_path} --help-all")

    def option_sections(self, ctx: click.Context) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """(title, rows of option and help) for each section that has any."""
        records = {
            _name(parameter): record
            for parameter in self.get_params(ctx)
            if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx)) is not None
        }
        groups = {declared.name: rule_of(declared).group for declared in fields(Settings)}
        listed = {name for names in SECTIONS.values() for name in names}
        sections = {
            name: SECTION_OF.get(groups.get(name, ""), FIRST) for name in records if name not in listed
        }
        for title, names in SECTIONS.items():
            rows = [records[name] for name in names if name in records]
            rows += [records[name] for name, own in sections.items() if own == title]
            if rows:
                yield title, rows


def _name(option: click.Option) -> str:
    """style_weight; click calls its own --help otherwise."""
    return max(option.opts, key=len).lstrip("-").replace("-", "_")


def meant(word: str, words: Sequence[str]) -> str:
    """A question for the end of a message, or nothing."""
    from difflib import get_close_matches

    found = get_close_matches(word, words, n=2)
    return f": did you mean {' or '.join(found)}?" if found else ""
