"""The style term: any style loss on any layers, of the whole picture or of a soft region of it.

A term may be *guided*: a soft mask m says how much each position of a layer counts (Gatys et al., *Controlling
Perceptual Factors in Neural Style Transfer*, CVPR 2017, section 4). Sums over positions become sum_k m_k ...,
and sum_k m_k takes the place of M_l. Masks that sum to 1 at every position share the picture out exactly:
the Gram matrices of the regions add up to that of the picture. The constant is the root of the mask, since
the Gram matrix of sqrt(m) F is sum_k m_k F_ik F_jk. (The paper multiplies F by m, which squares soft masks.)

A term may be *smoothed*: its features are E = exp(F / T); see `nst.smoothing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from nst.losses import add_up
from nst.protocol import Ops
from nst.style_losses import STYLE_LOSSES, StyleLoss

__all__ = ["StyleTerm"]

T = TypeVar("T")


@dataclass(frozen=True)
class StyleTerm:
    """L_style = sum_l w_l E_l; Gatys et al. 2016, eq. 5, with any of `nst.style_losses` as E_l.

    Attributes:
        weights: w_l by layer.
        channels: N_l by layer.
        name: constants are `name/layer/...`: the targets of the loss, and `root`, (1, 1, H_l, W_l), of a guided term.
        loss: E_l.
        region: sum_k m_k by layer of a guided term; None for the whole picture.
        smoothed: whether the features are exp(F / T); batches of 1 only.
    """

    weights: Mapping[str, float]
    channels: Mapping[str, int]
    name: str = "style"
    loss: StyleLoss = STYLE_LOSSES["gram"]
    region: Mapping[str, float] | None = None
    smoothed: bool = False

    @property
    def layers(self) -> tuple[str, ...]:
        """See `Term`."""
        return tuple(self.weights)

    @property
    def spatial(self) -> Mapping[str, str]:
        """The roots of the masks."""
        return {} if self.region is None else {f"{self.name}/{layer}/root": layer for layer in self.weights}

    def statistics(
        self, ops: Ops[T], x: T, features: Mapping[str, T], constants: Mapping[str, T]
    ) -> dict[str, T]:
        """The sums over positions that the loss needs: `name/layer/first`, `/squares`, `/second`."""
        statistics = {}
        for layer in self.weights:
            root = None if self.region is None else constants[f"{self.name}/{layer}/root"]
            half = features[layer] if root is None else ops.modulate(features[layer], root)
            prefix = f"{self.name}/{layer}"
            if "first" in self.loss.sums or self.smoothed:
                full = half if root is None else ops.modulate(half, root)
                statistics[f"{prefix}/first"] = ops.channel_sum(full)
            if "squares" in self.loss.sums:
                statistics[f"{prefix}/squares"] = ops.channel_sum(ops.square(half))
            if "second" in self.loss.sums:
                statistics[f"{prefix}/second"] = ops.gram(half)
        return statistics

    def means(
        self, ops: Ops[T], statistics: Mapping[str, T], positions: Mapping[str, int]
    ) -> dict[str, dict[str, T]]:
        """The statistics per position, by layer and kind; of a smoothed term those of E over its own mean."""
        result = {}
        for layer in self.weights:
            count = positions[layer] if self.region is None else self.region[layer]
            kinds = [
                kind for kind in ("first", "squares", "second") if f"{self.name}/{layer}/{kind}" in statistics
            ]
            means = {k: ops.scale(statistics[f"{self.name}/{layer}/{k}"], 1.0 / count) for k in kinds}
            if self.smoothed:
                unit = ops.scale(ops.sum(means["first"]), 1.0 / self.channels[layer])
                once = ops.divide(unit, ops.square(unit))
                twice = ops.square(once)
                means = {k: ops.scale_by(m, once if k == "first" else twice) for k, m in means.items()}
            result[layer] = means
        return result

    def energy(
        self,
        ops: Ops[T],
        statistics: Mapping[str, T],
        constants: Mapping[str, T],
        positions: Mapping[str, int],
    ) -> T:
        """Sum over the layers of w_l E_l."""
        means = self.means(ops, statistics, positions)
        return self._weighted(
            ops,
            {
                layer: self.loss.energy(
                    ops, means[layer], self.targets(constants, layer), self.channels[layer]
                )
                for layer in self.weights
            },
        )

    def silences(self, ops: Ops[T], constants: Mapping[str, T]) -> dict[str, T]:
        """E_l of a picture without features, by layer; of the Gram loss 1 / (4 N_l^2) sum (A / M)^2."""
        return {
            layer: self.loss.silence(ops, self.targets(constants, layer), self.channels[layer], self.smoothed)
            for layer in self.weights
        }

    def reference(self, ops: Ops[T], constants: Mapping[str, T]) -> T:
        """The loss of a picture without features: the silences, weighted."""
        return self._weighted(ops, self.silences(ops, constants))

    def targets(self, constants: Mapping[str, T], layer: str) -> dict[str, T]:
        """The constants of one layer by their last name."""
        prefix = f"{self.name}/{layer}/"
        return {name.removeprefix(prefix): c for name, c in constants.items() if name.startswith(prefix)}

    def _weighted(self, ops: Ops[T], energies: Mapping[str, T]) -> T:
        return add_up(ops, [ops.scale(energies[layer], w) for layer, w in self.weights.items()])
