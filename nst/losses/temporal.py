"""The temporal loss: a frame shall look as the one before it, moved along the flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nst.losses.term import Term
from nst.pictures.picture import resample
from nst.protocol import Backend, Ops

__all__ = ["Temporal", "TemporalTerm"]

T = TypeVar("T")


@dataclass(frozen=True)
class TemporalTerm:
    """L_temporal = 1/D sum_k c_k (x_k - w_k)^2 over the D = 3 H W values of the picture; Ruder et al. 2016, eq. 7.

    w is the last frame's result where it has moved to, c in [0, 1] how much that is believed. A mean, as content and
    style are relative to their references: one weight does for every size.

    Attributes:
        name: constants are `name/warped`, w (1, 3, H, W), and `name/root`, the root of c / D (1, 1, H, W).
    """

    name: str = "temporal"
    layers: tuple[str, ...] = ()
    spatial: Mapping[str, str] = field(default_factory=dict)

    def statistics(
        self, ops: Ops[T], x: T, features: Mapping[str, T], constants: Mapping[str, T]
    ) -> dict[str, T]:
        """The loss itself: it is a sum over pixels."""
        change = ops.sub(x, constants[f"{self.name}/warped"])
        return {self.name: ops.sum(ops.square(ops.modulate(change, constants[f"{self.name}/root"])))}

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
        raise NotImplementedError("the temporal loss has no relative weight")


@dataclass(frozen=True, eq=False)
class Temporal:
    """Makes the temporal loss of a frame, at any size; see `nst.losses.term.ExtraTerm`.

    Attributes:
        weight: of the loss.
        warped: w, (H, W, 3) in [0, 1].
        confidence: c, (H, W) in [0, 1].
    """

    weight: float
    warped: NDArray[np.float32]
    confidence: NDArray[np.float32]

    def at(self, backend: Backend[Any], width: int, height: int) -> tuple[Term, dict[str, Any]]:
        """The term, and its constants on the device."""
        term = TemporalTerm()
        warped = resample(self.warped, width, height)
        believed = np.clip(resample(self.confidence, width, height), 0.0, 1.0)
        root = np.sqrt(believed / (3 * width * height))
        return term, {
            f"{term.name}/warped": backend.from_numpy(warped.transpose(2, 0, 1)[None]),
            f"{term.name}/root": backend.from_numpy(root[None, None]),
        }
