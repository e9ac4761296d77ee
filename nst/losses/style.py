"""The style term: any style loss on any layers, of the whole picture or of a soft region of it.

A term may be *guided*: a soft mask m says how much each position of a layer counts (Gatys et al., *Controlling
Perceptual Factors in Neural Style Transfer*, CVPR 2017, section 4). Sums over positions become sum_k m_k ...,
and sum_k m_k takes the place of M_l. Masks that sum to 1 at every position share the picture out exactly:
the Gram matrices of the regions add up to that of the picture. The constant is the root of the mask, since
the Gram matrix of sqrt(m) F is sum_k m_k F_ik F_jk. (The paper multiplies F by m, which squares soft masks.)

A term may be *smoothed*: its features are E = exp(F / T); see `nst.losses.smoothing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nst.encoding.encoder import Canvas
from nst.errors import SettingsError
from nst.losses.objective import positions_of, statistics_of
from nst.losses.regions import carry, roots
from nst.losses.style_statistics import STYLE_LOSSES, StyleLoss
from nst.losses.term import Source, add_up
from nst.pictures.masks import Mask, fit
from nst.pictures.picture import planar
from nst.protocol import Network, Ops

__all__ = ["StyleTerm", "guide", "style_targets"]

T = TypeVar("T")


@dataclass(frozen=True)
class StyleTerm:
    """L_style = sum_l w_l E_l; Gatys et al. 2016, eq. 5, with any of `nst.losses.style_statistics` as E_l.

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


def style_targets(
    term: StyleTerm, network: Network[Any], canvas: Canvas, sources: Sequence[Source]
) -> dict[str, Any]:
    """The constants of a style term, without the roots of its masks: targets from the blended means of the sources.

    Args:
        term: on any region.
        network: of its features.
        canvas: of the generated picture; the sources go through it at their own sizes.
        sources: to blend.
    """
    blend: dict[str, NDArray[np.float64]] = {}
    for source in sources:
        for name, mean in _means(term, network, canvas, source).items():
            blend[name] = blend.get(name, 0.0) + source.share * mean
    targets = {}
    for layer in term.layers:
        means = {kind: blend[f"{layer}/{kind}"] for kind in term.loss.sums}
        for name, array in term.loss.targets(means).items():
            targets[f"{term.name}/{layer}/{name}"] = canvas.backend.from_numpy(array)
    return targets


def _means(
    term: StyleTerm, network: Network[Any], canvas: Canvas, source: Source
) -> dict[str, NDArray[np.float64]]:
    """Sums per position of one style picture, by `layer/kind`."""
    picture, backend = source.picture, canvas.backend
    own = canvas.resized(picture.height, picture.width)
    term, roots = guide(replace(term, region=None), own, _own_mask(source))
    positions = positions_of([term], picture.height, picture.width)

    def means(ops: Any, x: Any, sums: Any) -> dict[str, Any]:
        found = term.means(ops, sums, positions)
        return {f"{layer}/{kind}": mean for layer, kinds in found.items() for kind, mean in kinds.items()}

    x = backend.from_numpy(planar(picture))
    sums = own.measure(statistics_of([term], network), x, roots)
    outputs = backend.evaluate(means, next(iter(sums.values())), sums)
    return {name: np.asarray(backend.to_numpy(tensor), np.float64) for name, tensor in outputs.items()}


def _own_mask(source: Source) -> Mask | None:
    return None if source.mask is None else fit(source.mask, *source.picture.size)


def guide(term: StyleTerm, canvas: Canvas, mask: Mask | None) -> tuple[StyleTerm, list[dict[str, Any]]]:
    """The term on a region, with the roots of the mask (H, W) at its layers for each view; unchanged without a mask.

    Raises:
        SettingsError: the mask covers no position of a layer.
    """
    if mask is None:
        return term, [{} for _ in canvas.views]
    carried = carry(mask, term.layers, canvas.convolutions)
    region = {layer: float(weights.sum(dtype=np.float64)) for layer, weights in carried.items()}
    for layer, sum_of_weights in region.items():
        if not sum_of_weights:
            raise SettingsError(
                f"a mask covers nothing that {layer} sees: use a larger region or shallower layers"
            )
    return replace(term, region=region), roots(term.name, canvas, carried)
