"""Layers and their weights as a caller writes them, and the share of each style picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from nst.errors import SettingsError
from nst.models import vgg

__all__ = ["LayerSpec", "layer_weights", "style_shares"]

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
