"""Content, total variation, and a weighted sum of terms; see `nst.objective.Term`. The style: `nst.style_term`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from nst import losses
from nst.objective import Term
from nst.protocol import Ops

__all__ = ["ContentTerm", "SumTerm", "TotalVariationTerm"]

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
            statistics[f"{self.name}/{layer}"] = losses.content_loss(ops, maps, target)
        return statistics

    def energy(
        self,
        ops: Ops[T],
        statistics: Mapping[str, T],
        constants: Mapping[str, T],
        positions: Mapping[str, int],
    ) -> T:
        """Sum over the layers of w_l L_content,l."""
        return losses.add_up(
            ops, [ops.scale(statistics[f"{self.name}/{layer}"], w) for layer, w in self.weights.items()]
        )

    def reference(self, ops: Ops[T], constants: Mapping[str, T]) -> T:
        """sum_l w_l / 2 sum P^2."""
        silent = {layer: ops.scale(constants[f"{self.name}/{layer}/maps"], 0.0) for layer in self.weights}
        first = next(iter(silent.values()))
        return self.energy(ops, self.statistics(ops, first, silent, constants), constants, {})


@dataclass(frozen=True)
class TotalVariationTerm:
    """Total variation of the picture itself; see `nst.losses.total_variation`.

    Attributes:
        power: of the differences.
        name: a circular term has the constants `name/height`, (1, 1, H + 1, W + 2), and `name/width`, (1, 1, H + 2,
            W + 1): 1 for the differences within the picture and from its last pixels to its first, once each, and 0
            for the others that a picture with one pixel around it has.
        circular: whether the last pixels are neighbours of the first.
    """

    power: Literal[1, 2] = 2
    name: str = "tv"
    circular: bool = False
    layers: tuple[str, ...] = ()
    spatial: Mapping[str, str] = field(default_factory=dict)

    def statistics(
        self, ops: Ops[T], x: T, features: Mapping[str, T], constants: Mapping[str, T]
    ) -> dict[str, T]:
        """The loss itself: a sum over neighbouring pixels."""
        if not self.circular:
            return {self.name: losses.total_variation(ops, x, self.power)}
        masks = constants[f"{self.name}/height"], constants[f"{self.name}/width"]
        return {self.name: losses.total_variation(ops, ops.pad(x, 1, "circular"), self.power, masks)}

    def energy(
        self,
        ops: Ops[T],
        statistics: Mapping[str, T],
        constants: Mapping[str, T],
        positions: Mapping[str, int],
    ) -> T:
        """The statistic itself."""
        return statistics[self.name]

    def reference(self, ops: Ops[T], constants: Mapping[str, T]) -> T:
        """None: its weight is absolute."""
        raise NotImplementedError("total variation has no relative weight")


@dataclass(frozen=True)
class SumTerm:
    """A weighted sum of terms that counts as one: the styles of several regions, for example.

    Attributes:
        name: of the sum; the parts have names of their own.
        parts: terms with their weights.
    """

    name: str
    parts: tuple[tuple[Term, float], ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """Those of all parts."""
        return tuple(dict.fromkeys(layer for part, _ in self.parts for layer in part.layers))

    @property
    def spatial(self) -> Mapping[str, str]:
        """Those of all parts."""
        return {name: layer for part, _ in self.parts for name, layer in part.spatial.items()}

    def statistics(
        self, ops: Ops[T], x: T, features: Mapping[str, T], constants: Mapping[str, T]
    ) -> dict[str, T]:
        """Those of all parts."""
        result: dict[str, T] = {}
        for part, _ in self.parts:
            result |= part.statistics(ops, x, features, constants)
        return result

    def energy(
        self,
        ops: Ops[T],
        statistics: Mapping[str, T],
        constants: Mapping[str, T],
        positions: Mapping[str, int],
    ) -> T:
        """The weighted sum of the parts."""
        energies = [
            ops.scale(part.energy(ops, statistics, constants, positions), weight)
            for part, weight in self.parts
        ]
        return losses.add_up(ops, energies)

    def reference(self, ops: Ops[T], constants: Mapping[str, T]) -> T:
        """The weighted sum of the parts."""
        return losses.add_up(ops, [ops.scale(part.reference(ops, constants), w) for part, w in self.parts])
