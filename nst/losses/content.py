"""The content loss: formula, term and target, plain and smoothed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from nst.encoding.encoder import Canvas
from nst.losses.objective import inner_features, positions_of
from nst.losses.term import add_up
from nst.pictures.picture import Picture, planar
from nst.protocol import Network, Ops

__all__ = ["ContentTerm", "SmoothedContentTerm", "content_loss", "content_targets"]

T = TypeVar("T")


@dataclass(frozen=True)
class ContentTerm:
    """sum_l w_l L_content,l; Gatys et al. 2016, eq. 1 (the paper has one layer, conv4_2).

    Attributes:
        weights: w_l by layer.
        name: constants are `name/layer/maps`: P, (N, N_l, H_l, W_l), and `name/layer/root`, (1, 1, H_l, W_l), of a
            guided term: the root of the weight of each position.
        guided: whether positions have weights.
    """

    weights: Mapping[str, float]
    name: str = "content"
    guided: bool = False

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

    def energy(
        self,
        ops: Ops[T],
        statistics: Mapping[str, T],
        constants: Mapping[str, T],
        positions: Mapping[str, int],
    ) -> T:
        """Sum over the layers of w_l L_content,l."""
        return add_up(
            ops, [ops.scale(statistics[f"{self.name}/{layer}"], w) for layer, w in self.weights.items()]
        )

    def reference(self, ops: Ops[T], constants: Mapping[str, T]) -> T:
        """sum_l w_l / 2 sum P^2."""
        silent = {layer: ops.scale(constants[f"{self.name}/{layer}/maps"], 0.0) for layer in self.weights}
        first = next(iter(silent.values()))
        return self.energy(ops, self.statistics(ops, first, silent, constants), constants, {})


def content_loss(ops: Ops[T], features: T, target: T) -> T:
    """L_content = 1/2 sum_ij (F_ij - P_ij)^2; Gatys et al. 2016, eq. 1. A sum over positions.

    Args:
        ops: the backend's primitives.
        features: F, (N, N_l, H_l, W_l).
        target: P, the same shape.

    Returns:
        A scalar, summed over the batch.
    """
    return ops.scale(ops.sum(ops.square(ops.sub(features, target))), 0.5)


def content_targets(
    term: ContentTerm, network: Network[Any], canvas: Canvas, picture: Picture
) -> list[dict[str, Any]]:
    """P by layer for each view, 0 outside its inner positions; of a smoothed term E over its mean."""
    backend = canvas.backend

    def features(ops: Any, x: Any, constants: Any) -> dict[str, Any]:
        maps = inner_features(ops, network(ops, x), constants)
        sums = {f"sum/{layer}": ops.sum(maps[layer]) for layer in term.layers}
        return {f"{term.name}/{layer}/maps": maps[layer] for layer in term.layers} | sums

    outputs = [
        backend.evaluate(features, part, inner)
        for part, inner in canvas.parts(backend.from_numpy(planar(picture)))
    ]
    names = {f"{term.name}/{layer}/maps": layer for layer in term.layers}
    if not isinstance(term, SmoothedContentTerm):
        return [{name: found[name] for name in names} for found in outputs]
    positions = positions_of([term], picture.height, picture.width)
    means = {
        layer: sum(backend.space.scalars([found[f"sum/{layer}"] for found in outputs]))
        / (term.channels[layer] * positions[layer])
        for layer in term.layers
    }
    return [
        {name: backend.space.lincomb([1.0 / means[layer]], [found[name]]) for name, layer in names.items()}
        for found in outputs
    ]


@dataclass(frozen=True)
class SmoothedContentTerm(ContentTerm):
    """The content loss of E / z with z the mean of E; batches of 1 only.

    1/2 sum (E/z - P)^2 = 1/2 sum E^2 / z^2 - sum E P / z + 1/2 sum P^2: z is known once all positions have been seen,
    the sums are additive. `name/layer/maps` holds the content's own E / z as P.

    Attributes:
        channels: N_l by layer.
    """

    channels: Mapping[str, int] = field(kw_only=True)

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

    def energy(
        self,
        ops: Ops[T],
        statistics: Mapping[str, T],
        constants: Mapping[str, T],
        positions: Mapping[str, int],
    ) -> T:
        """Sum over the layers of w_l L_content,l."""
        parts = []
        for layer, weight in self.weights.items():
            total, own, cross, target = (
                statistics[f"{self.name}/{layer}/{kind}"] for kind in ("total", "own", "cross", "target")
            )
            z = ops.scale(total, 1.0 / (self.channels[layer] * positions[layer]))
            halves = ops.scale(ops.add(ops.divide(own, ops.square(z)), target), 0.5)
            parts.append(ops.scale(ops.sub(halves, ops.divide(cross, z)), weight))
        return add_up(ops, parts)

    def reference(self, ops: Ops[T], constants: Mapping[str, T]) -> T:
        """sum_l w_l / 2 sum (1 - P)^2: without features E / z is 1 at every inner position."""
        flat = {
            layer: ops.exp(ops.scale(constants[f"{self.name}/{layer}/maps"], 0.0)) for layer in self.weights
        }
        first = next(iter(flat.values()))
        statistics = super().statistics(ops, first, inner_features(ops, flat, constants), constants)
        return super().energy(ops, statistics, constants, {})
