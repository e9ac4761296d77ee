"""From pictures and settings to the function that is minimised: terms, their targets, their weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from nst.encoding.encoder import Canvas, PaddedNetwork
from nst.engine.loss_scaling import compile_objective
from nst.engine.weights import content_factors, style_factors, tv_factor
from nst.engine.windowed import TiledObjective
from nst.errors import SettingsError
from nst.losses.content import ContentTerm, SmoothedContentTerm, content_targets
from nst.losses.objective import loss_function
from nst.losses.regions import carry, roots
from nst.losses.smoothing import SmoothedNetwork, temperatures
from nst.losses.style import StyleTerm, guide, style_targets
from nst.losses.style_statistics import STYLE_LOSSES
from nst.losses.term import ExtraTerm, Source, SumTerm, Term
from nst.losses.total_variation import TotalVariationTerm, wrap_masks
from nst.models.weights import NetworkWeights
from nst.pictures.masks import Masks, fit, regions
from nst.pictures.picture import Picture
from nst.protocol import Backend, Evaluation, LossFunction, Network
from nst.settings import Settings

__all__ = ["Problem", "set_up"]


@dataclass(frozen=True)
class Problem:
    """L_total = sum of weight * term, ready to be compiled.

    Attributes:
        terms: the losses with their weights alpha, beta, gamma: "content", "style" (of all regions), "tv".
        network: what the terms' features come from.
        canvas: where the picture is computed.
        shared: the targets by name, on the device.
        local: those that live on the positions of a layer, for each view of the canvas.
    """

    terms: Sequence[tuple[Term, float]]
    network: Network[Any]
    canvas: Canvas
    shared: Mapping[str, Any]
    local: Sequence[Mapping[str, Any]]

    @property
    def constants(self) -> dict[str, Any]:
        """Everything that `function` needs, where the canvas is computed at once."""
        (view,) = self.canvas.views
        return {**self.shared, **self.local[0], **view.inner}

    @property
    def function(self) -> LossFunction[Any]:
        """What the backend differentiates, where the canvas is computed at once."""
        network, canvas = self.network, self.canvas
        if canvas.padding != "zero":
            network = PaddedNetwork(network, canvas.margin, canvas.padding)
        return loss_function(self.terms, network, canvas.height, canvas.width)

    def compile(self, like: Any) -> Callable[[Any], Evaluation[Any]]:
        """Losses and gradient at a picture shaped like `like`, (1, 3, H, W)."""
        if self.canvas.side is not None:
            return TiledObjective(self.canvas, self.terms, self.network, self.shared, self.local)
        constants = self.constants
        compiled = compile_objective(self.canvas.backend, self.function, like, constants)
        return partial(compiled, constants=constants)

    def rebound(self, evaluate: Callable[[Any], Evaluation[Any]]) -> Callable[[Any], Evaluation[Any]]:
        """What `compile` made for a problem that differs in its targets alone, with the targets of this one."""
        if isinstance(evaluate, TiledObjective):
            return evaluate.rebound(self.shared, self.local)
        assert isinstance(evaluate, partial)
        return partial(evaluate.func, constants=self.constants)

    def again(self, content: Picture, extra: Sequence[ExtraTerm]) -> Problem:
        """The same problem for another content picture of the same size: weights and style targets stay."""
        shared, local = dict(self.shared), [dict(view) for view in self.local]
        for term, _ in self.terms:
            if isinstance(term, ContentTerm):
                _merge(local, content_targets(term, self.network, self.canvas, content))
        for own in extra:
            shared |= own.at(self.canvas.backend, *content.size)[1]
        return replace(self, shared=shared, local=local)


def set_up(
    settings: Settings,
    weights: NetworkWeights,
    backend: Backend[Any],
    content: Picture,
    styles: Sequence[Picture],
    shares: Sequence[float],
    masks: Masks | None = None,
    side: int | None = None,
    extra: Sequence[ExtraTerm] = (),
) -> Problem:
    """Work out the targets and the weights that were left open.

    Args:
        settings: which layers, which losses, which weights.
        weights: of the network, deep enough for the layers.
        backend: where it runs.
        content: p, at the size of the result.
        styles: a, each at its own size.
        shares: of each style, of sum 1.
        masks: where styles and content act; None for everywhere.
        side: of the windows in pixels; None to compute the whole picture at once.
        extra: losses of the caller's own.

    Raises:
        SettingsError: a mask that is empty, or not one for each style.
    """
    masks = masks or Masks()
    sources = _sources(styles, shares, masks)
    size = content.height, content.width
    canvas = Canvas(backend, settings.layers, *size, settings.padding, side, weights.layer_names)
    network: Network[Any] = backend.network(weights, settings.layers, settings.pooling)
    if settings.smoothing:
        network = SmoothedNetwork(network, temperatures(network, canvas, sources))
    shared: dict[str, Any] = {}
    local: list[dict[str, Any]] = [{} for _ in canvas.views]
    terms: list[tuple[Term, float]] = []
    if settings.uses_content:
        content_term = _content(settings, weights, network, canvas, content, masks, local)
        alpha = settings.content_weight
        terms.append(
            (content_term, _inverse(_reference(content_term, canvas, local)) if alpha is None else alpha)
        )
    if settings.uses_style:
        style_term = _style(settings, weights, network, canvas, sources, masks, shared, local)
        beta = settings.style_weight
        terms.append((style_term, settings.balance if beta is None else beta))
    if settings.tv_weight:
        gamma = tv_factor(settings, content.height, content.width)
        smoothness = TotalVariationTerm(settings.tv_power, circular=settings.padding == "circular")
        shared |= wrap_masks(smoothness, backend, content.height, content.width)
        terms.append((smoothness, gamma))
    for own in extra:
        term, targets = own.at(backend, *content.size)
        shared |= targets
        terms.append((term, own.weight))
    return Problem(terms, network, canvas, shared, local)


def _sources(styles: Sequence[Picture], shares: Sequence[float], masks: Masks) -> list[Source]:
    """The style pictures with their masks."""
    parts = masks.sources or [None] * len(styles)
    if len(parts) != len(styles):
        raise SettingsError(f"{len(parts)} style masks for {len(styles)} style picture(s): give one for each")
    return [Source(*source) for source in zip(styles, shares, parts, strict=True)]


def _content(
    settings: Settings,
    weights: NetworkWeights,
    network: Network[Any],
    canvas: Canvas,
    picture: Picture,
    given: Masks,
    local: list[dict[str, Any]],
) -> ContentTerm:
    """The content term; its constants go into `local`."""
    layers = content_factors(settings, weights, picture.height, picture.width)
    guided = given.content is not None
    term = ContentTerm(layers, guided=guided)
    if settings.smoothing:
        channels = {layer: weights.channels(layer) for layer in layers}
        term = SmoothedContentTerm(layers, guided=guided, channels=channels)
    _merge(local, content_targets(term, network, canvas, picture))
    if given.content is not None:
        mask = fit(given.content, *picture.size, given.feather)
        _merge(local, roots(term.name, canvas, carry(mask, layers, canvas.convolutions)))
    return term


def _style(
    settings: Settings,
    weights: NetworkWeights,
    network: Network[Any],
    canvas: Canvas,
    sources: Sequence[Source],
    given: Masks,
    shared: dict[str, Any],
    local: list[dict[str, Any]],
) -> Term:
    """The style term; its constants go into `shared` and `local`.

    With a weight that is left open it is relative: the mean over the layers of w_l E_l, each over its own silence, so
    that no layer speaks louder than another because a network has larger activations there.

    With regions it is the sum over them of lambda_r E_r (Gatys et al., CVPR 2017, eq. 4). lambda_r is the part of
    the picture that the region covers, times the style's share, over the style's own reference: every pixel is pulled
    alike, however small its region and however faint its style. One region for all keeps the blend.
    """
    relative = settings.style_weight is None
    channels = {layer: weights.channels(layer) for layer in settings.style_layers}
    loss = STYLE_LOSSES[settings.style_loss]
    whole = StyleTerm(style_factors(settings, channels), channels, loss=loss, smoothed=settings.smoothing)
    parts = regions(given, canvas.width, canvas.height, len(sources))
    if parts is None:
        targets = style_targets(whole, network, canvas, sources)
        shared |= targets
        return _relative(whole, canvas, targets) if relative else whole
    groups = [sources] if len(parts) == 1 else [[replace(source, share=1.0)] for source in sources]
    pulls = [1.0] if len(parts) == 1 else [source.share * len(sources) for source in sources]
    guided, units = [], []
    for number, (mask, group) in enumerate(zip(parts, groups, strict=True), start=1):
        term, own = guide(replace(whole, name=f"style {number}"), canvas, mask)
        _merge(local, own)
        targets = style_targets(term, network, canvas, group)
        shared |= targets
        guided.append(_relative(term, canvas, targets) if relative else term)
        units.append(1.0 if relative else _reference(term, canvas, [targets]))
    areas = [pull * float(mask.mean()) for pull, mask in zip(pulls, parts, strict=True)]
    unit = sum(area * own for area, own in zip(areas, units, strict=True)) / sum(areas)
    lambdas = [area * (unit / own if own > 0 else 1.0) for area, own in zip(areas, units, strict=True)]
    return SumTerm("style", tuple(zip(guided, lambdas, strict=True)))


def _relative(term: StyleTerm, canvas: Canvas, targets: Mapping[str, Any]) -> StyleTerm:
    """The term weighted as the mean of w_l E_l over its silence; a layer that is silent does not count."""
    outputs = canvas.backend.evaluate(
        lambda ops, x, c: term.silences(ops, c), next(iter(targets.values())), targets
    )
    silences = dict(zip(outputs, canvas.backend.space.scalars(list(outputs.values())).tolist(), strict=True))
    heard = {layer: weight for layer, weight in term.weights.items() if silences[layer] > 0}
    total = sum(heard.values())
    weights = {
        layer: heard[layer] / (total * silences[layer]) if layer in heard else 0.0 for layer in term.weights
    }
    return replace(term, weights=weights)


def _merge(local: list[dict[str, Any]], more: Sequence[Mapping[str, Any]]) -> None:
    for view, constants in zip(local, more, strict=True):
        view.update(constants)


def _reference(term: Term, canvas: Canvas, constants: Sequence[Mapping[str, Any]]) -> float:
    """The loss of a picture without features, added up over views with these constants."""
    backend, total = canvas.backend, 0.0
    inners = [view.inner for view in canvas.views] if len(constants) == len(canvas.views) else [{}]
    for targets, inner in zip(constants, inners, strict=True):
        like = next(iter(targets.values()))  # the picture does not matter
        outputs = backend.evaluate(
            lambda ops, x, c: {"y": term.reference(ops, c)}, like, {**targets, **inner}
        )
        total += float(backend.space.scalars([outputs["y"]])[0])
    return total


def _inverse(reference: float) -> float:
    """The weight that makes a loss relative to its reference; 1 if there is none."""
    return 1.0 / reference if reference > 0 else 1.0
