"""The content loss: formula, term, targets and recipe, plain and smoothed, and its targets swapped for the style's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from nst.encoding.encoder import Encoder, inner_features
from nst.errors import SettingsError
from nst.losses.regions import carry, places_of, roots
from nst.losses.term import Prepared, Totals, add_up
from nst.models import vgg
from nst.pictures.masks import fit
from nst.pictures.picture import planar
from nst.pictures.scene import Scene, StylePicture
from nst.protocol import HostArray, Ops

T = TypeVar("T")


@dataclass(frozen=True)
class ContentTerm:
    """sum_l w_l L_content,l; Gatys et al. 2016, eq. 1 (the paper has one layer, conv4_2)."""

    weights: Mapping[str, float]  # w_l by layer
    # constants: `name/layer/maps`, P, (N, N_l, H_l, W_l), and if guided `name/layer/root`, (1, 1, H_l, W_l),
    # the root of the weight of each position
    name: str = "content"
    guided: bool = False  # positions have weights

    @property
    def layers(self) -> tuple[str, ...]:
        """See `Term`."""
        return tuple(self.weights)

    @property
    def spatial(self) -> Mapping[str, str]:
        """P, and the roots of the weights."""
        kinds = ("maps", "root") if self.guided else ("maps",)
        return {f"{self.name}/{layer}/{kind}": layer for layer in self.weights for kind in kinds}

    def statistics(
        self, ops: Ops[T], x: T, features: Mapping[str, T], constants: Mapping[str, T]
    ) -> dict[str, T]:
        """The loss of each layer: it is a sum over positions already."""
        statistics = {}
        for layer in self.weights:
            maps, target = features[layer], constants[f"{self.name}/{layer}/maps"]
            if self.guided:
                root = constants[f"{self.name}/{layer}/root"]
                maps, target = ops.modulate(maps, root), ops.modulate(target, root)
            statistics[f"{self.name}/{layer}"] = content_loss(ops, maps, target)
        return statistics

    def energy(self, ops: Ops[T], totals: Totals[T]) -> T:
        """Sum over the layers of w_l L_content,l."""
        losses = [
            ops.scale(totals.statistics[f"{self.name}/{layer}"], w) for layer, w in self.weights.items()
        ]
        return add_up(ops, losses)

    def featureless_loss(self, ops: Ops[T], constants: Mapping[str, T]) -> T:
        """The loss of a picture without features, sum_l w_l / 2 sum P^2: the unit of a relative weight."""
        silent = {layer: ops.scale(constants[f"{self.name}/{layer}/maps"], 0.0) for layer in self.weights}
        first = next(iter(silent.values()))
        statistics = self.statistics(ops, first, silent, constants)
        return self.energy(ops, Totals(statistics, constants, {}))


def content_loss(ops: Ops[T], features: T, target: T) -> T:
    """L_content = 1/2 sum_ij (F_ij - P_ij)^2; Gatys et al. 2016, eq. 1. A sum over positions and the batch.

    F and P are (N, N_l, H_l, W_l).
    """
    return ops.scale(ops.sum(ops.square(ops.sub(features, target))), 0.5)


@dataclass(frozen=True)
class SmoothedContentTerm(ContentTerm):
    """The content loss of E / z with z the mean of E; batches of 1 only.

    1/2 sum (E/z - P)^2 = 1/2 sum E^2 / z^2 - sum E P / z + 1/2 sum P^2: z is known once all positions have been seen,
    the sums are additive. `name/layer/maps` holds the content's own E / z as P.
    """

    channels: Mapping[str, int] = field(kw_only=True)  # N_l by layer

    def statistics(
        self, ops: Ops[T], x: T, features: Mapping[str, T], constants: Mapping[str, T]
    ) -> dict[str, T]:
        """Sums of E, E^2, E P and P^2: `name/layer/total`, `/own`, `/cross`, `/target`."""
        statistics = {}
        for layer in self.weights:
            prefix = f"{self.name}/{layer}"
            maps, target = features[layer], constants[f"{prefix}/maps"]
            statistics[f"{prefix}/total"] = ops.sum(maps)
            if self.guided:
                root = constants[f"{prefix}/root"]
                maps, target = ops.modulate(maps, root), ops.modulate(target, root)
            statistics[f"{prefix}/own"] = ops.sum(ops.square(maps))
            statistics[f"{prefix}/cross"] = ops.sum(ops.multiply(maps, target))
            statistics[f"{prefix}/target"] = ops.sum(ops.square(target))
        return statistics

    def energy(self, ops: Ops[T], totals: Totals[T]) -> T:
        """Sum over the layers of w_l L_content,l."""
        parts = []
        for layer, weight in self.weights.items():
            total, own, cross, target = (
                totals.statistics[f"{self.name}/{layer}/{kind}"]
                for kind in ("total", "own", "cross", "target")
            )
            z = ops.scale(total, 1.0 / (self.channels[layer] * totals.positions[layer]))
            halves = ops.scale(ops.add(ops.divide(own, ops.square(z)), target), 0.5)
            parts.append(ops.scale(ops.sub(halves, ops.divide(cross, z)), weight))
        return add_up(ops, parts)

    def featureless_loss(self, ops: Ops[T], constants: Mapping[str, T]) -> T:
        """sum_l w_l / 2 sum (1 - P)^2: without features E / z is 1 at every inner position."""
        silent = {layer: ops.scale(constants[f"{self.name}/{layer}/maps"], 0.0) for layer in self.weights}
        first = next(iter(silent.values()))
        statistics = super().statistics(ops, first, inner_features(ops, silent, constants), constants)
        return super().energy(ops, Totals(statistics, constants, {}))


def content_targets(term: ContentTerm, encoder: Encoder, x: Any) -> list[dict[str, Any]]:
    """P of x (N, 3, H, W), on the device, by constant name for each view, 0 outside its inner positions.

    Without the roots of a mask. P of a smoothed term is E over its mean.
    """
    found = encoder.maps(x, term.layers)
    if isinstance(term, SmoothedContentTerm):
        means = {layer: _sum(encoder, [maps[layer] for maps in found]) for layer in term.layers}
        for layer, channels in term.channels.items():
            means[layer] /= channels * encoder.positions[layer]
        space = encoder.backend.space
        found = [
            {layer: space.lincomb([1.0 / means[layer]], [maps]) for layer, maps in own.items()}
            for own in found
        ]
    return [{f"{term.name}/{layer}/maps": maps for layer, maps in own.items()} for own in found]


def _sum(encoder: Encoder, tensors: Sequence[Any]) -> float:
    """Of all elements of all tensors."""
    backend = encoder.backend
    total = encoder.function("sum", lambda ops, x, _: {"y": ops.sum(x)})
    sums = [backend.evaluate(total, tensor, {})["y"] for tensor in tensors]
    return float(sum(backend.space.scalars(sums)))


MOST = 16384
"""Positions of a style that are looked through; of a larger one every second, third, ... is taken."""


def swapped(
    term: ContentTerm, encoder: Encoder, scene: Scene, local: Sequence[Mapping[str, Any]], share: float
) -> list[dict[str, Any]]:
    """The targets `local` with a share of them swapped for the style's own features.

    Each position takes the feature of the style that is most like its own: the greatest cosine of the features less
    their means over the picture. Chen and Schmidt, *Fast Patch-based Style Transfer of Arbitrary Style*, 2016 (there
    patches of 3x3 positions); Kolkin et al., *Neural Neighbor Style Transfer*, 2022. Where regions have styles of their
    own it looks there; several styles are blended by their shares; what is protected keeps its target.
    SettingsError: there is no style picture.
    """
    if not scene.styles:
        raise SettingsError("content swap needs a style picture to take features from")
    found = [dict(view) for view in local]
    features = {style.mark: _features(term, encoder, style) for style in scene.styles}
    for layer in term.layers:
        key = f"{term.name}/{layer}/maps"
        own = [encoder.backend.to_numpy(view[key]) for view in local]
        mean = sum(maps.sum(axis=(0, 2, 3), dtype=np.float64) for maps in own) / encoder.positions[layer]
        targets, inner = [maps.copy() for maps in own], _inner(encoder, layer)
        for mask, styles in places_of(scene):
            weights = inner
            if mask is not None:
                carried = carry(mask, (layer,), encoder.convolutions)[layer]
                parts = encoder.place(layer, carried[None, None])
                weights = [w * encoder.backend.to_numpy(part) for w, part in zip(inner, parts, strict=True)]
            for style in styles:
                choice = features[style.mark][layer]
                for target, maps, weight in zip(targets, own, weights, strict=True):
                    target += share * style.share * weight * (_nearest(maps, mean, choice) - maps)
        for view, target in zip(found, targets, strict=True):
            view[key] = encoder.backend.from_numpy(target)
    return found


def _nearest(maps: HostArray, mean: HostArray, features: HostArray) -> HostArray:
    """For each position of maps (1, C, H, W) the one of features (K, C) that is most like it less `mean`, (C,)."""
    flat = maps[0].reshape(len(mean), -1) - mean[:, None].astype(maps.dtype)
    centred = features - features.mean(axis=0)
    # a cosine, but for the length of `flat`, which no choice depends on
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    blocks = (flat[:, start : start + 2048] for start in range(0, flat.shape[1], 2048))
    chosen = np.concatenate([np.argmax(centred @ block, axis=0) for block in blocks])
    return np.asarray(features[chosen].T.reshape(maps.shape))


def _features(term: ContentTerm, encoder: Encoder, style: StylePicture) -> dict[str, HostArray]:
    """What the term sees of a style, (K, C) by layer, `MOST` positions at most; worked out once for its size."""
    height, width = style.picture.height, style.picture.width
    backend, own = encoder.backend, encoder.resized(height, width)
    key = "features", style.mark, term, height, width, *encoder.setting
    known: dict[str, HostArray] | None = encoder.known.find(key)
    if known is not None:
        return known
    found = {}
    views = content_targets(term, own, backend.from_numpy(planar(style.picture)))
    for layer in term.layers:
        counted = _inner(own, layer)
        if style.mask is not None:
            part = carry(fit(style.mask, width, height), (layer,), own.convolutions)[layer]
            parts = own.place(layer, (part > part.max() / 2)[None, None].astype(np.float32))
            counted = [w * backend.to_numpy(part) for w, part in zip(counted, parts, strict=True)]
        maps = [backend.to_numpy(view[f"{term.name}/{layer}/maps"])[0] for view in views]
        rows = np.concatenate([m[:, w[0, 0] > 0].T for m, w in zip(maps, counted, strict=True)])
        found[layer] = rows[:: -(-len(rows) // MOST)]
    encoder.known.put(key, found)
    return found


def _inner(encoder: Encoder, layer: str) -> list[HostArray]:
    """1 at the positions of each view that count, (1, 1, H_l, W_l) or a part of it that broadcasts."""
    whole = np.ones((1, 1, *vgg.layer_size(layer, encoder.height, encoder.width)), np.float32)
    name = f"inner/{layer}"
    return [
        encoder.backend.to_numpy(view.constants[name]) if name in view.constants else whole
        for view in encoder.views
    ]


@dataclass(frozen=True)
class Content:
    """The recipe; see `Loss`.

    Attributes:
        weights: w_l by layer.
        channels: N_l by layer.
        alpha: weight of the loss at the size of the result. At a coarser one it is multiplied by the ratio of the
            pixels, since the paper's loss is a sum over positions and its style loss is not. None: 1 over the loss of a
            picture without features, so that the weighted loss is relative.
        mean: whether the loss of a layer is the mean of (F - P)^2 in place of half the sum; alpha is then the same at
            every size.
        smoothed: whether the encoder's features are E = exp(F / T).
        swap: the share of the targets that is swapped for the style's own features, from 0 to 1; see `swapped`.
    """

    weights: Mapping[str, float]
    channels: Mapping[str, int]
    alpha: float | None = None
    mean: bool = False
    smoothed: bool = False
    swap: float = 0.0
    name: str = "content"
    depends_on_content: bool = True

    @property
    def layers(self) -> tuple[str, ...]:
        """Those of the weights."""
        return tuple(self.weights)

    def prepare(self, encoder: Encoder, scene: Scene) -> Prepared:
        """See `Loss`."""
        factors, mask = self.factors(encoder.height, encoder.width), scene.masks.content
        term = ContentTerm(factors, self.name, guided=mask is not None)
        if self.smoothed:
            channels = {layer: self.channels[layer] for layer in factors}
            term = SmoothedContentTerm(factors, self.name, guided=mask is not None, channels=channels)
        local = content_targets(term, encoder, encoder.backend.from_numpy(planar(scene.content)))
        if self.swap:
            local = swapped(term, encoder, scene, local, self.swap)
        if mask is not None:
            carried = carry(fit(mask, *scene.size, scene.masks.feather), factors, encoder.convolutions)
            own = roots(term.name, encoder, carried)
            local = [maps | root for maps, root in zip(local, own, strict=True)]
        if self.alpha is None:
            unit = _featureless_loss(term, encoder, local)
            alpha = 1.0 / unit if unit > 0 else 1.0
        else:
            alpha = self.alpha if self.mean else self.alpha * scene.reduction
        return Prepared(term, alpha, local=local)

    def factors(self, height: int, width: int) -> dict[str, float]:
        """Times the paper's loss by layer, at height x width pixels: w_l, times 2 / (N_l M_l) for a mean."""
        if not self.mean:
            return dict(self.weights)
        sizes = {layer: vgg.layer_size(layer, height, width) for layer in self.weights}
        return {
            layer: weight * (2.0 / (self.channels[layer] * sizes[layer][0] * sizes[layer][1]))
            for layer, weight in self.weights.items()
        }


def _featureless_loss(term: ContentTerm, encoder: Encoder, local: Sequence[Mapping[str, Any]]) -> float:
    """`ContentTerm.featureless_loss`, added up over the views with these constants."""
    backend, total = encoder.backend, 0.0
    unit = encoder.function(("unit", term), lambda ops, x, c: {"y": term.featureless_loss(ops, c)})
    for targets, view in zip(local, encoder.views, strict=True):
        like = next(iter(targets.values()))  # the picture does not matter
        outputs = backend.evaluate(unit, like, {**targets, **view.constants})
        total += float(backend.space.scalars([outputs["y"]])[0])
    return total
