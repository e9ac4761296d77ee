"""Every choice of a style transfer in one frozen value, checked when it is made.

Each choice is declared here and nowhere else: type, default, range, words and help in one field of `Settings`, by one
of the helpers above it (`choice`, `number`, ...). The checks of `Settings`, its docstring and the options of the
command line are read from there. What the words stand for are registries elsewhere (`nst.losses`, `nst.optim`,
`nst.pictures.color`, ...), which tests hold to exactly these words.
"""
# long: a setting is one field, and there are many; words and helpers stand with them

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import Field, asdict, dataclass, field, fields
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from nst.errors import SettingsError
from nst.models import vgg

ColorMode: TypeAlias = Literal[
    "none", "luminance", "match-chol", "match-pca", "match-sym", "histogram", "lab", "yuv", "palette"
]
ColorTime: TypeAlias = Literal["before", "after"]
Metadata: TypeAlias = Literal["all", "settings", "none"]
Mean: TypeAlias = Literal["content", "tv"]
NetworkKind: TypeAlias = Literal["caffe", "normalised", "torchvision", "other"]
OptimizerName: TypeAlias = Literal["lbfgs", "adam"]
Padding: TypeAlias = Literal["zero", "replicate", "circular"]
Precision: TypeAlias = Literal["auto", "fastest", "fp32", "bf16", "fp16"]
StartName: TypeAlias = Literal["content", "noise", "style", "statistics"]
StyleLossName: TypeAlias = Literal["gram", "moments", "covariance", "w2"]

COLORS: tuple[ColorMode, ...] = get_args(ColorMode)
COLOR_TIMES: tuple[ColorTime, ...] = get_args(ColorTime)
MEANS: tuple[Mean, ...] = get_args(Mean)
METADATA: tuple[Metadata, ...] = get_args(Metadata)
NETWORK_KINDS: tuple[NetworkKind, ...] = get_args(NetworkKind)
OPTIMIZERS: tuple[OptimizerName, ...] = get_args(OptimizerName)
PADDINGS: tuple[Padding, ...] = get_args(Padding)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
STARTS: tuple[StartName, ...] = get_args(StartName)
STYLE_LOSSES: tuple[StyleLossName, ...] = get_args(StyleLossName)

MAX_PIXELS = 2**28
"""How many pixels of a picture file may be held unless told; the one number that settings and pictures share."""


Kind: TypeAlias = Literal["word", "number", "integer", "flag", "list", "layers"]

LOSSES = ("content", "style", "losses", "")
"""Groups of settings that the losses are made of; the last are conventions of other programs."""


class Rule(NamedTuple):
    """What may be chosen, and how it is told."""

    kind: Kind  # how it is typed
    help: str  # what it is, in one sentence that names neither the default nor the range
    want: str  # what a value must be, as an error message says it: "a number above 0"
    allows: Callable[[object], bool]  # whether something other than None is such a value
    words: tuple[Any, ...] = ()  # the words that may be typed
    limits: str = ""  # the range of a number, for the help page
    # from what is typed to the value; ValueError for anything else. None where `kind` says it all
    read: Callable[[str], object] | None = None
    none: str = ""  # what None stands for; empty where a value is needed
    group: str = ""  # of options on the command line; empty for what the library alone has
    metavar: str = ""  # what the help page calls a value; empty for the kind's own word
    # whether a step that is exported as a file has it; None: its group tells, see `exported`
    in_step: bool | None = None

    @property
    def exported(self) -> bool:
        """Whether an exported step has it: what makes the losses has, what the program that runs it decides has not."""
        return self.group in LOSSES if self.in_step is None else self.in_step

    def require(self, name: str, value: object) -> None:
        """SettingsError for a value of `name`, as people say it, that is not allowed."""
        if not (self.none if value is None else self.allows(value)):
            raise SettingsError(f"{name} is {value!r}: it must be {self.want}")


def rule_of(declared: Field[Any]) -> Rule:
    """The rule of a field of `Settings`."""
    rule: Rule = declared.metadata["rule"]
    return rule


GONE: Mapping[str, tuple[object, str]] = {
    "style_power": (0.0, "multiply the weights of style_layers by that power of N_l"),
}
"""Settings of before -> their default, which pictures and checkpoints of then say, and what to use in their place."""


def require_known(
    given: Iterable[str], known: Collection[str], elsewhere: Collection[str] = (), where: str = ""
) -> None:
    """Check the names of arguments; `elsewhere` are those that another function takes, `where` is which one.

    SettingsError: one that does not exist, with the most similar ones that do.
    """
    from difflib import get_close_matches

    for name in given:
        if name in GONE:
            raise SettingsError(f"{name} is no setting any more: {GONE[name][1]}")
        if name in elsewhere:
            raise SettingsError(f"{name} is no setting: give it to {where}")
        if name not in known:
            near = get_close_matches(name, sorted(known), n=1)
            five = get_close_matches(name, sorted(known), n=5, cutoff=0)
            fix = (
                f"did you mean {near[0]!r}?"
                if near
                else f"the nearest are {', '.join(five)}; see nst.Settings"
            )
            raise SettingsError(f"unknown setting {name!r}: {fix}")


def declare(default: Any, rule: Rule) -> Any:
    """A field with a rule; a default that is a function makes the value."""
    if callable(default):
        return field(default_factory=default, metadata={"rule": rule})
    return field(default=default, metadata={"rule": rule})


def choice(default: Any, words: tuple[Any, ...], *, own: str = "", **more: Any) -> Any:
    """One of some words; `own` is the word that stands for an object of the caller's, and cannot be typed."""
    listed = [str(word) for word in words]
    want = ", ".join([*listed, "or one of your own"]) if own else f"{', '.join(listed[:-1])} or {listed[-1]}"
    allowed = (*words, own) if own else words

    def allows(value: object) -> bool:
        return isinstance(value, (str, int)) and not isinstance(value, bool) and value in allowed

    return declare(default, Rule("word", want=want, allows=allows, words=words, **more))


def some(default: tuple[str, ...], words: tuple[str, ...], **more: Any) -> Any:
    """Any number of some words."""

    def allows(value: object) -> bool:
        return isinstance(value, tuple) and all(isinstance(word, str) and word in words for word in value)

    want = f"a list of {' and '.join(words)}, or of one or none of them"
    return declare(default, Rule("list", want=want, allows=allows, words=words, **more))


def flag(default: bool, **more: Any) -> Any:
    """True or false."""
    return declare(
        default, Rule("flag", want="true or false", allows=lambda value: isinstance(value, bool), **more)
    )


def each_size(default: Any, words: tuple[str, ...], items: tuple[str, ...], **more: Any) -> Any:
    """One of some words, or a list of `items`, one a size, in which "..." repeats the one before it."""

    def allows(value: object) -> bool:
        if not isinstance(value, tuple):
            return isinstance(value, str) and value in words
        known = all(isinstance(item, str) and item in (*items, "...") for item in value)
        return known and value[:1] not in ((), ("...",)) and value.count("...") <= 1

    def read(text: str) -> object:
        found = tuple(text.replace(",", " ").split())
        value = found[0] if len(found) == 1 else found
        if not allows(value):
            raise ValueError
        return value

    want = f"{', '.join(words)}, or a list of {', '.join(items[:-1])} and {items[-1]}, one a size"
    return declare(default, Rule("list", want=want, allows=allows, words=words, read=read, **more))


def number(
    default: float | None,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    at_most: float = math.inf,
    below: float = math.inf,
    **more: Any,
) -> Any:
    """A finite number within a range."""
    return _bounded("number", default, _range(at_least, above, at_most, below), more)


def integer(default: int | None, *, at_least: int, at_most: float = math.inf, **more: Any) -> Any:
    """An integer within a range."""
    return _bounded("integer", default, _range(at_least=at_least, at_most=at_most), more)


def numbers(
    default: Any,
    item: type[int] | type[float],
    *,
    at_least: float,
    at_most: float = math.inf,
    want: str = "",
    words: tuple[str, ...] = (),
    one: bool = True,
    many: bool = True,
    rest: bool = False,
    **more: Any,
) -> Any:
    """A number, or a list of them, or a word; `at_most` holds for a single number, `more` are attributes of the `Rule`.

    With `one` a number may stand alone; a list of one is then typed with a comma behind it. With `rest` a list may end
    with "...", which repeats the number before it.
    """
    is_item = _is_integer if item is int else _is_number

    def fits(value: Any) -> bool:
        return is_item(value) and bool(at_least <= value <= at_most)

    def allows(value: object) -> bool:
        if isinstance(value, str):
            return value in words
        if isinstance(value, tuple):
            given = value[:-1] if rest and value[-1:] == ("...",) else value
            return many and bool(given) and all(fits(number) for number in given)
        return one and fits(value)

    def read(text: str) -> object:
        if text in words:
            return text
        repeated = rest and text.endswith(",...")
        listed = text.removesuffix(",...") if repeated else text
        found = tuple(item(word) for word in listed.replace(" ", ",").split(",") if word)
        if not found or (len(found) > 1 and not many):
            raise ValueError
        if repeated:
            return (*found, "...")
        alone = one and len(found) == 1 and not listed.rstrip().endswith(",")
        return found[0] if alone else found

    if not want:
        more["limits"] = _range(at_least=at_least, at_most=at_most)[1]
        want = f"{', '.join(words)}, or {'an integer' if item is int else 'a number'} {more['limits']}"
    rule = Rule("list" if many else "word", want=want, allows=allows, words=words, read=read, **more)
    return declare(default, rule)


Range: TypeAlias = tuple[Callable[[Any], bool], str]
"""Whether a finite number lies within bounds, and the bounds in words."""


def _range(
    at_least: float = -math.inf, above: float = -math.inf, at_most: float = math.inf, below: float = math.inf
) -> Range:
    def inside(value: Any) -> bool:
        return bool(at_least <= value <= at_most and above < value < below)

    if math.isfinite(at_least) and math.isfinite(at_most):
        return inside, f"from {at_least} to {at_most}"
    words = f"{at_least} or more" if math.isfinite(at_least) else f"above {above}"
    for bound, name in ((at_most, "at most"), (below, "below")):
        words += f", {name} {bound}" if math.isfinite(bound) else ""
    return inside, words


def _bounded(kind: Literal["number", "integer"], default: Any, bounds: Range, more: Mapping[str, Any]) -> Any:
    is_item, noun = (_is_integer, "an integer") if kind == "integer" else (_is_number, "a number")
    inside, limits = bounds
    want = f"{noun}, {limits}" if limits[0].isdigit() else f"{noun} {limits}"

    def allows(value: object) -> bool:
        return is_item(value) and inside(value)

    return declare(default, Rule(kind, want=want, limits=limits, allows=allows, **more))


def _is_number(value: object) -> bool:
    """A finite one, and not an integer so large that no float holds it."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return abs(value) <= sys.float_info.max


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


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
    network; see `nst.engine.weighting`.

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
    content_swap: float = number(
        0.0,
        at_least=0,
        at_most=1,
        group="content",
        help="Share of what the content loss aims at that is swapped for the style's own features, place by place the "
        "most similar ones: 1 paints the content out of the style's own things.",
    )
    means: tuple[Mean, ...] = some(
        (),
        MEANS,
        help="Losses that are means of squares instead of sums: over N_l M_l numbers without the paper's 1/2 "
        "(content), or over 3 H W (tv).",
    )
    tuned_for: NetworkKind | None = choice(
        None,
        NETWORK_KINDS,
        none="any",
        help="Kind of network (see `nst.engine.weighting.kind_of`) that the weights of the losses suit; on any other "
        "they are balanced, as if not given.",
    )
    style_loss: StyleLossName = choice(
        "gram",
        STYLE_LOSSES,
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
    optimizer: OptimizerName | Literal["custom"] = choice(
        "lbfgs", OPTIMIZERS, own="custom", group="run", help="L-BFGS as in the paper, or Adam."
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
    metric: float = number(
        1.0,
        at_least=0,
        at_most=2,
        group="run",
        help="Power of the length of waves by which L-BFGS moves coarse shapes further than fine ones at first; 0 as "
        "in the textbook.",
    )
    steps: int | tuple[int | Literal["..."], ...] = numbers(
        200,
        int,
        at_least=0,
        rest=True,
        want="a number of steps, 0 or more, or a list such as 200,100,50",
        metavar="N",
        group="run",
        help="Steps of the optimiser, shared out over the scales by their sides; a list gives each scale its own, "
        "and '200,100,...' goes on with 100.",
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
        MAX_PIXELS,
        at_least=1,
        at_most=2**40,
        group="run",
        help="Pixels of a picture file that may be held, at four bytes each; a third where it is not reduced.",
    )
    init: StartName | Literal["picture"] = choice(
        "content",
        STARTS,
        own="picture",
        metavar="PATH",
        group="start",
        help="Start of the optimisation: the content picture, noise (as in the paper), the style picture, noise with "
        "the statistics of its colours, or a picture of your own.",
    )
    init_noise: float = number(
        0.0, at_least=0, at_most=1, group="start", help="Share of noise in a start from a picture."
    )
    octave_noise: float = number(
        0.7,
        at_least=0,
        at_most=4,
        group="start",
        help="Noise that the detail of each size grows from, as a share of the style's own detail there; without it "
        "(0) a weave of fine lines comes.",
    )
    seed: int = integer(
        0,
        at_least=0,
        at_most=2**64 - 1,
        group="start",
        in_step=True,
        help="Seed of the noise and of random weights.",
    )
    padding: Padding = choice(
        "replicate",
        PADDINGS,
        group="losses",
        help="Continuation of the picture past its border: its edge (no frame), zeros as VGG19 was trained, or its "
        "other side (a texture without seams).",
    )
    feather: float = number(
        0.0,
        at_least=0,
        group="masks",
        help="Blur of the masks' edges: standard deviation in pixels of the result.",
    )
    color: ColorMode = choice(
        "none",
        COLORS,
        group="both",
        help="Way to keep the content's colours; none takes those of the style.",
    )
    color_strength: float = number(
        1.0, at_least=0, at_most=1, group="both", help="Strength of the change of colours."
    )
    color_when: ColorTime | None = choice(
        None,
        COLOR_TIMES,
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
    precision: Precision | tuple[Precision | Literal["..."], ...] | None = each_size(
        None,
        PRECISIONS,
        PRECISIONS[2:],
        none="the backend's own",
        metavar="WORD[,...]",
        group="run",
        help="Precision of the network alone; fastest is what is fastest here, auto is that below the last size and "
        "fp32 there; a list such as bf16,...,fp32 gives each size its own.",
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

    SettingsError: as `Settings`, or a field that does not exist.
    """
    given = {name: value for name, value in given.items() if name not in GONE or value != GONE[name][0]}
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


LayerSpec: TypeAlias = str | Iterable[str] | Mapping[str, float]


def layer_weights(spec: LayerSpec, what: str = "layers") -> dict[str, float]:
    """w_l by layer from "conv1_1,conv2_1=0.5", a list of such words, or a mapping.

    A layer without a number weighs 1 / (number of layers), as in the paper. A layer of weight 0 is left out.
    SettingsError: a weight that is not a number, a layer that does not exist or is named twice.
    """
    if isinstance(spec, Mapping):
        pairs = [(name, _layer_weight(name, weight, what)) for name, weight in spec.items()]
    else:
        listed = [spec] if isinstance(spec, str) else list(spec)
        typed = [word.strip() for text in listed for word in text.split(",") if word.strip()]
        pairs = [_layer_pair(word, 1.0 / len(typed), what) for word in typed]
    pairs = [
        (re.sub(r"^relu(\d_\d)$", r"conv\1", name), weight) for name, weight in pairs
    ]  # as many call them
    weights = dict(pairs)
    vgg.validate_layers(weights)
    if len(weights) != len(pairs):
        raise SettingsError(f"{what}: a layer is named twice in {','.join(name for name, _ in pairs)}")
    return {name: weight for name, weight in weights.items() if weight != 0}


def _layer_pair(word: str, default: float, what: str) -> tuple[str, float]:
    name, equals, weight = word.partition("=")
    if not equals:
        return name, default
    return name.strip(), _layer_weight(name.strip(), weight, what)


def _layer_weight(name: str, weight: Any, what: str) -> float:
    try:
        return float(weight)
    except (TypeError, ValueError):
        raise SettingsError(
            f"{what}: the weight of {name} is {weight!r}: it must be a number, for example {name}=0.5"
        ) from None
