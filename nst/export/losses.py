"""The losses as an exported graph has them: what comes from pictures is an input, and an output for a picture's own.

A run of the library works out targets and weights once and then takes steps. A program without the library gets both
from the very graph that takes the steps: run on the photograph it gives the targets and weights of the content loss,
run on the painting those of the style loss. They are outputs named `own/NAME`, and inputs named `NAME`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from nst.encoding.encoder import Encoder, inner_features
from nst.engine.stage import Problem
from nst.engine.weights import losses_of
from nst.losses.content import Content, ContentTerm
from nst.losses.objective import energy_of, statistics_of
from nst.losses.style import Style, StyleTerm
from nst.losses.style_statistics import Gram
from nst.protocol import Network, Ops
from nst.transfer import StyleTransfer

__all__ = ["ExportedLosses", "Outcome"]

T = TypeVar("T")

FIXED = ("inner/", "tv/height", "tv/width")
"""How constants begin that are the same for all pictures of a size."""


@dataclass(frozen=True)
class Outcome:
    """What the graph computes of a picture; the values are tensors of any kind.

    Attributes:
        total: the sum of weight times loss.
        losses: unweighted, by name.
        own: the picture's own targets and weights, by the names of the inputs that take them; numbers where the
            settings fix a weight.
    """

    total: Any
    losses: Mapping[str, Any]
    own: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class ExportedLosses:
    """See the module.

    Attributes:
        transfer: set up for pictures of the size.
        problem: what it minimises there.
    """

    transfer: StyleTransfer
    problem: Problem

    @classmethod
    def of(cls, transfer: StyleTransfer) -> ExportedLosses:
        """The losses of a transfer at its size."""
        return cls(transfer, transfer.stage(max(transfer.size)).problem)

    @property
    def encoder(self) -> Encoder:
        """What the features come from."""
        return self.problem.encoder

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """Targets and weights by name, those of the transfer's pictures, on the device."""
        return {
            name: value
            for name, value in self.problem.constants[0].items()
            if name in self._weights or not name.startswith(FIXED)
        }

    @cached_property
    def fixed(self) -> dict[str, Any]:
        """Constants that are the same for all pictures of the size, on the device."""
        constants = self.problem.constants[0]
        return {name: value for name, value in constants.items() if name not in self.inputs}

    @property
    def self_sufficient(self) -> bool:
        """Whether the targets of a style are outputs: a Gram matrix is one, and no picture is mirrored for it."""
        style = next((one.term for one in self.problem.losses if isinstance(one.term, StyleTerm)), None)
        plain = style is None or isinstance(style.loss, Gram)
        return plain and self.transfer.settings.padding != "circular"

    @property
    def _weights(self) -> set[str]:
        return {f"{loss.term.name}/weight" for loss in self.problem.losses}

    def __call__(self, ops: Ops[T], x: T, constants: Mapping[str, T]) -> Outcome:
        """The losses of x (1, 3, H, W), with `inputs` and `fixed` as constants."""
        terms = [loss.term for loss in self.problem.losses]
        network = _Once(self.encoder.seen)
        statistics = statistics_of(terms, network)(ops, x, constants)
        weighted = [(term, f"{term.name}/weight") for term in terms]
        total, losses = energy_of(weighted, self.encoder.positions)(ops, statistics, constants)
        features = inner_features(ops, network.maps, constants)
        return Outcome(total, losses, self._own(ops, features, statistics))

    def _own(self, ops: Ops[T], features: Mapping[str, T], statistics: Mapping[str, T]) -> dict[str, Any]:
        own: dict[str, Any] = {}
        recipes = losses_of(self.transfer.settings, self.transfer.weights)
        for recipe, loss in zip(recipes, self.problem.losses, strict=True):
            term = loss.term
            if isinstance(recipe, Content) and isinstance(term, ContentTerm):
                own |= _own_content(ops, recipe, term, features)
            elif isinstance(recipe, Style) and isinstance(term, StyleTerm):
                if self.self_sufficient:
                    means = term.means(ops, statistics, self.encoder.positions, {})
                    own |= _own_style(ops, recipe, term, means)
            else:
                own[f"{term.name}/weight"] = loss.weight
        return own


@dataclass
class _Once:
    """A network that is computed once, and keeps the feature maps."""

    network: Network[Any]
    maps: dict[str, Any] = field(default_factory=dict)

    @property
    def native(self) -> Any:
        """That of the network."""
        return self.network.native

    def __call__(self, ops: Ops[T], x: T) -> dict[str, T]:
        """See `nst.protocol.Network`."""
        self.maps = self.network(ops, x)
        return self.maps


def _own_content(
    ops: Ops[T], recipe: Content, term: ContentTerm, features: Mapping[str, T]
) -> dict[str, Any]:
    """The maps, and alpha: open, it is 1 over the loss of a picture without features."""
    maps: dict[str, Any] = {f"{term.name}/{layer}/maps": features[layer] for layer in term.layers}
    alpha = _inverse(ops, term.unit(ops, maps)) if recipe.alpha is None else recipe.alpha
    return {**maps, f"{term.name}/weight": alpha}


def _own_style(
    ops: Ops[T], recipe: Style, term: StyleTerm, means: Mapping[str, Mapping[str, T]]
) -> dict[str, Any]:
    """The Gram matrices, and beta; open, the weight of each layer is relative to a picture without features."""
    grams: dict[str, Any] = {f"{term.name}/{layer}/second": means[layer]["second"] for layer in term.layers}
    if recipe.beta is not None:
        return {**grams, f"{term.name}/weight": recipe.beta}
    units, total = term.units(ops, grams), sum(recipe.weights.values())
    relative = {
        f"{term.name}/{layer}/weight": ops.scale(_inverse(ops, units[layer]), weight / total)
        for layer, weight in recipe.weights.items()
    }
    return {**grams, **relative, f"{term.name}/weight": recipe.balance}


def _inverse(ops: Ops[T], a: T) -> T:
    """1 / a of a scalar."""
    return ops.divide(a, ops.square(a))
