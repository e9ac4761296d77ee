"""The temporal loss: a frame shall look as the one before it, moved along the flow. Formula, term and recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nst.encoding.encoder import Encoder
from nst.losses.term import LocalTerm, Prepared
from nst.pictures.picture import resample
from nst.pictures.scene import Scene
from nst.protocol import Ops

T = TypeVar("T")


@dataclass(frozen=True)
class TemporalTerm(LocalTerm):
    """L_temporal = 1/D sum_k c_k (x_k - w_k)^2 over the D = 3 H W values of the picture; Ruder et al. 2016, eq. 7.

    w is the last frame's result where it has moved to, c in [0, 1] how much that is believed. A mean, as content and
    style are relative to their references: one weight does for every size.
    """

    # constants: `name/warped`, w (1, 3, H, W), and `name/root`, the root of c / D (1, 1, H, W)
    name: str = "temporal"

    def statistics(
        self, ops: Ops[T], x: T, features: Mapping[str, T], constants: Mapping[str, T]
    ) -> dict[str, T]:
        """The loss itself: it is a sum over pixels."""
        change = ops.sub(x, constants[f"{self.name}/warped"])
        return {self.name: ops.sum(ops.square(ops.modulate(change, constants[f"{self.name}/root"])))}


@dataclass(frozen=True, eq=False)
class Temporal:
    """The recipe; see `Loss`.

    Attributes:
        weight: of the loss, the same at every size.
        warped: w, (H, W, 3) in [0, 1], resampled to each size.
        confidence: c, (H, W) in [0, 1].
    """

    weight: float
    warped: NDArray[np.float32]
    confidence: NDArray[np.float32]
    name: str = "temporal"
    layers: tuple[str, ...] = ()
    depends_on_content: bool = True

    def prepare(self, encoder: Encoder, scene: Scene) -> Prepared:
        """See `Loss`."""
        width, height = encoder.width, encoder.height
        warped = resample(self.warped, width, height)
        believed = np.clip(resample(self.confidence, width, height), 0.0, 1.0)
        root = np.sqrt(believed / (3 * width * height))
        constants = {
            f"{self.name}/warped": encoder.backend.from_numpy(warped.transpose(2, 0, 1)[None]),
            f"{self.name}/root": encoder.backend.from_numpy(root[None, None]),
        }
        return Prepared(TemporalTerm(self.name), self.weight, constants)
