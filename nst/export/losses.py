"""The losses as an exported graph has them: every weight is an input, and the targets of its own picture are outputs.

A run of the library works out targets and weights once and then takes steps. A program without the library gets both
from the very graph that takes the steps: run on the photograph it gives the targets and weights of the content loss,
run on the painting those of the style loss. They are outputs named `own/NAME`, and inputs named `NAME`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from nst.encoding.encoder import Encoder, inner_features
from nst.engine.stage import Problem
from nst.engine.weights import losses_of
from nst.losses.content import Content, ContentTerm
from nst.losses.style import Style, StyleTerm
from nst.losses.style_statistics import Gram
from nst.losses.term import Term, add_up
from nst.losses.total_variation import TotalVariation
from nst.protocol import Ops
from nst.transfer import StyleTransfer

__all__ = ["ExportedLosses", "Outcome"]

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """What the graph computes of a picture; the values are tensors of any kind.

    Attributes:
        total: the sum of weight times loss.
        losses: unweighted, by `TERM/LAYER` or `TERM`.
        own: the picture's own targets and weights, by the names of the inputs that take them; numbers where
            the settings fix a weight.
    """

    total: Any
    losses: Mapping[str, Any]
    own: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class ExportedLosses:
    """See the module.

    Attributes:
        transfer: set up for pictures of the size.
        problem: what it minimises there; its targets are those of any picture, only their shapes count.
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
    def terms(self) -> dict[str, Term]:
        """Every loss that has a weight of its own, by name, itself without one."""
        found: dict[str, Term] = {}
        for loss in self.problem.losses:
            term = loss.term
            if isinstance(term, (ContentTerm, StyleTerm)):
                found |= {
                    f"{term.name}/{layer}": replace(term, weights={layer: 1.0}) for layer in term.layers
                }
            else:
                found[term.name] = term
        return found

    @cached_property
    def weights(self) -> dict[str, float]:
        """By the name of the input: what the loss of that name is multiplied by for the pictures of the transfer."""
        found: dict[str, float] = {}
        for loss in self.problem.losses:
            term = loss.term
            if isinstance(term, (ContentTerm, StyleTerm)):
                own = {f"{term.name}/{layer}": weight for layer, weight in term.weights.items()}
            else:
                own = {term.name: 1.0}
            found |= {f"{name}/weight": loss.weight * weight for name, weight in own.items()}
        return found

    @cached_property
    def targets(self) -> dict[str, Any]:
        """By the name of the input: targets of the transfer's pictures, on the device."""
        return {
            name: value
            for name, value in self.problem.constants[0].items()
            if name.startswith(tuple(f"{name}/" for name in self.terms if "/" in name))
        }

    @cached_property
    def fixed(self) -> dict[str, Any]:
        """Constants that are the same for all pictures of the size, on the device."""
        return {name: value for name, value in self.problem.constants[0].items() if name not in self.targets}

    @property
    def self_sufficient(self) -> bool:
        """Whether the targets of a style are outputs: a Gram matrix is one, and no picture is mirrored for it."""
        style = next((one.term for one in self.problem.losses if isinstance(one.term, StyleTerm)), None)
        plain = style is None or isinstance(style.loss, Gram)
        return plain and self.transfer.settings.padding != "circular"

    def __call__(self, ops: Ops[T], x: T, constants: Mapping[str, T]) -> Outcome:
        """The losses of x (1, 3, H, W), with constants by the names of targets, weights and what is fixed."""
        features = inner_features(ops, self.encoder.seen(ops, x), constants)
        statistics: dict[str, T] = {}
        for loss in self.problem.losses:
            statistics |= loss.term.statistics(ops, x, features, constants)
        positions = self.encoder.positions
        losses = {
            name: term.energy(ops, statistics, constants, positions) for name, term in self.terms.items()
        }
        weighted = [ops.scale_by(loss, constants[f"{name}/weight"]) for name, loss in losses.items()]
        return Outcome(add_up(ops, weighted), losses, self._own(ops, features, statistics))

    def _own(self, ops: Ops[T], features: Mapping[str, T], statistics: Mapping[str, T]) -> dict[str, Any]:
        own: dict[str, Any] = {}
        recipes = losses_of(self.transfer.settings, self.transfer.weights)
        for recipe, loss in zip(recipes, self.problem.losses, strict=True):
            term = loss.term
            if isinstance(recipe, Content) and isinstance(term, ContentTerm):
                own |= _own_content(ops, recipe, term, features)
            elif isinstance(recipe, Style) and isinstance(term, StyleTerm) and self.self_sufficient:
                means = term.means(ops, statistics, self.encoder.positions)
                own |= _own_style(ops, recipe, term, means)
            elif isinstance(recipe, TotalVariation):
                own[f"{term.name}/weight"] = loss.weight
        return own


def _own_content(
    ops: Ops[T], recipe: Content, term: ContentTerm, features: Mapping[str, T]
) -> dict[str, Any]:
    """The maps, and alpha w_l: open, alpha is 1 over the loss of a picture without features."""
    maps = {f"{term.name}/{layer}/maps": features[layer] for layer in term.layers}
    own: dict[str, Any] = dict(maps)
    unit = term.unit(ops, maps)
    for layer, weight in term.weights.items():
        relative = ops.scale(_inverse(ops, unit), weight)
        own[f"{term.name}/{layer}/weight"] = relative if recipe.alpha is None else recipe.alpha * weight
    return own


def _own_style(
    ops: Ops[T], recipe: Style, term: StyleTerm, means: Mapping[str, Mapping[str, T]]
) -> dict[str, Any]:
    """The Gram matrices, and beta w_l: open, each layer is relative to a picture without features."""
    grams = {f"{term.name}/{layer}/second": means[layer]["second"] for layer in term.layers}
    own: dict[str, Any] = dict(grams)
    units, total = term.units(ops, grams), sum(recipe.weights.values())
    for layer, weight in recipe.weights.items():
        relative = ops.scale(_inverse(ops, units[layer]), recipe.balance * weight / total)
        own[f"{term.name}/{layer}/weight"] = relative if recipe.beta is None else recipe.beta * weight
    return own


def _inverse(ops: Ops[T], a: T) -> T:
    """1 / a of a scalar."""
    return ops.divide(a, ops.square(a))
