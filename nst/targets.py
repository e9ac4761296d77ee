"""What the losses aim at: P of the content picture, statistics of the style pictures, temperatures, masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.canvas import Canvas
from nst.errors import SettingsError
from nst.images import Picture
from nst.masks import carry, fit
from nst.objective import inner_features, positions_of, statistics_of
from nst.protocol import Backend, HostArray, Network
from nst.smoothing import SmoothedContentTerm, fourth_powers, temperature
from nst.style_term import StyleTerm
from nst.terms import ContentTerm, TotalVariationTerm

__all__ = [
    "Source",
    "content_targets",
    "guide",
    "planar",
    "roots",
    "style_targets",
    "temperatures",
    "wrap_masks",
]

Mask = NDArray[np.float32]


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


def content_targets(
    term: ContentTerm, network: Network[Any], canvas: Canvas, picture: Picture
) -> list[dict[str, Any]]:
    """P by layer for each view, 0 outside its inner positions; of a smoothed term E over its mean."""
    backend = canvas.backend

    def features(ops: Any, x: Any, constants: Any) -> dict[str, Any]:
        maps = inner_features(ops, network(ops, x), constants)
        sums = {f"sum/{layer}": ops.sum(maps[layer]) for layer in term.layers}
        return {f"{term.name}/{layer}/maps": maps[layer] for layer in term.layers} | sums

    outputs = [
        backend.evaluate(features, part, inner)
        for part, inner in canvas.parts(backend.from_numpy(planar(picture)))
    ]
    names = {f"{term.name}/{layer}/maps": layer for layer in term.layers}
    if not isinstance(term, SmoothedContentTerm):
        return [{name: found[name] for name in names} for found in outputs]
    positions = positions_of([term], picture.height, picture.width)
    means = {
        layer: sum(backend.space.scalars([found[f"sum/{layer}"] for found in outputs]))
        / (term.channels[layer] * positions[layer])
        for layer in term.layers
    }
    return [
        {name: backend.space.lincomb([1.0 / means[layer]], [found[name]]) for name, layer in names.items()}
        for found in outputs
    ]


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


def roots(name: str, canvas: Canvas, carried: Mapping[str, Mask]) -> list[dict[str, Any]]:
    """`name/layer/root`, (1, 1, H_l, W_l), for each view: the roots of the weights of the positions."""
    found: list[dict[str, Any]] = [{} for _ in canvas.views]
    for layer, weights in carried.items():
        for view, part in zip(found, canvas.place(layer, np.sqrt(weights)[None, None]), strict=True):
            view[f"{name}/{layer}/root"] = part
    return found


def temperatures(network: Network[Any], canvas: Canvas, sources: Sequence[Source]) -> dict[str, float]:
    """T by layer; see `nst.smoothing`."""
    backend = canvas.backend

    def function(ops: Any, x: Any, constants: Any) -> dict[str, Any]:
        return fourth_powers(ops, inner_features(ops, network(ops, x), constants))

    names = list(canvas.layers)
    sums = []
    for source in sources:
        picture = source.picture
        own = canvas.resized(picture.height, picture.width)
        outputs = own.measure(function, backend.from_numpy(planar(picture)))
        powers = backend.space.scalars([outputs[f"{layer}/{power}"] for layer in names for power in (2, 4)])
        sums.append(source.share / (picture.width * picture.height) * powers.reshape(-1, 2))
    return {layer: temperature(*np.stack(sums, axis=-1)[index]) for index, layer in enumerate(names)}


def planar(picture: Picture) -> HostArray:
    """(1, 3, H, W)."""
    return np.ascontiguousarray(picture.rgb.transpose(2, 0, 1)[None])


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
