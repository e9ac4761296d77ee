"""Weighted terms on named layers, put together into the one function that a backend differentiates.

Each term is an energy of additive statistics (see `nst.losses`). A purely local term, such as the content
loss, is the special case of a scalar statistic whose energy is the statistic itself. To add a loss, write a
class with the members of `Term`; those of the engine are in `nst.terms`.

Constants are named `term/layer/...`: feature maps of the content picture (P), roots of masks, or statistics of
the style pictures per position. `inner/layer` is reserved: see `statistics_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from nst.losses import add_up
from nst.models import vgg
from nst.protocol import Backend, LossFunction, Network, Ops, TensorFunction

__all__ = [
    "EnergyFunction",
    "ExtraTerm",
    "Term",
    "energy_of",
    "inner_features",
    "layers_of",
    "loss_function",
    "positions_of",
    "statistics_of",
]

T = TypeVar("T")

EnergyFunction: TypeAlias = Callable[[Ops[T], Mapping[str, T], Mapping[str, T]], tuple[T, dict[str, T]]]
"""(ops, statistics of the whole picture, constants) -> (total, unweighted terms by name)."""


class Term(Protocol):
    """One loss: additive statistics of the picture, and an energy of them."""

    @property
    def name(self) -> str:
        """Key of the loss in traces and prefix of its statistics and constants."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers whose feature maps it reads."""

    @property
    def spatial(self) -> Mapping[str, str]:
        """Constant name -> layer, for constants that live on the positions of a layer: (N|1, ., H_l, W_l).

        For a window of the picture they are cropped to the window's positions.
        """

    def statistics(
        self, ops: Ops[T], x: T, features: Mapping[str, T], constants: Mapping[str, T]
    ) -> dict[str, T]:
        """Sums over positions of x (N, 3, H, W) and of its features, additive over disjoint regions."""

    def energy(
        self,
        ops: Ops[T],
        statistics: Mapping[str, T],
        constants: Mapping[str, T],
        positions: Mapping[str, int],
    ) -> T:
        """The unweighted loss, a scalar, from the statistics of the whole picture and its M_l by layer.

        It reads no spatial constant.
        """

    def reference(self, ops: Ops[T], constants: Mapping[str, T]) -> T:
        """The loss of a picture without any features: the unit of a relative weight."""


class ExtraTerm(Protocol):
    """A loss of the caller's own: what makes its term for a picture of any size."""

    @property
    def weight(self) -> float:
        """What the term counts, whatever the size."""

    def at(self, backend: Backend[Any], width: int, height: int) -> tuple[Term, Mapping[str, Any]]:
        """The term for width x height pixels and its constants on the device, none of them spatial."""


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
    plain = [term for term, _ in terms]
    statistics = statistics_of(plain, network)
    energy = energy_of(terms, positions_of(plain, height, width))

    def function(ops: Ops[T], x: T, constants: Mapping[str, T]) -> tuple[T, dict[str, T]]:
        return energy(ops, statistics(ops, x, constants), constants)

    return function


def statistics_of(terms: Sequence[Term], network: Network[Any]) -> TensorFunction[Any]:
    """The statistics of all terms, for a picture or for one window of it.

    For a window the constants hold `inner/layer`, (1, 1, H_l, W_l) of 0 and 1, for every layer of the terms: the
    positions that count. Features and spatial constants (cropped to the window) are multiplied by it, so
    that the statistics of windows whose inner positions partition the picture add up to those of the picture.
    """
    layers = layers_of(terms)
    spatial = {name: layer for term in terms for name, layer in term.spatial.items()}

    def function(ops: Ops[T], x: T, constants: Mapping[str, T]) -> dict[str, T]:
        features = inner_features(ops, network(ops, x) if layers else {}, constants)
        cut = {
            name: ops.modulate(constants[name], constants[f"inner/{layer}"])
            for name, layer in spatial.items()
            if f"inner/{layer}" in constants
        }
        constants = {**constants, **cut}
        return {
            name: statistic
            for term in terms
            for name, statistic in term.statistics(ops, x, features, constants).items()
        }

    return function


def inner_features(ops: Ops[T], features: Mapping[str, T], constants: Mapping[str, T]) -> dict[str, T]:
    """The features of a window with 0 at the positions that do not count; see `statistics_of`."""
    return {
        layer: ops.modulate(maps, constants[f"inner/{layer}"]) if f"inner/{layer}" in constants else maps
        for layer, maps in features.items()
    }


def energy_of(terms: Sequence[tuple[Term, float]], positions: Mapping[str, int]) -> EnergyFunction[Any]:
    """The weighted sum of the terms' energies, and the energies.

    Args:
        terms: each with its weight.
        positions: M_l of the whole picture by layer; see `positions_of`.
    """

    def function(
        ops: Ops[T], statistics: Mapping[str, T], constants: Mapping[str, T]
    ) -> tuple[T, dict[str, T]]:
        values = {term.name: term.energy(ops, statistics, constants, positions) for term, _ in terms}
        return add_up(ops, [ops.scale(values[term.name], weight) for term, weight in terms]), values

    return function


def positions_of(terms: Sequence[Term], height: int, width: int) -> dict[str, int]:
    """M_l by layer of a picture of height x width pixels."""
    sizes = {layer: vgg.layer_size(layer, height, width) for layer in layers_of(terms)}
    return {layer: rows * columns for layer, (rows, columns) in sizes.items()}


def layers_of(terms: Sequence[Term]) -> tuple[str, ...]:
    """The layers that the terms read, in network order."""
    read = {layer for term in terms for layer in term.layers}
    return tuple(layer for layer in vgg.LAYER_NAMES if layer in read)
