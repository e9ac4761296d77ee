"""Every choice of a style transfer in one frozen value, checked when it is made.

Each choice is declared here and nowhere else: type, default, range, words and help in one field. See `nst.fields`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from nst import words
from nst.errors import SettingsError
from nst.fields import Rule, choice, declare, flag, integer, number, numbers, require_known, rule_of, some
from nst.models import vgg

__all__ = [
    "CONTENT_LAYERS",
    "STYLE_LAYERS",
    "Settings",
    "make_settings",
    "style_shares",
]

STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
"""The paper's style layers, w_l = 1/5 each (Gatys et al. 2016, section 3)."""

CONTENT_LAYERS = ("conv4_2",)
"""The paper's content layer."""

BALANCE = 30.0
"""Of the relative losses; chosen by looking at results of VGG19 and VGG16, see docs/networks.md."""

_SHARES = "a list of numbers, 0 or more, not all zero"
_WEIGHT = rule_of(number(1.0, at_least=0, help="Weight of a layer."))


def _layers(names: tuple[str, ...], **more: Any) -> Any:
    """w_l by layer, alike for `names`; the layers themselves are checked by `Settings`."""
    rule = Rule(
        "layers",
        want="layers with their weights",
        allows=lambda value: isinstance(value, Mapping),
        metavar="LAYERS",
        **more,
    )
    return declare(lambda: dict.fromkeys(names, 1.0 / len(names)), rule)


@dataclass(frozen=True)
class Settings:
    """How to transfer a style. The defaults are the paper's unless a line says otherwise.

    Weights that are left open (None) are worked out, so that the losses are relative, whatever the pictures and the
    network; see `nst.engine.weights`.

    Raises:
        SettingsError: a value outside its range, an unknown layer.

    Examples:
        >>> nst.Settings(style_strength=0.7, color="lab").style_strength
        0.7
        >>> nst.Settings(rate=-1.0)
        Traceback (most recent call last):
            ...
        nst.errors.SettingsError: ...
    """

    content_layers: Mapping[str, float] = _layers(
        CONTENT_LAYERS,
        group="content",
        help="Layers of the content loss, as a comma list; conv4_2=0.5 weights a layer.",
    )
    style_layers: Mapping[str, float] = _layers(
        STYLE_LAYERS,
        group="style",
        help="Layers of the style loss, as a comma list; conv4_1=0.5 weights a layer.",
    )
    content_weight: float | None = number(
        None, at_least=0, none="balanced", group="content", help="Alpha, times the paper's content loss."
    )
    style_weight: float | None = number(
        None, at_least=0, none="balanced", group="style", help="Beta, times the paper's style loss."
    )
    balance: float = number(
        BALANCE,
        above=0,
        group="losses",
        help="Weight of the style against the content where their own weights are left open.",
    )
    style_strength: float | None = number(
        None,
        at_least=0,
        at_most=1,
        none="unused",
        group="both",
        in_step=True,
        help="0 (no style) to 1 (no content), 0.5 being the balance as it is; in place of the two weights.",
    )
    style_power: float = number(
        0.0,
        at_least=-4,
        at_most=4,
        help="Power of N_l by which E_l is multiplied; -2 with w_l = 4 is the mean square that many programs take.",
    )
    means: tuple[words.Mean, ...] = some(
        (),
        words.MEANS,
        help="Losses that are means of squares instead of sums: over N_l M_l numbers without the paper's 1/2 "
        "(content), or over 3 H W (tv).",
    )
    tuned_for: words.NetworkKind | None = choice(
        None,
        words.NETWORK_KINDS,
        none="any",
        help="Kind of network (see `nst.engine.weights.kind_of`) that the weights of the losses suit; on any other "
        "they are balanced, as if not given.",
    )
    style_loss: words.StyleLossName = choice(
        "gram",
        words.STYLE_LOSSES,
        group="style",
        help="Statistics of the features that make a style: Gram matrices as in the paper, means and standard "
        "deviations, covariances, or the Wasserstein-2 distance.",
    )
    smoothing: bool = flag(
        False,
        group="losses",
        in_step=False,  # its temperatures belong to one style
        help="Softmax of the features before any loss; helps untrained networks.",
    )
    tv_weight: float = number(
        0.0, at_least=0, group="losses", help="Gamma, times the total variation (smoothness)."
    )
    tv_power: Literal[1, 2] = choice(2, (1, 2), help="Power of the differences in the total variation.")
    style_weights: tuple[float, ...] | None = numbers(
        None,
        float,
        at_least=0,
        want=_SHARES,
        one=False,
        none="equal",
        metavar="NUMBERS",
        group="style",
        in_step=False,
        help="Share of each style picture, as a comma list.",
    )
    style_scale: float = number(
        1.0,
        above=0,
        at_most=16,
        group="both",
        help="Longest side of the style pictures as a multiple of the result's.",
    )
    pooling: vgg.Pooling = choice(
        "avg",
        get_args(vgg.Pooling),
        group="losses",
        help="Average as in the paper, or maximum as VGG19 was trained.",
    )
    optimizer: words.OptimizerName | Literal["custom"] = choice(
        "lbfgs", words.OPTIMIZERS, own="custom", group="run", help="L-BFGS as in the paper, or Adam."
    )
    rate: float = number(
        0.02, above=0, group="run", in_step=True, help="Step size of Adam; the picture's range is 1."
    )
    history: int | None = integer(
        None,
        at_least=1,
        none="10 or fewer as memory allows",
        group="run",
        help="Pairs that L-BFGS remembers; each costs two pictures of memory.",
    )
    steps: int | tuple[int | Literal["..."], ...] = numbers(
        300,
        int,
        at_least=0,
        rest=True,
        want="a number of steps, 0 or more, or a list such as 200,100,50",
        metavar="N",
        group="run",
        help="Steps of the optimiser, shared out over the scales; a list gives each scale its own, and "
        "'200,100,...' goes on with 100.",
    )
    scales: Literal["auto"] | int | tuple[int, ...] = numbers(
        "auto",
        int,
        at_least=1,
        words=("auto",),
        want="auto, a number of scales, or a list of sizes such as 128,256,512",
        metavar="LIST",
        group="run",
        help="Sizes that the optimisation goes through, coarse to fine: auto, a number of them, or the longest side "
        "of each in pixels.",
    )
    size: Literal["content"] | int = numbers(
        512,
        int,
        at_least=1,
        at_most=65536,
        words=("content",),
        many=False,
        metavar="N|content",
        group="size",
        help="Longest side of the result in pixels, or the content picture's own size.",
    )
    max_pixels: int = integer(
        words.MAX_PIXELS,
        at_least=1,
        at_most=2**40,
        group="run",
        help="Pixels of a picture file that may be held, at four bytes each; a third where it is not reduced.",
    )
    init: words.StartName | Literal["picture"] = choice(
        "content",
        words.STARTS,
        own="picture",
        metavar="PATH",
        group="start",
        help="Start of the optimisation: the content picture, noise (as in the paper), the style picture, noise with "
        "the statistics of its colours, or a picture of your own.",
    )
    init_noise: float = number(
        0.0, at_least=0, at_most=1, group="start", help="Share of noise in a start from a picture."
    )
    seed: int = integer(
        0,
        at_least=0,
        at_most=2**64 - 1,
        group="start",
        in_step=True,
        help="Seed of the noise and of random weights.",
    )
    padding: words.Padding = choice(
        "zero",
        words.PADDINGS,
        group="losses",
        help="Continuation of the picture past its border: zeros as VGG19 was trained, its edge (no frame), or its "
        "other side (a texture without seams).",
    )
    feather: float = number(
        0.0,
        at_least=0,
        group="masks",
        help="Blur of the masks' edges: standard deviation in pixels of the result.",
    )
    color: words.ColorMode = choice(
        "none",
        words.COLORS,
        group="both",
        help="Way to keep the content's colours; none takes those of the style.",
    )
    color_strength: float = number(
        1.0, at_least=0, at_most=1, group="both", help="Strength of the change of colours."
    )
    color_when: words.ColorTime | None = choice(
        None,
        words.COLOR_TIMES,
        none="what suits the mode",
        group="both",
        help="Change the colours of the style before, or those of the result after.",
    )
    average: float = number(
        0.0,
        at_least=0,
        below=1,
        group="run",
        help="Decay of the average over the iterates that is the result; 0 takes the last iterate.",
    )
    tile: Literal["auto", "off"] | int = numbers(
        "auto",
        int,
        at_least=1,
        words=("auto", "off"),
        many=False,
        want="auto, off, or a number of pixels",
        group="run",
        help="Side in pixels of the windows that the picture is computed in; auto, or off for the whole at once.",
    )
    precision: words.Precision | None = choice(
        None,
        words.PRECISIONS,
        none="the backend's own",
        group="run",
        help="Precision of the network alone; auto takes the fastest.",
    )

    def __post_init__(self) -> None:
        for declared in fields(self):
            rule_of(declared).require(_in_words(declared.name), getattr(self, declared.name))
        for name in ("content_layers", "style_layers"):
            weights = getattr(self, name)
            vgg.validate_layers(weights)
            for layer, weight in weights.items():
                _WEIGHT.require(f"weight of {layer}", weight)
            if weights and sum(weights.values()) == 0:
                raise SettingsError(f"{_in_words(name)} is {dict(weights)!r}: it must be not all zero")
        if self.style_weights is not None and not 0 < sum(self.style_weights) < math.inf:
            raise SettingsError(f"style weights is {self.style_weights!r}: it must be {_SHARES}")
        if not (self.uses_content or self.uses_style):
            raise SettingsError("no loss takes part: give content or style layers, and a weight above zero")

    @property
    def longest(self) -> int | None:
        """The longest side of the result in pixels; None for the content picture's own."""
        return None if self.size == "content" else self.size

    @property
    def uses_content(self) -> bool:
        """Whether the content loss takes part."""
        share = self.style_strength
        return bool(self.content_layers) and (self.content_weight != 0 if share is None else share < 1)

    @property
    def uses_style(self) -> bool:
        """Whether the style loss takes part."""
        share = self.style_strength
        return bool(self.style_layers) and (self.style_weight != 0 if share is None else share > 0)

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer of content and style that takes part, in network order."""
        used = {
            *(self.content_layers if self.uses_content else ()),
            *(self.style_layers if self.uses_style else ()),
        }
        return tuple(layer for layer in vgg.LAYER_NAMES if layer in used)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def _told(name: str, rule: Rule) -> str:
    """A line for `Settings.__doc__`: "rate: Step size of Adam. Takes a number above 0."."""
    none = f"; None: {rule.none}" if rule.none else ""
    return f"        {name}: {rule.help} Takes {rule.want}{none}.\n"


_LINES = "".join(_told(declared.name, rule_of(declared)) for declared in fields(Settings))
Settings.__doc__ = f"{Settings.__doc__}".replace("    Raises:", f"    Attributes:\n{_LINES}\n    Raises:")


def make_settings(**given: Any) -> Settings:
    """`Settings(**given)`, for values that a caller typed: any sequence may stand for a tuple.

    Raises:
        SettingsError: as `Settings`, or a field that does not exist.
    """
    require_known(given, Settings.__dataclass_fields__)
    return Settings(**{name: _plain(value) for name, value in given.items()})


def _in_words(name: str) -> str:
    return name.replace("_", " ")


def _plain(value: Any) -> Any:
    """A list as the tuple that a field holds."""
    listed = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
    return tuple(value) if listed else value


def style_shares(weights: Sequence[float] | None, count: int, needed: bool = True) -> list[float]:
    """The share of each of `count` style pictures; they add up to 1. `needed=False` allows no picture at all.

    Raises:
        SettingsError: no style picture, or not one weight for each.
    """
    if count == 0 and not needed:
        return []
    if count == 0:
        raise SettingsError("no style picture: give at least one")
    if weights is None:
        return [1.0 / count] * count
    if len(weights) != count:
        raise SettingsError(
            f"{len(weights)} style weights for {count} style picture(s): give one weight for each"
        )
    return [weight / sum(weights) for weight in weights]
