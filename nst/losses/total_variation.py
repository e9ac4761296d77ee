"""The total variation of the picture: formula, term and recipe, with constants where the picture wraps around."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from nst.encoding.encoder import Encoder
from nst.losses.term import LocalTerm, Prepared
from nst.pictures.scene import Scene
from nst.protocol import Ops

T = TypeVar("T")


@dataclass(frozen=True)
class TotalVariationTerm(LocalTerm):
    """Total variation of the picture itself; see `total_variation`.

    A circular term, whose last pixels are neighbours of the first, has the constants `name/height`,
    (1, 1, H + 1, W + 2), and `name/width`, (1, 1, H + 2, W + 1): 1 for the differences within the picture and from its
    last pixels to its first, once each, and 0 for the others that a picture with one pixel around it has.
    """

    power: Literal[1, 2] = 2  # of the differences
    name: str = "tv"
    circular: bool = False

    def statistics(
        self, ops: Ops[T], x: T, features: Mapping[str, T], constants: Mapping[str, T]
    ) -> dict[str, T]:
        """The loss itself: a sum over neighbouring pixels."""
        if not self.circular:
            return {self.name: total_variation(ops, x, self.power)}
        masks = constants[f"{self.name}/height"], constants[f"{self.name}/width"]
        return {self.name: total_variation(ops, ops.pad(x, 1, "circular"), self.power, masks)}


def total_variation(ops: Ops[T], x: T, power: Literal[1, 2], masks: tuple[T, T] | None = None) -> T:
    """Sum over neighbours, along height and width, channels and batch, of |difference|^power; x (N, 3, H, W).

    power 2 is Mahendran and Vedaldi 2015, eq. 6, with beta = 2: smooth, so that L-BFGS copes with it.
    power 1 is the anisotropic total variation of Rudin, Osher and Fatemi 1992.
    Masks (1, 1, H - 1, W) and (1, 1, H, W - 1) are 1 for the differences that count and 0 for the others.
    """
    magnitude = ops.square if power == 2 else ops.abs
    along_height, along_width = ops.diff(x, "height"), ops.diff(x, "width")
    if masks is not None:
        along_height, along_width = ops.modulate(along_height, masks[0]), ops.modulate(along_width, masks[1])
    return ops.add(ops.sum(magnitude(along_height)), ops.sum(magnitude(along_width)))


@dataclass(frozen=True)
class TotalVariation:
    """The recipe; see `Loss`.

    Attributes:
        gamma: weight of the loss, the same at every size.
        power: of the differences.
        mean: whether gamma is times the mean over the 3 H W values of the picture in place of the sum.
    """

    gamma: float
    power: Literal[1, 2] = 2
    mean: bool = False
    name: str = "tv"
    layers: tuple[str, ...] = ()
    depends_on_content: bool = False

    def prepare(self, encoder: Encoder, scene: Scene) -> Prepared:
        """See `Loss`. Where the picture wraps around, every neighbour counts once, also across the border."""
        term = TotalVariationTerm(self.power, self.name, circular=encoder.padding == "circular")
        weight = self.weight(encoder.height, encoder.width)
        if not term.circular:
            return Prepared(term, weight)
        rows = np.zeros((1, 1, encoder.height + 1, encoder.width + 2))
        columns = np.zeros((1, 1, encoder.height + 2, encoder.width + 1))
        rows[:, :, 1:, 1:-1] = 1.0
        columns[:, :, 1:-1, 1:] = 1.0
        on_device = encoder.backend.from_numpy
        masks = {f"{term.name}/height": on_device(rows), f"{term.name}/width": on_device(columns)}
        return Prepared(term, weight, masks)

    def weight(self, height: int, width: int) -> float:
        """Times the sum over the neighbours of a picture of height x width pixels."""
        return self.gamma / (3 * height * width if self.mean else 1)
