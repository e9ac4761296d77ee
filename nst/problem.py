"""From pictures and settings to the function that is minimised: targets P and A, weights, constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nst.errors import SettingsError
from nst.images import Picture
from nst.models import vgg
from nst.models.weights import NetworkWeights
from nst.objective import (
    ContentTerm,
    StyleTerm,
    Term,
    TotalVariationTerm,
    loss_function,
    statistics_function,
)
from nst.protocol import Backend, HostArray, LossFunction, Network
from nst.settings import Settings

__all__ = ["Problem", "check_sizes", "planar", "set_up"]


@dataclass(frozen=True)
class Problem:
    """L_total = sum of weight * term, ready to be compiled.

    Attributes:
        terms: the losses with their weights alpha, beta, gamma.
        function: what the backend differentiates.
        constants: the targets by name, on the device.
    """

    terms: Sequence[tuple[Term, float]]
    function: LossFunction[Any]
    constants: Mapping[str, Any]


def set_up(
    settings: Settings,
    weights: NetworkWeights,
    backend: Backend[Any],
    content: Picture,
    styles: Sequence[Picture],
    shares: Sequence[float],
) -> Problem:
    """Work out the targets and the weights that were left open.

    Args:
        settings: which layers, which weights.
        weights: of the network, deep enough for the layers.
        backend: where it runs.
        content: p, at the size of the result.
        styles: a, each at its own size.
        shares: of each style, of sum 1.
    """
    network = backend.network(weights, settings.layers, settings.pooling)
    picture = backend.from_numpy(planar(content))
    constants: dict[str, Any] = {}
    terms: list[tuple[Term, float]] = []

    def relative(term: Term, targets: Mapping[str, Any]) -> float:
        """1 over the loss of a picture without features, so that the weighted loss is relative to it."""
        outputs = backend.evaluate(lambda ops, x, c: {"reference": term.reference(ops, c)}, picture, targets)
        reference = float(backend.space.scalars([outputs["reference"]])[0])
        return 1.0 / reference if reference > 0 else 1.0

    if settings.uses_content:
        content_term = ContentTerm(settings.content_layers)
        targets = _content_targets(content_term, network, backend, picture)
        constants.update(targets)
        alpha = settings.content_weight
        terms.append((content_term, relative(content_term, targets) if alpha is None else alpha))
    if settings.uses_style:
        channels = {layer: weights.channels(layer) for layer in settings.style_layers}
        style_term = StyleTerm(settings.style_layers, channels)
        targets = _style_targets(style_term, network, backend, styles, shares)
        constants.update(targets)
        beta = settings.style_weight
        terms.append((style_term, weights.balance * relative(style_term, targets) if beta is None else beta))
    if settings.tv_weight:
        terms.append((TotalVariationTerm(), settings.tv_weight))
    return Problem(terms, loss_function(terms, network, content.height, content.width), constants)


def _content_targets(
    term: ContentTerm, network: Network[Any], backend: Backend[Any], picture: Any
) -> dict[str, Any]:
    """P by layer."""

    def features(ops: Any, x: Any, constants: Any) -> dict[str, Any]:
        maps = network(ops, x)
        return {f"{term.name}/{layer}": maps[layer] for layer in term.layers}

    return backend.evaluate(features, picture, {})


def _style_targets(
    term: StyleTerm,
    network: Network[Any],
    backend: Backend[Any],
    pictures: Sequence[Picture],
    shares: Sequence[float],
) -> dict[str, Any]:
    """A / M_l(a) by layer, blended over the style pictures.

    For E_l the blend has the same gradient as the weighted sum of the separate losses: they differ by
    a constant.
    """
    function = statistics_function(term, network)
    parts: dict[str, list[tuple[float, Any]]] = {f"{term.name}/{layer}": [] for layer in term.layers}
    for picture, share in zip(pictures, shares, strict=True):
        statistics = backend.evaluate(function, backend.from_numpy(planar(picture)), {})
        for layer in term.layers:
            name = f"{term.name}/{layer}"
            rows, columns = vgg.layer_size(layer, picture.height, picture.width)
            parts[name].append((share / (rows * columns), statistics[name]))
    return {
        name: backend.space.lincomb([factor for factor, _ in grams], [gram for _, gram in grams])
        for name, grams in parts.items()
    }


def check_sizes(settings: Settings, content: Picture, styles: Sequence[Picture]) -> None:
    """Every layer needs a position at least.

    Raises:
        SettingsError: a picture is too small for the deepest layer, or there is no layer at all.
    """
    if not settings.layers:
        raise SettingsError("no content and no style layer: nothing to optimise")
    least = vgg.minimum_size(settings.layers)
    for what, picture in [("content", content), *(("style", style) for style in styles)]:
        if min(picture.size) < least:
            raise SettingsError(
                f"the {what} picture is {picture.width}x{picture.height} pixels here, "
                f"{settings.layers[-1]} needs {least}x{least} at least: use a larger size or style scale, "
                "a less narrow picture, or shallower layers"
            )


def planar(picture: Picture) -> HostArray:
    """(1, 3, H, W)."""
    return np.ascontiguousarray(picture.rgb.transpose(2, 0, 1)[None])
