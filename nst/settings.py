"""Every choice of a style transfer in one frozen value, checked when it is made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from nst.errors import SettingsError
from nst.models import vgg

__all__ = [
    "CONTENT_LAYERS",
    "PRECISIONS",
    "STYLE_LAYERS",
    "LayerSpec",
    "Settings",
    "layer_weights",
    "make_settings",
    "style_shares",
]

STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
"""The paper's style layers, w_l = 1/5 each (Gatys et al. 2016, section 3)."""

CONTENT_LAYERS = ("conv4_2",)
"""The paper's content layer."""

BALANCE = 30.0
"""Of the relative losses; chosen by looking at results of VGG19 and VGG16, see docs/networks.md."""

PRECISIONS = ("auto", "fp32", "bf16", "fp16")


@dataclass(frozen=True)
class Settings:
    """How to transfer a style. The defaults are the paper's unless a line says otherwise.

    Attributes:
        content_layers: w_l by layer for the content loss.
        style_layers: w_l by layer for the style loss.
        content_weight: alpha, times the paper's L_content. None: 1 over the content picture's own
            1/2 sum P^2, so that the weighted loss is relative, whatever the size and the network.
        style_weight: beta, times the paper's L_style. None: `balance`, times the mean over the layers of w_l E_l, each
            relative to E_l of a picture without features; see `nst.engine.weights`.
        balance: of the relative style loss against the content.
        style_strength: 0 (no style) to 1 (no content), 0.5 being `balance` as it is; in place of `content_weight` and
            `style_weight`.
        style_power: E_l is multiplied by N_l to this power; -2 with w_l = 4 is the mean square that many programs take.
        means: which of "content" and "tv" are means of squares instead of sums: over N_l M_l numbers without the
            paper's 1/2, or over 3 H W.
        tuned_for: the kind of network that the weights of the losses suit, see `nst.engine.weights.kind_of`; on any
            other they are balanced, as if not given. None for any.
        style_loss: what of the features makes a style: "gram" as in the paper, "moments" (mean and standard
            deviation), "covariance", or "w2" (Wasserstein-2 distance). See `nst.losses.style_statistics`.
        smoothing: whether softmax smooths the features before any loss; see `nst.losses.smoothing`.
        tv_weight: gamma, times the total variation; 0 as in the paper.
        tv_power: of the differences in the total variation, 2 or 1.
        style_weights: share of each style picture, normalised to the sum 1; None for equal shares.
        style_scale: longest side of the style pictures as a multiple of the result's longest side.
        pooling: "avg" as in the paper, or "max" as VGG19 was trained.
        optimizer: "lbfgs" as in the paper, or "adam"; "custom" for one of the caller's own.
        rate: step size of Adam, in units of the picture's range [0, 1].
        history: pairs that L-BFGS remembers, each costs two pictures of memory; None for 10, or fewer where
            memory is short.
        steps: number of steps, shared out over the scales; or a number for each scale, where a last "..." repeats
            the number before it.
        scales: the sizes that the optimisation goes through, coarse to fine: "auto", a number of scales, or
            the longest side of each in pixels; 1 for the result's size alone. See `nst.engine.pyramid`.
        size: longest side of the result in pixels; None for the content picture's own size.
        init: what the optimisation starts from: "content", "noise" (as in the paper), "style", "statistics" (noise
            with the style's colours), or "picture" for one of the caller's own.
        init_noise: share of noise mixed into a start from a picture.
        seed: of the noise.
        padding: how the network sees the picture continued past its border: "zero" as VGG19 was trained,
            "replicate" (no frame), or "circular" (a texture without seams).
        feather: blur of the masks' edges: standard deviation in pixels of the result.
        color: what becomes of the colours, and how strongly and when; see `nst.pictures.color.Color`.
        average: decay of the average over the iterates that is the result; 0 for the last iterate.
        tile: "auto", "off", or the side in pixels of the windows that a picture is computed in.
        precision: in which the network computes: "auto" (the fastest), "fp32", "bf16", "fp16", or None for the
            backend's own type, in which losses, Gram matrices, picture and optimiser stay.

    Raises:
        SettingsError: a value outside its range, an unknown layer.
    """

    content_layers: Mapping[str, float]
    style_layers: Mapping[str, float]
    content_weight: float | None = None
    style_weight: float | None = None
    balance: float = BALANCE
    style_strength: float | None = None
    style_power: float = 0.0
    means: tuple[str, ...] = ()
    tuned_for: str | None = None
    style_loss: Literal["gram", "moments", "covariance", "w2"] = "gram"
    smoothing: bool = False
    tv_weight: float = 0.0
    tv_power: Literal[1, 2] = 2
    style_weights: tuple[float, ...] | None = None
    style_scale: float = 1.0
    pooling: vgg.Pooling = "avg"
    optimizer: Literal["lbfgs", "adam", "custom"] = "lbfgs"
    rate: float = 0.02
    history: int | None = None
    steps: int | tuple[int | str, ...] = 300
    scales: Literal["auto"] | int | tuple[int, ...] = "auto"
    size: int | None = None
    init: Literal["content", "noise", "style", "statistics", "picture"] = "content"
    init_noise: float = 0.0
    seed: int = 0
    padding: Literal["zero", "replicate", "circular"] = "zero"
    feather: float = 0.0
    color: str = "none"
    color_strength: float = 1.0
    color_when: Literal["before", "after"] | None = None
    average: float = 0.0
    tile: Literal["auto", "off"] | int = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] | None = None

    def __post_init__(self) -> None:
        for name in ("content_weight", "style_weight", "tv_weight"):
            value = getattr(self, name)
            if value is not None:
                _require(_is_number(value) and value >= 0, name, value, "a number, 0 or more")
        balance_ok = _is_number(self.balance) and self.balance > 0
        _require(balance_ok, "balance", self.balance, "a number above 0")
        strength_ok = self.style_strength is None or _is_share(self.style_strength)
        _require(strength_ok, "style_strength", self.style_strength, "a number from 0 to 1")
        for name in ("content_layers", "style_layers"):
            weights = getattr(self, name)
            vgg.validate_layers(weights)
            for layer, weight in weights.items():
                _require(_is_number(weight) and weight >= 0, f"weight of {layer}", weight, "0 or more")
            _require(not weights or sum(weights.values()) > 0, name, dict(weights), "not all zero")
        _require(self.uses_content or self.uses_style, "weights", 0, "content or style above zero")
        if self.style_weights is not None:
            ok = all(_is_number(w) and w >= 0 for w in self.style_weights)
            ok = ok and 0 < sum(self.style_weights) < math.inf
            _require(ok, "style_weights", self.style_weights, "numbers, 0 or more, not all zero")
        scale_ok = _is_number(self.style_scale) and 0 < self.style_scale <= 16
        _require(scale_ok, "style_scale", self.style_scale, "above 0, at most 16")
        losses = ("gram", "moments", "covariance", "w2")
        _require(self.style_loss in losses, "style_loss", self.style_loss, "gram, moments, covariance or w2")
        power_ok = _is_number(self.style_power) and abs(self.style_power) <= 4
        _require(power_ok, "style_power", self.style_power, "a number from -4 to 4")
        _require(set(self.means) <= {"content", "tv"}, "means", self.means, "content, tv or both")
        _require(self.tv_power in (1, 2), "tv_power", self.tv_power, "1 or 2")
        _require(isinstance(self.smoothing, bool), "smoothing", self.smoothing, "true or false")
        _require(self.pooling in ("avg", "max"), "pooling", self.pooling, "avg or max")
        known = ("lbfgs", "adam", "custom")
        _require(self.optimizer in known, "optimizer", self.optimizer, "lbfgs, adam, or one of your own")
        _require(_is_number(self.rate) and self.rate > 0, "rate", self.rate, "a number above 0")
        history_ok = self.history is None or (_is_integer(self.history) and self.history > 0)
        _require(history_ok, "history", self.history, "an integer, 1 or more")
        counts = self.steps
        if isinstance(counts, tuple) and counts[-1:] == ("...",):
            counts = counts[:-1]
        steps_ok = _are_integers(counts, 0)
        _require(steps_ok, "steps", self.steps, "an integer, 0 or more, or one for each scale")
        scales_ok = self.scales == "auto" or _are_integers(self.scales, 1)
        _require(scales_ok, "scales", self.scales, "auto, a number, or a list of sizes")
        size_ok = self.size is None or (_is_integer(self.size) and 1 <= self.size <= 65536)
        _require(size_ok, "size", self.size, "an integer from 1 to 65536 (pixels)")
        _require(
            self.padding in ("zero", "replicate", "circular"),
            "padding",
            self.padding,
            "zero, replicate or circular",
        )
        _require(_is_share(self.init_noise), "init_noise", self.init_noise, "a number from 0 to 1")
        feather_ok = _is_number(self.feather) and self.feather >= 0
        _require(feather_ok, "feather", self.feather, "0 or more (pixels)")
        average_ok = _is_number(self.average) and 0 <= self.average < 1
        _require(average_ok, "average", self.average, "0 or more and below 1")
        tile_ok = self.tile in ("auto", "off") or (
            not isinstance(self.tile, tuple) and _are_integers(self.tile, 1)
        )
        _require(tile_ok, "tile", self.tile, "auto, off, or a number of pixels")
        _require(
            self.precision in (None, *PRECISIONS), "precision", self.precision, "auto, fp32, bf16 or fp16"
        )
        seed_ok = _is_integer(self.seed) and 0 <= self.seed < 2**64
        _require(seed_ok, "seed", self.seed, "an integer, 0 or more")

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
        """Every layer that takes part, in network order."""
        used = {
            *(self.content_layers if self.uses_content else ()),
            *(self.style_layers if self.uses_style else ()),
        }
        return tuple(layer for layer in vgg.LAYER_NAMES if layer in used)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def make_settings(**fields: Any) -> Settings:
    """`Settings(**fields)`, for fields that a caller typed.

    Raises:
        SettingsError: as `Settings`, or a field that does not exist.
    """
    known = Settings.__dataclass_fields__
    for name in fields:
        if name not in known:
            raise SettingsError(f"unknown setting {name!r}: choose from {', '.join(sorted(known))}")
    for name in ("style_weights", "steps", "scales", "means"):
        if isinstance(fields.get(name), list):
            fields[name] = tuple(fields[name])
    return Settings(**fields)


def _are_integers(value: object, least: int) -> bool:
    """An integer, or several, of at least `least`."""
    numbers = value if isinstance(value, tuple) else (value,)
    return bool(numbers) and all(_is_integer(number) and number >= least for number in numbers)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_share(value: object) -> bool:
    return isinstance(value, (int, float)) and _is_number(value) and 0 <= value <= 1


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _require(ok: bool, name: str, value: object, want: str) -> None:
    if not ok:
        words = name.replace("_", " ") if name in Settings.__dataclass_fields__ else name
        raise SettingsError(f"{words} is {value!r}: it must be {want}")


LayerSpec: TypeAlias = str | Iterable[str] | Mapping[str, float]


def style_shares(weights: Sequence[float] | None, count: int, needed: bool = True) -> list[float]:
    """The share of each of `count` style pictures, of sum 1; none are no mistake where none are `needed`.

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


def layer_weights(spec: LayerSpec, what: str = "layers") -> dict[str, float]:
    """w_l by layer from "conv1_1,conv2_1=0.5", a list of such words, or a mapping.

    A layer without a number weighs 1 / (number of layers), as in the paper. A layer of weight 0 is left out.

    Raises:
        SettingsError: a weight that is not a number, a layer that does not exist or is named twice.
    """
    if isinstance(spec, Mapping):
        pairs = [(name, _layer_weight(name, weight, what)) for name, weight in spec.items()]
    else:
        listed = [spec] if isinstance(spec, str) else list(spec)
        words = [word.strip() for text in listed for word in text.split(",") if word.strip()]
        pairs = [_layer_pair(word, 1.0 / len(words), what) for word in words]
    weights = dict(pairs)
    vgg.validate_layers(weights)
    if len(weights) != len(pairs):
        raise SettingsError(f"{what}: a layer is named twice in {','.join(name for name, _ in pairs)}")
    return {name: weight for name, weight in weights.items() if weight != 0}


def _layer_pair(word: str, default: float, what: str) -> tuple[str, float]:
    name, equals, number = word.partition("=")
    if not equals:
        return name, default
    return name.strip(), _layer_weight(name.strip(), number, what)


def _layer_weight(name: str, number: object, what: str) -> float:
    try:
        return float(number)  # type: ignore[arg-type]  # whatever a caller put into the mapping
    except (TypeError, ValueError):
        raise SettingsError(
            f"{what}: the weight of {name} is {number!r}: it must be a number, for example {name}=0.5"
        ) from None
