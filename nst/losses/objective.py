"""Weighted terms on named layers, put together into the one function that a backend differentiates.

Each term is an energy of additive statistics (see `nst.losses`). A purely local term, such as the content
loss, is the special case of a scalar statistic whose energy is the statistic itself.

Constants are named `term/layer/...`: feature maps of the content picture (P), roots of masks, statistics of the style
pictures per position, or weights. `inner/layer` and `smooth/layer` are reserved: see `inner_features`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from nst.encoding.encoder import inner_features
from nst.losses.term import Factor, Loss, Term, Totals, add_up, scaled
from nst.models import vgg
from nst.protocol import LossFunction, Network, Ops, TensorFunction

T = TypeVar("T")

EnergyFunction: TypeAlias = Callable[[Ops[T], Mapping[str, T], Mapping[str, T]], tuple[T, dict[str, T]]]
"""(ops, statistics of the whole picture, constants) -> (total, unweighted terms by name)."""


def loss_function(
    terms: Sequence[tuple[Term, Factor]], network: Network[Any], height: int, width: int
) -> LossFunction[Any]:
    """L_total = alpha L_content + beta L_style + ...; Gatys et al. 2016, eq. 7.

    For a picture of height x width pixels. The terms come with their weights; those that come back are unweighted.
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


def energy_of(terms: Sequence[tuple[Term, Factor]], positions: Mapping[str, int]) -> EnergyFunction[Any]:
    """The weighted sum of the terms' energies, and the energies; for M_l of the whole picture, see `positions_of`."""

    def function(
        ops: Ops[T], statistics: Mapping[str, T], constants: Mapping[str, T]
    ) -> tuple[T, dict[str, T]]:
        totals: Totals[T] = Totals(statistics, constants, positions)
        values = {term.name: term.energy(ops, totals) for term, _ in terms}
        parts = [scaled(ops, values[term.name], weight, constants) for term, weight in terms]
        return add_up(ops, parts), values

    return function


def positions_of(terms: Sequence[Term], height: int, width: int) -> dict[str, int]:
    """M_l by layer of a picture of height x width pixels."""
    sizes = {layer: vgg.layer_size(layer, height, width) for layer in layers_of(terms)}
    return {layer: rows * columns for layer, (rows, columns) in sizes.items()}


def layers_of(losses: Sequence[Term | Loss]) -> tuple[str, ...]:
    """The layers that terms or losses read, in network order."""
    read = {layer for loss in losses for layer in loss.layers}
    return tuple(layer for layer in vgg.LAYER_NAMES if layer in read)
