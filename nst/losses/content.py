"""The content loss: formula, term, targets and recipe, plain and smoothed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from nst.encoding.encoder import Encoder, inner_features
from nst.losses.regions import carry, roots
from nst.losses.term import Prepared, Totals, add_up
from nst.models import vgg
from nst.pictures.masks import fit
from nst.pictures.picture import planar
from nst.pictures.scene import Scene
from nst.protocol import Ops

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
    """

    weights: Mapping[str, float]
    channels: Mapping[str, int]
    alpha: float | None = None
    mean: bool = False
    smoothed: bool = False
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
