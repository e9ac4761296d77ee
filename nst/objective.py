"""Weighted terms on named layers, put together into the one function that a backend differentiates.

Each term is an energy of additive statistics (see `nst.losses`). A purely local term, such as the content
loss, is the special case of a scalar statistic whose energy is the statistic itself. To add a loss, write a
class with the members of `Term`.

Constants are named `term/layer`: feature maps of the content picture (P), or statistics of the style
pictures per position (A / M_l).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from nst import losses
from nst.models import vgg
from nst.protocol import LossFunction, Network, Ops, TensorFunction

__all__ = ["ContentTerm", "StyleTerm", "Term", "TotalVariationTerm", "loss_function", "statistics_function"]

T = TypeVar("T")
Positions = Mapping[str, int]


class Term(Protocol):
    """One loss: additive statistics of the picture, and an energy of them."""

    @property
    def name(self) -> str:
        """Key of the loss in traces and prefix of its statistics and constants."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers whose feature maps it reads."""

    def statistics(
        self, ops: Ops[T], x: T, features: Mapping[str, T], constants: Mapping[str, T]
    ) -> dict[str, T]:
        """Sums over positions of x (N, 3, H, W) and of its features, additive over disjoint regions."""

    def energy(
        self, ops: Ops[T], statistics: Mapping[str, T], constants: Mapping[str, T], positions: Positions
    ) -> T:
        """The unweighted loss, a scalar, from the statistics of the whole picture and M_l by layer."""

    def reference(self, ops: Ops[T], constants: Mapping[str, T]) -> T:
        """The loss of a picture without any features: the unit of a relative weight."""


@dataclass(frozen=True)
class StyleTerm:
    """L_style = sum_l w_l E_l; Gatys et al. 2016, eq. 5.

    Attributes:
        weights: w_l by layer.
        channels: N_l by layer.
        name: constants are `name/layer`: A / M_l(a), (N, N_l, N_l).
    """

    weights: Mapping[str, float]
    channels: Mapping[str, int]
    name: str = "style"

    @property
    def layers(self) -> tuple[str, ...]:
        """See `Term`."""
        return tuple(self.weights)

    def statistics(
        self, ops: Ops[T], x: T, features: Mapping[str, T], constants: Mapping[str, T]
    ) -> dict[str, T]:
        """The Gram matrix of each layer (eq. 3)."""
        return {f"{self.name}/{layer}": ops.gram(features[layer]) for layer in self.weights}

    def energy(
        self, ops: Ops[T], statistics: Mapping[str, T], constants: Mapping[str, T], positions: Positions
    ) -> T:
        """Sum over the layers of w_l E_l."""
        return _sum(
            ops,
            [
                ops.scale(
                    losses.gram_energy(
                        ops,
                        statistics[f"{self.name}/{layer}"],
                        constants[f"{self.name}/{layer}"],
                        self.channels[layer],
                        positions[layer],
                    ),
                    weight,
                )
                for layer, weight in self.weights.items()
            ],
        )

    def reference(self, ops: Ops[T], constants: Mapping[str, T]) -> T:
        """sum_l w_l / (4 N_l^2) sum (A / M)^2."""
        zero = {
            f"{self.name}/{layer}": ops.scale(constants[f"{self.name}/{layer}"], 0.0)
            for layer in self.weights
        }
        return self.energy(ops, zero, constants, dict.fromkeys(self.weights, 1))


@dataclass(frozen=True)
class ContentTerm:
    """sum_l w_l L_content,l; Gatys et al. 2016, eq. 1 (the paper has one layer, conv4_2).

    Attributes:
        weights: w_l by layer.
        name: constants are `name/layer`: P, (N, N_l, H_l, W_l).
    """

    weights: Mapping[str, float]
    name: str = "content"

    @property
    def layers(self) -> tuple[str, ...]:
        """See `Term`."""
        return tuple(self.weights)

    def statistics(
        self, ops: Ops[T], x: T, features: Mapping[str, T], constants: Mapping[str, T]
    ) -> dict[str, T]:
        """The loss of each layer: it is a sum over positions already."""
        return {
            f"{self.name}/{layer}": losses.content_loss(
                ops, features[layer], constants[f"{self.name}/{layer}"]
            )
            for layer in self.weights
        }

    def energy(
        self, ops: Ops[T], statistics: Mapping[str, T], constants: Mapping[str, T], positions: Positions
    ) -> T:
        """Sum over the layers of w_l L_content,l."""
        return _sum(
            ops, [ops.scale(statistics[f"{self.name}/{layer}"], w) for layer, w in self.weights.items()]
        )

    def reference(self, ops: Ops[T], constants: Mapping[str, T]) -> T:
        """sum_l w_l / 2 sum P^2."""
        silent = {layer: ops.scale(constants[f"{self.name}/{layer}"], 0.0) for layer in self.weights}
        first = next(iter(silent.values()))
        return self.energy(ops, self.statistics(ops, first, silent, constants), constants, {})


@dataclass(frozen=True)
class TotalVariationTerm:
    """Total variation of the picture itself; see `nst.losses.total_variation`."""

    power: Literal[1, 2] = 2
    name: str = "tv"

    @property
    def layers(self) -> tuple[str, ...]:
        """It reads none."""
        return ()

    def statistics(
        self, ops: Ops[T], x: T, features: Mapping[str, T], constants: Mapping[str, T]
    ) -> dict[str, T]:
        """The loss itself: a sum over neighbouring pixels."""
        return {self.name: losses.total_variation(ops, x, self.power)}

    def energy(
        self, ops: Ops[T], statistics: Mapping[str, T], constants: Mapping[str, T], positions: Positions
    ) -> T:
        """The statistic itself."""
        return statistics[self.name]

    def reference(self, ops: Ops[T], constants: Mapping[str, T]) -> T:
        """None: its weight is absolute."""
        raise NotImplementedError("total variation has no relative weight")


def loss_function(
    terms: Sequence[tuple[Term, float]], network: Network[Any], height: int, width: int
) -> LossFunction[Any]:
    """L_total = alpha L_content + beta L_style + ...; Gatys et al. 2016, eq. 7.

    Args:
        terms: each with its weight. The terms that come back are unweighted.
        network: returns at least the layers that the terms read.
        height: H of the generated picture, in pixels.
        width: W of the generated picture, in pixels.
    """
    layers = sorted({layer for term, _ in terms for layer in term.layers})
    positions = {layer: _positions(layer, height, width) for layer in layers}

    def function(ops: Ops[T], x: T, constants: Mapping[str, T]) -> tuple[T, dict[str, T]]:
        features = network(ops, x) if layers else {}
        values = {}
        for term, _ in terms:
            statistics = term.statistics(ops, x, features, constants)
            values[term.name] = term.energy(ops, statistics, constants, positions)
        return _sum(ops, [ops.scale(values[term.name], weight) for term, weight in terms]), values

    return function


def statistics_function(term: Term, network: Network[Any]) -> TensorFunction[Any]:
    """The statistics of one picture: what a style picture's targets are made of."""

    def function(ops: Ops[T], x: T, constants: Mapping[str, T]) -> dict[str, T]:
        return term.statistics(ops, x, network(ops, x), constants)

    return function


def _positions(layer: str, height: int, width: int) -> int:
    layer_height, layer_width = vgg.layer_size(layer, height, width)
    return layer_height * layer_width


def _sum(ops: Ops[T], values: Sequence[T]) -> T:
    total = values[0]
    for value in values[1:]:
        total = ops.add(total, value)
    return total
