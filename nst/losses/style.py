"""The style loss: term, targets and recipe, on any layers, of the whole picture or of soft regions of it.

The formulas E_l of a layer are in `nst.losses.style_statistics`.

A term may be *guided*: a soft mask m says how much each position of a layer counts (Gatys et al., *Controlling
Perceptual Factors in Neural Style Transfer*, CVPR 2017, section 4). Sums over positions become sum_k m_k ...,
and sum_k m_k takes the place of M_l. Masks that sum to 1 at every position share the picture out exactly:
the Gram matrices of the regions add up to that of the picture. The constant is the root of the mask, since
the Gram matrix of sqrt(m) F is sum_k m_k F_ik F_jk. (The paper multiplies F by m, which squares soft masks.)

A term may be *smoothed*: its features are E = exp(F / T); see `nst.losses.smoothing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nst.encoding.encoder import Encoder
from nst.errors import SettingsError
from nst.losses.objective import statistics_of
from nst.losses.regions import carry, places_of, roots
from nst.losses.style_statistics import STYLE_LOSSES, StyleLoss
from nst.losses.term import Factor, Prepared, Totals, WeightedSum, add_up, scaled
from nst.pictures.masks import Mask, fit
from nst.pictures.picture import planar
from nst.pictures.scene import Scene, StylePicture
from nst.protocol import Ops

T = TypeVar("T")


@dataclass(frozen=True)
class StyleTerm:
    """L_style = sum_l w_l E_l; Gatys et al. 2016, eq. 5, with any of `nst.losses.style_statistics` as E_l."""

    weights: Mapping[str, Factor]  # w_l by layer
    channels: Mapping[str, int]  # N_l by layer
    # constants: `name/layer/...`, the targets of the loss, and `root`, (1, 1, H_l, W_l), of a guided term
    name: str = "style"
    loss: StyleLoss = STYLE_LOSSES["gram"]  # E_l
    # sum_k m_k by layer of a guided term, or the name of a constant that is 1 over it; None for the whole
    # picture
    region: Mapping[str, Factor] | None = None
    smoothed: bool = False  # the features are exp(F / T); batches of 1 only

    @property
    def layers(self) -> tuple[str, ...]:
        """See `Term`."""
        return tuple(self.weights)

    @property
    def spatial(self) -> Mapping[str, str]:
        """The roots of the masks."""
        return {} if self.region is None else {f"{self.name}/{layer}/root": layer for layer in self.weights}

    def statistics(
        self, ops: Ops[T], x: T, features: Mapping[str, T], constants: Mapping[str, T]
    ) -> dict[str, T]:
        """The sums over positions that the loss needs: `name/layer/first`, `/squares`, `/second`."""
        statistics = {}
        for layer in self.weights:
            root = None if self.region is None else constants[f"{self.name}/{layer}/root"]
            half = features[layer] if root is None else ops.modulate(features[layer], root)
            prefix = f"{self.name}/{layer}"
            if "first" in self.loss.sums or self.smoothed:
                full = half if root is None else ops.modulate(half, root)
                statistics[f"{prefix}/first"] = ops.channel_sum(full)
            if "squares" in self.loss.sums:
                statistics[f"{prefix}/squares"] = ops.channel_sum(ops.square(half))
            if "second" in self.loss.sums:
                statistics[f"{prefix}/second"] = ops.gram(half)
        return statistics

    def means(self, ops: Ops[T], totals: Totals[T]) -> dict[str, dict[str, T]]:
        """The statistics per position, by layer and kind; of a smoothed term those of E over its own mean."""
        result = {}
        for layer in self.weights:
            count = totals.positions[layer] if self.region is None else self.region[layer]
            share = count if isinstance(count, str) else 1.0 / count
            sums = {
                kind: totals.statistics.get(f"{self.name}/{layer}/{kind}")
                for kind in ("first", "squares", "second")
            }
            means = {k: scaled(ops, s, share, totals.constants) for k, s in sums.items() if s is not None}
            if self.smoothed:
                unit = ops.scale(ops.sum(means["first"]), 1.0 / self.channels[layer])
                once = ops.divide(unit, ops.square(unit))
                twice = ops.square(once)
                means = {k: ops.scale_by(m, once if k == "first" else twice) for k, m in means.items()}
            result[layer] = means
        return result

    def energy(self, ops: Ops[T], totals: Totals[T]) -> T:
        """Sum over the layers of w_l E_l."""
        means = self.means(ops, totals)
        parts = []
        for layer, weight in self.weights.items():
            targets, channels = self.targets(totals.constants, layer), self.channels[layer]
            energy = self.loss.energy(ops, means[layer], targets, channels)
            parts.append(scaled(ops, energy, weight, totals.constants))
        return add_up(ops, parts)

    def featureless_losses(self, ops: Ops[T], constants: Mapping[str, T]) -> dict[str, T]:
        """E_l of a picture without features, by layer; of the Gram loss 1 / (4 N_l^2) sum (A / M)^2."""
        return {
            layer: self.loss.featureless_loss(
                ops, self.targets(constants, layer), self.channels[layer], self.smoothed
            )
            for layer in self.weights
        }

    def targets(self, constants: Mapping[str, T], layer: str) -> dict[str, T]:
        """The constants of one layer by their last name."""
        prefix = f"{self.name}/{layer}/"
        return {name.removeprefix(prefix): c for name, c in constants.items() if name.startswith(prefix)}


def style_targets(
    term: StyleTerm, encoder: Encoder, means: Mapping[str, NDArray[np.float64]]
) -> dict[str, Any]:
    """The constants of a style term, without the roots of its masks, from the means of a style by `layer/kind`."""
    targets = {}
    for layer in term.layers:
        own = {kind: means[f"{layer}/{kind}"] for kind in term.loss.sums}
        for name, array in term.loss.targets(own).items():
            targets[f"{term.name}/{layer}/{name}"] = encoder.backend.from_numpy(array)
    return targets


def style_means(
    term: StyleTerm, encoder: Encoder, x: Any, mask: Mask | None = None
) -> dict[str, NDArray[np.float64]]:
    """Sums per position of style pictures x (N, 3, H, W) by `layer/kind`, on the host; see `StyleTerm.means`.

    Over the part of them that counts, a mask (H, W), or all; the term's own region does not matter.
    """
    term, own = _guide(replace(term, region=None), encoder, mask)

    def means(ops: Any, x: Any, sums: Any) -> dict[str, Any]:
        found = term.means(ops, Totals(sums, {}, encoder.positions))
        return {f"{layer}/{kind}": mean for layer, kinds in found.items() for kind, mean in kinds.items()}

    sums = encoder.measure(statistics_of([term], encoder.network), x, own)
    outputs = encoder.backend.evaluate(means, next(iter(sums.values())), sums)
    return {name: np.asarray(encoder.backend.to_numpy(mean), np.float64) for name, mean in outputs.items()}


def _guide(term: StyleTerm, encoder: Encoder, mask: Mask | None) -> tuple[StyleTerm, list[dict[str, Any]]]:
    """The term on a region, with the roots of the mask (H, W) at its layers for each view; unchanged without a mask.

    SettingsError: the mask covers no position of a layer.
    """
    if mask is None:
        return term, [{} for _ in encoder.views]
    carried = carry(mask, term.layers, encoder.convolutions)
    region = {layer: float(weights.sum(dtype=np.float64)) for layer, weights in carried.items()}
    for layer, sum_of_weights in region.items():
        if not sum_of_weights:
            raise SettingsError(
                f"a mask covers nothing that {layer} sees: use a larger region or shallower layers"
            )
    return replace(term, region=region), roots(term.name, encoder, carried)


@dataclass(frozen=True)
class Style:
    """The recipe; see `Loss`.

    Attributes:
        weights: w_l by layer, times the paper's E_l.
        channels: N_l by layer.
        loss: E_l.
        beta: weight of the loss. None: relative to a picture without features, layer by layer, times `balance`.
        balance: weight of the relative loss.
        smoothed: whether the encoder's features are E = exp(F / T).

    The relative loss is the mean over the layers of w_l E_l, each over its own unit, so that no layer speaks louder
    than another because a network has larger activations there.

    With regions the loss is the sum over them of lambda_r E_r (Gatys et al., CVPR 2017, eq. 4). lambda_r is the part of
    the picture that the region covers, times the style's share, over the style's own unit: every pixel is pulled alike,
    however small its region and however faint its style. One region for all keeps the blend.
    """

    weights: Mapping[str, float]
    channels: Mapping[str, int]
    loss: StyleLoss = STYLE_LOSSES["gram"]
    beta: float | None = None
    balance: float = 1.0
    smoothed: bool = False
    name: str = "style"
    depends_on_content: bool = False

    @property
    def layers(self) -> tuple[str, ...]:
        """Those of the weights."""
        return tuple(self.weights)

    def prepare(self, encoder: Encoder, scene: Scene) -> Prepared:
        """See `Loss`."""
        beta = self.balance if self.beta is None else self.beta
        places = places_of(scene)
        if places[0][0] is None:
            term, shared, _ = self._region(self.name, encoder, scene.styles)
            if self.beta is None:
                term, factors = _relative(term, _featureless_losses(term, encoder, shared))
                shared |= _on_device(encoder, factors)
            return Prepared(term, beta, shared)
        pulls = [1.0] if len(places) == 1 else [style.share * len(scene.styles) for style in scene.styles]
        shared = {}
        local: list[dict[str, Any]] = [{} for _ in encoder.views]
        terms, units = [], []
        for number, (mask, styles) in enumerate(places, start=1):
            term, targets, own = self._region(f"{self.name} {number}", encoder, styles, mask)
            shared |= targets
            local = [{**view, **root} for view, root in zip(local, own, strict=True)]
            by_layer = _featureless_losses(term, encoder, targets)
            if self.beta is None:
                term, factors = _relative(term, by_layer)
                shared |= _on_device(encoder, factors)
                units.append(1.0)
            else:
                units.append(sum(weight * by_layer[layer] for layer, weight in self.weights.items()))
            terms.append(term)
        masks = [mask for mask, _ in places if mask is not None]
        areas = [pull * float(mask.mean()) for pull, mask in zip(pulls, masks, strict=True)]
        whole = sum(area * unit for area, unit in zip(areas, units, strict=True)) / sum(areas)
        scales = [whole / unit if unit > 0 else 1.0 for unit in units]
        lambdas = {
            f"{term.name}/lambda": area * scale
            for term, area, scale in zip(terms, areas, scales, strict=True)
        }
        shared |= _on_device(encoder, lambdas)
        return Prepared(WeightedSum(self.name, tuple(zip(terms, lambdas, strict=True))), beta, shared, local)

    def _region(
        self, name: str, encoder: Encoder, styles: Sequence[StylePicture], mask: Mask | None = None
    ) -> tuple[StyleTerm, dict[str, Any], list[dict[str, Any]]]:
        """The term of one region (H, W), the targets of its blended styles, and the roots of its mask."""
        whole = term = StyleTerm(self.weights, self.channels, name, self.loss, smoothed=self.smoothed)
        guided, own = _guide(whole, encoder, mask)
        shares: dict[str, float] = {}
        if guided.region is not None:
            shares = {f"{name}/{layer}/share": 1.0 / float(m) for layer, m in guided.region.items()}
            term = replace(whole, region=dict(zip(guided.region, shares, strict=True)))
        blend: dict[str, NDArray[np.float64]] = {}
        for style in styles:
            picture = style.picture
            for key, mean in _means(whole, encoder.resized(picture.height, picture.width), style).items():
                blend[key] = blend.get(key, 0.0) + style.share * mean
        return term, style_targets(term, encoder, blend) | _on_device(encoder, shares), own


def _means(term: StyleTerm, encoder: Encoder, style: StylePicture) -> dict[str, NDArray[np.float64]]:
    """`style_means` of one style: once for its size, whatever the contents are and wherever it acts."""
    backend = encoder.backend
    key = style.mark, tuple(term.layers), term.loss.sums, *encoder.setting
    means: dict[str, NDArray[np.float64]] | None = encoder.known.find(key)
    if means is None:
        part = None if style.mask is None else fit(style.mask, *style.picture.size)
        means = style_means(term, encoder, backend.from_numpy(planar(style.picture)), part)
        encoder.known.put(key, means)
    return means


def _featureless_losses(term: StyleTerm, encoder: Encoder, targets: Mapping[str, Any]) -> dict[str, float]:
    """E_l of a picture without features, by layer."""
    backend = encoder.backend
    like = next(iter(targets.values()))  # the picture does not matter
    outputs = backend.evaluate(lambda ops, x, c: term.featureless_losses(ops, c), like, targets)
    return dict(zip(outputs, backend.space.scalars(list(outputs.values())).tolist(), strict=True))


def _relative(term: StyleTerm, units: Mapping[str, float]) -> tuple[StyleTerm, dict[str, float]]:
    """The term weighted as the mean of w_l E_l over its unit, and these weights by the names of their constants.

    A layer without any style does not count.
    """
    active = {layer: float(weight) for layer, weight in term.weights.items() if units[layer] > 0}
    total = sum(active.values())
    names = {layer: f"{term.name}/{layer}/weight" for layer in term.weights}
    weights = {
        name: active[layer] / (total * units[layer]) if layer in active else 0.0
        for layer, name in names.items()
    }
    return replace(term, weights=names), weights


def _on_device(encoder: Encoder, numbers: Mapping[str, float]) -> dict[str, Any]:
    return {name: encoder.backend.from_numpy(np.array(number)) for name, number in numbers.items()}
