"""Layers with their weights, as a caller writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from nst.errors import SettingsError
from nst.models import vgg

__all__ = ["LayerSpec", "layer_weights"]

LayerSpec: TypeAlias = str | Iterable[str] | Mapping[str, float]


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
        typed = [word.strip() for text in listed for word in text.split(",") if word.strip()]
        pairs = [_layer_pair(word, 1.0 / len(typed), what) for word in typed]
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
