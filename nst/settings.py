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
    "STYLE_LAYERS",
    "LayerSpec",
    "Settings",
    "layer_weights",
    "make_settings",
    "style_shares",
]

LayerSpec: TypeAlias = str | Iterable[str] | Mapping[str, float]

STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
"""The paper's style layers, w_l = 1/5 each (Gatys et al. 2016, section 3)."""

CONTENT_LAYERS = ("conv4_2",)
"""The paper's content layer."""


@dataclass(frozen=True)
class Settings:
    """How to transfer a style. The defaults are the paper's unless a line says otherwise.

    Attributes:
        content_layers: w_l by layer for the content loss.
        style_layers: w_l by layer for the style loss.
        content_weight: alpha, times the paper's L_content. None: 1 over the content picture's own
            1/2 sum P^2, so that the weighted loss is relative, whatever the size and the network.
        style_weight: beta, times the paper's L_style. None: the network's balance over the style picture's
            own sum_l w_l / (4 N_l^2) sum (A / M)^2; relative in the same way.
        tv_weight: gamma, times the squared total variation; 0 as in the paper.
        style_weights: share of each style picture, normalised to the sum 1; None for equal shares.
        style_scale: longest side of the style pictures as a multiple of the result's longest side.
        pooling: "avg" as in the paper, or "max" as VGG19 was trained.
        optimizer: "lbfgs" as in the paper, or "adam"; "custom" for one of the caller's own.
        steps: number of steps.
        size: longest side of the result in pixels; None for the content picture's own size.
        init: what the optimisation starts from: "content", "noise" (as in the paper) or "style".
        seed: of the noise.

    Raises:
        SettingsError: a value outside its range, an unknown layer.
    """

    content_layers: Mapping[str, float]
    style_layers: Mapping[str, float]
    content_weight: float | None = None
    style_weight: float | None = None
    tv_weight: float = 0.0
    style_weights: tuple[float, ...] | None = None
    style_scale: float = 1.0
    pooling: vgg.Pooling = "avg"
    optimizer: Literal["lbfgs", "adam", "custom"] = "lbfgs"
    steps: int = 300
    size: int | None = None
    init: Literal["content", "noise", "style", "picture"] = "content"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("content_weight", "style_weight", "tv_weight"):
            value = getattr(self, name)
            if value is not None:
                _require(_is_number(value) and value >= 0, name, value, "a number, 0 or more")
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
        _require(self.pooling in ("avg", "max"), "pooling", self.pooling, "avg or max")
        known = ("lbfgs", "adam", "custom")
        _require(self.optimizer in known, "optimizer", self.optimizer, "lbfgs or adam")
        _require(_is_integer(self.steps) and self.steps >= 0, "steps", self.steps, "an integer, 0 or more")
        size_ok = self.size is None or (_is_integer(self.size) and 1 <= self.size <= 65536)
        _require(size_ok, "size", self.size, "an integer from 1 to 65536 (pixels)")
        seed_ok = _is_integer(self.seed) and 0 <= self.seed < 2**64
        _require(seed_ok, "seed", self.seed, "an integer, 0 or more")

    @property
    def uses_content(self) -> bool:
        """Whether the content loss takes part."""
        return self.content_weight != 0 and bool(self.content_layers)

    @property
    def uses_style(self) -> bool:
        """Whether the style loss takes part."""
        return self.style_weight != 0 and bool(self.style_layers)

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
    if isinstance(fields.get("style_weights"), list):
        fields["style_weights"] = tuple(fields["style_weights"])
    return Settings(**fields)


def style_shares(weights: Sequence[float] | None, count: int) -> list[float]:
    """The share of each of `count` style pictures, of sum 1.

    Raises:
        SettingsError: no style picture, or not one weight for each.
    """
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


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _require(ok: bool, name: str, value: object, want: str) -> None:
    if not ok:
        words = name.replace("_", " ") if name in Settings.__dataclass_fields__ else name
        raise SettingsError(f"{words} is {value!r}: it must be {want}")
