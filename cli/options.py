"""The options of the commands that run the optimisation, in groups.

Their names are the fields of `nst.settings.Settings` and the arguments of `nst.StyleTransfer`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from nst.errors import SettingsError
from nst.presets import PRESETS, preset

__all__ = [
    "as_typed",
    "engine_options",
    "leave_out",
    "loss_options",
    "mask_options",
    "masks_by_name",
    "preset_option",
    "run_options",
    "start_options",
    "with_preset",
]

Command = Callable[..., Any]
PAPER_STYLE = "conv1_1,conv2_1,conv3_1,conv4_1,conv5_1"
BALANCE = 30.0
COLORS = ["none", "luminance", "match-chol", "match-pca", "match-sym", "histogram", "lab", "yuv"]


def engine_options(command: Command) -> Command:
    """Every option but those of masks: where and how the optimisation runs, what it minimises, from where."""
    return run_options(loss_options(start_options(command)))


def leave_out(command: click.Command, *names: str) -> None:
    """Take options of the engine away from a command for which they mean nothing."""
    assert set(names) <= {option.name for option in command.params}
    command.params = [option for option in command.params if option.name not in names]


def run_options(command: Command) -> Command:
    """Backend, network, size, steps, output."""
    return _all(
        command,
        _option(
            "--backend", "auto, torch, tf (tensorflow, keras), onnx, numpy, or a plug-in.", "auto", "NAME"
        ),
        _option("--device", "auto, cpu, cuda, cuda:N or mps.", "auto", "DEVICE"),
        click.option(
            "--precision",
            type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
            help="Of the network; auto is the fastest.  [default: the backend's own]",
        ),
        _option(
            "--weights",
            "auto (the trained VGG19), embedded, random, a name from 'nst weights list', or a file.",
            "auto",
            "NAME|PATH",
        ),
        click.option("--offline", is_flag=True, help="Never download weights (also: NST_OFFLINE=1)."),
        _option("--size", "Longest side of the result in pixels.", 512, type=int),
        _option(
            "--scales",
            "Coarse to fine: auto, a number of sizes, or the sizes.",
            "auto",
            "LIST",
            callback=_scales,
        ),
        _option(
            "--steps",
            "Steps of the optimiser; a list gives each scale its own, '200,100,...' goes on with 100.",
            "300",
            "N",
            callback=_steps,
        ),
        _option("--optimizer", "L-BFGS as in the paper, or Adam.", "lbfgs", type=["lbfgs", "adam"]),
        _option("--rate", "Step size of Adam; the picture's range is 1.", 0.02, type=float),
        click.option(
            "--history", type=int, help="Pairs that L-BFGS keeps.  [default: 10, fewer if memory is short]"
        ),
        _option("--tile", "Compute in windows of that many pixels: auto, off, N.", "auto", callback=_tile),
        click.option(
            "--memory", type=float, metavar="GB", help="Memory to stay within.  [default: what is free]"
        ),
        _option("--average", "Decay of the average of the iterates; 0: the last one.", 0.0, type=float),
        click.option(
            "--trace",
            type=click.Path(dir_okay=False),
            help="Write settings, versions and the losses of every step to a JSON file.",
        ),
        click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors."),
    )


def loss_options(command: Command) -> Command:
    """Losses, layers and their weights; colours."""
    balanced = "  [default: balanced for the network]"
    layers: dict[str, Any] = {"multiple": True, "metavar": "LAYERS"}
    return _all(
        command,
        click.option(
            "--content-weight", type=float, help="Alpha, times the paper's content loss." + balanced
        ),
        click.option("--style-weight", type=float, help="Beta, times the paper's style loss." + balanced),
        click.option(
            "--style-strength",
            type=float,
            help="0 (no style) to 1 (no content), 0.5 being the balance as it is; in place of the two weights.",
        ),
        _option(
            "--balance",
            "Of style against content where their weights are left open.",
            BALANCE,
            type=click.FloatRange(min=0, min_open=True),
        ),
        _option("--tv-weight", "Weight of the total variation (smoothness).", 0.0, type=float),
        _option("--content-layers", "Comma list; conv4_2=0.5 weights a layer.", ["conv4_2"], **layers),
        _option("--style-layers", "Comma list; conv4_1=0.5 weights a layer.", [PAPER_STYLE], **layers),
        _option(
            "--style-loss",
            "What makes a style: Gram matrices as in the paper, or other statistics.",
            "gram",
            type=["gram", "moments", "covariance", "w2"],
        ),
        click.option("--smoothing", is_flag=True, help="Softmax of the features; helps untrained networks."),
        click.option(
            "--style-weights",
            callback=_numbers,
            metavar="NUMBERS",
            help="Comma list, the share of each style picture.  [default: equal]",
        ),
        _option("--style-scale", "Size of the style pictures as a multiple of --size.", 1.0, type=float),
        _option("--pooling", "Average as in the paper, or maximum.", "avg", type=["avg", "max"]),
        _option(
            "--padding",
            "How the picture goes on past its border.",
            "zero",
            type=["zero", "replicate", "circular"],
        ),
        _option("--color", "What becomes of the content's colours.", "none", type=COLORS),
        _option("--color-strength", "From 0 (not at all) to 1.", 1.0, type=float),
        click.option(
            "--color-when",
            type=click.Choice(["before", "after"]),
            help="Change the style before, or the result after.  [default: what suits --color]",
        ),
    )


def start_options(command: Command) -> Command:
    """Where the optimisation starts."""
    return _all(
        command,
        _option("--init", "The picture to start from.", "content", "content|noise|style|statistics|PATH"),
        _option("--init-noise", "Share of noise in a start from a picture, 0 to 1.", 0.0, type=float),
        _option("--seed", "Seed of the noise and of random weights.", 0, type=int),
    )


def mask_options(command: Command) -> Command:
    """Where styles and content act."""
    return _all(
        command,
        click.option(
            "--mask",
            multiple=True,
            metavar="WHAT=PICTURE",
            help="style1=mask.png: the white part gets the first style. style1-source: the part of the style "
            "picture that counts. protect: no style there. content: weight of the content loss.",
        ),
        _option("--feather", "Blur of the masks' edges in pixels.", 0.0, type=float),
    )


def masks_by_name(words: Sequence[str]) -> dict[str, str]:
    """The values of --mask: "style1=mask.png" and so on.

    Raises:
        SettingsError: a word without a picture, or a name that comes twice.
    """
    masks: dict[str, str] = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not equals or not path or name in masks:
            raise SettingsError(f"--mask {word}: give each name once, with a picture: style1=mask.png")
        masks[name] = path
    return masks


def _option(name: str, text: str, default: Any, metavar: str | None = None, **more: Any) -> Any:
    """An option that shows its default."""
    if isinstance(more.get("type"), list):
        more["type"] = click.Choice(more["type"])
    if metavar:
        more["metavar"] = metavar
    return click.option(name, default=default, show_default=True, help=text, **more)


def _all(command: Command, *options: Any) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def _numbers(_: click.Context, __: click.Parameter, text: str | None) -> tuple[float, ...] | None:
    return None if text is None else _parsed(text, float, "a list of numbers such as 0.7,0.3")


def _steps(_: click.Context, __: click.Parameter, text: str | int) -> int | tuple[int | str, ...]:
    words, rest = str(text).removesuffix(",..."), str(text).endswith(",...")
    counts = _parsed(words, int, "a number of steps, or a list such as 200,100,50")
    return (*counts, "...") if rest else counts[0] if len(counts) == 1 else counts


def _scales(_: click.Context, __: click.Parameter, text: str) -> str | int | tuple[int, ...]:
    if text == "auto":
        return text
    sizes = _parsed(text, int, "auto, a number of scales, or a list of sizes such as 128,256,512")
    return sizes[0] if len(sizes) == 1 else sizes


def _tile(_: click.Context, __: click.Parameter, text: str) -> str | int:
    if text in ("auto", "off"):
        return text
    return int(_parsed(text, int, "auto, off, or a number of pixels")[0])


def _parsed(text: str, kind: type, what: str) -> tuple[Any, ...]:
    try:
        values = tuple(kind(word) for word in text.replace(" ", ",").split(",") if word)
    except ValueError:
        values = ()
    if not values:
        raise click.BadParameter(f"{text!r} is not {what}")
    return values


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
