"""What every loss is made of, built in and a user's own alike.

A `Loss` is a recipe that holds for any size. `Loss.prepare` sees the pictures and makes a `Prepared` of it: a `Term`,
its weight and its targets. A term is pure maths in the backend's primitives: additive statistics of the picture, and an
energy of them. To add a loss, write the two in one file; `nst.losses.temporal` is the shortest example.

What depends on the pictures, weights that are worked out from them included, is a constant, passed by name at each
evaluation: terms that are equal share compiled code, whatever the pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from nst.encoding.encoder import Encoder
from nst.pictures.scene import Scene
from nst.protocol import Ops

T = TypeVar("T")

Factor: TypeAlias = float | str
"""A number that is known when the objective is compiled, or the name of a constant, a scalar tensor."""


class Term(Protocol):
    """One loss at one size: additive statistics of the picture, and an energy of them.

    What is compiled for a term serves every other one that is equal to it (`==`): a frozen dataclass of plain numbers
    and words is best. A term that is equal to itself alone is compiled anew for each picture.
    """

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

    def energy(self, ops: Ops[T], totals: Totals[T]) -> T:
        """The unweighted loss, a scalar. It reads no spatial constant."""


@dataclass(frozen=True, eq=False)
class Totals(Generic[T]):
    """What an energy is made of, for the whole picture."""

    statistics: Mapping[str, T]  # by name, summed over all positions
    constants: Mapping[str, T]  # by name
    positions: Mapping[str, int]  # M_l by layer


@dataclass(frozen=True, eq=False)
class Prepared:
    """A loss that knows what it aims at.

    Attributes:
        term: the maths.
        weight: alpha, beta, gamma: times the term.
        shared: targets by constant name, on the device.
        local: targets on the positions of a layer (`Term.spatial`), for each view of the encoder; empty for none.
    """

    term: Term
    weight: float
    shared: Mapping[str, Any] = field(default_factory=dict)
    local: Sequence[Mapping[str, Any]] = ()


class Loss(Protocol):
    """The recipe of a loss, for any size."""

    @property
    def name(self) -> str:
        """That of its term."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Those of its term: the network is built for them."""

    @property
    def depends_on_content(self) -> bool:
        """Whether its targets change with the content picture.

        For the next frame of a video, or the next picture of a batch in the same style, such a loss is prepared anew;
        another one is prepared once. In a video its weight stays that of the first frame.
        """

    def prepare(self, encoder: Encoder, scene: Scene) -> Prepared:
        """Term, weight and targets for the content picture's size.

        Args:
            encoder: for pictures of that size; `encoder.resized` makes one for another.
            scene: the pictures and masks at this size.
        """


class LocalTerm:
    """Base of terms that read no layer and whose statistic is the loss itself: a sum over pixels."""

    name: str

    @property
    def layers(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def spatial(self) -> Mapping[str, str]:
        """None."""
        return {}

    def energy(self, ops: Ops[T], totals: Totals[T]) -> T:
        """The statistic itself."""
        return totals.statistics[self.name]


@dataclass(frozen=True)
class WeightedSum:
    """A weighted sum of terms that counts as one: the styles of several regions, for example."""

    name: str  # of the sum; the parts have names of their own
    parts: tuple[tuple[Term, Factor], ...]

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

    def energy(self, ops: Ops[T], totals: Totals[T]) -> T:
        """The weighted sum of the parts."""
        weighted = [
            scaled(ops, part.energy(ops, totals), weight, totals.constants) for part, weight in self.parts
        ]
        return add_up(ops, weighted)


def scaled(ops: Ops[T], value: T, factor: Factor, constants: Mapping[str, T]) -> T:
    """`factor * value`."""
    if isinstance(factor, str):
        return ops.scale_by(value, constants[factor])
    return ops.scale(value, factor)


def add_up(ops: Ops[T], values: Sequence[T]) -> T:
    """The sum of one or more tensors of one shape."""
    total = values[0]
    for value in values[1:]:
        total = ops.add(total, value)
    return total
