"""The total variation of the picture: formula, term, constants where it wraps around."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np

from nst.protocol import Backend, Ops

__all__ = ["TotalVariationTerm", "total_variation", "wrap_masks"]

T = TypeVar("T")


@dataclass(frozen=True)
class TotalVariationTerm:
    """Total variation of the picture itself; see `total_variation`.

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
            return {self.name: total_variation(ops, x, self.power)}
        masks = constants[f"{self.name}/height"], constants[f"{self.name}/width"]
        return {self.name: total_variation(ops, ops.pad(x, 1, "circular"), self.power, masks)}

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


def total_variation(ops: Ops[T], x: T, power: Literal[1, 2], masks: tuple[T, T] | None = None) -> T:
    """Sum over neighbours of |difference|^power, along the height and along the width.

    power 2 is Mahendran and Vedaldi 2015, eq. 6, with beta = 2: smooth, so that L-BFGS copes with it.
    power 1 is the anisotropic total variation of Rudin, Osher and Fatemi 1992.

    Args:
        ops: the backend's primitives.
        x: picture (N, 3, H, W) in sRGB [0, 1].
        power: 1 or 2.
        masks: 1 for the differences that count and 0 for the others, (1, 1, H - 1, W) and (1, 1, H, W - 1); None
            for all.

    Returns:
        A scalar, summed over channels and batch.
    """
    magnitude = ops.square if power == 2 else ops.abs
    along_height, along_width = ops.diff(x, "height"), ops.diff(x, "width")
    if masks is not None:
        along_height, along_width = ops.modulate(along_height, masks[0]), ops.modulate(along_width, masks[1])
    return ops.add(ops.sum(magnitude(along_height)), ops.sum(magnitude(along_width)))


def wrap_masks(term: TotalVariationTerm, backend: Backend[Any], height: int, width: int) -> dict[str, Any]:
    """The constants of a circular total variation: every neighbour once, also across the border."""
    if not term.circular:
        return {}
    rows, columns = np.zeros((1, 1, height + 1, width + 2)), np.zeros((1, 1, height + 2, width + 1))
    rows[:, :, 1:, 1:-1] = 1.0
    columns[:, :, 1:-1, 1:] = 1.0
    return {
        f"{term.name}/height": backend.from_numpy(rows),
        f"{term.name}/width": backend.from_numpy(columns),
    }
