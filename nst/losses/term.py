"""What every loss is made of: additive statistics of the picture, and an energy of them; sums of losses.

To add a loss, write a class with the members of `Term`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from nst.pictures.masks import Mask
from nst.pictures.picture import Picture
from nst.protocol import Backend, Ops

__all__ = ["ExtraTerm", "Source", "SumTerm", "Term", "add_up"]

T = TypeVar("T")


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
        return add_up(ops, energies)

    def reference(self, ops: Ops[T], constants: Mapping[str, T]) -> T:
        """The weighted sum of the parts."""
        return add_up(ops, [ops.scale(part.reference(ops, constants), w) for part, w in self.parts])


def add_up(ops: Ops[T], values: Sequence[T]) -> T:
    """The sum of one or more tensors of one shape."""
    total = values[0]
    for value in values[1:]:
        total = ops.add(total, value)
    return total


@dataclass(frozen=True, eq=False)
class Source:
    """A style picture.

    Attributes:
        picture: a, at its own size.
        share: of the blend.
        mask: the part of it that counts, of any size; None for all of it.
    """

    picture: Picture
    share: float
    mask: Mask | None = None
