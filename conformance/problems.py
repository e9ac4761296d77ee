"""Objectives as values: terms, their weights, pictures, and the targets as the reference works them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.backends._numpy import NumpyBackend
from nst.conformance import inputs
from nst.conformance.case import Side
from nst.models import vgg
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.objective import ContentTerm, StyleTerm, Term, TotalVariationTerm, loss_function
from nst.protocol import LossFunction, Ops

__all__ = ["PROBLEMS", "Problem", "make_targets", "targets"]

Array = NDArray[np.float64]

PAPER_STYLE = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")


@dataclass(frozen=True)
class Problem:
    """L_total = alpha L_content + beta L_style + gammas . L_tv on a small picture.

    Attributes:
        content: layers of the content loss.
        style: layers of the style loss, each of weight 1 / their number.
        tv: powers of the total variation.
        weights: alpha, beta and one gamma a power; here all terms pull about equally.
        pooling: of the network.
        size: (H, W) of the generated picture.
        style_size: (H, W) of the style picture.
        batch: N.
    """

    content: tuple[str, ...] = ()
    style: tuple[str, ...] = ()
    tv: tuple[int, ...] = ()
    weights: tuple[float, ...] = (1.0, 300.0, 3.0, 3.0)
    pooling: Pooling = "avg"
    size: tuple[int, int] = (inputs.HEIGHT, inputs.WIDTH)
    style_size: tuple[int, int] = (33, 46)
    batch: int = 1

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers read, in network order."""
        return tuple(name for name in vgg.LAYER_NAMES if name in (*self.content, *self.style))

    def terms(self, weights: NetworkWeights) -> list[tuple[Term, float]]:
        """The terms with their weights."""
        alpha, beta, *gammas = self.weights
        terms: list[tuple[Term, float]] = []
        if self.content:
            terms.append((ContentTerm(dict.fromkeys(self.content, 1.0)), alpha))
        if self.style:
            shares = dict.fromkeys(self.style, 1 / len(self.style))
            terms.append((StyleTerm(shares, {name: weights.channels(name) for name in self.style}), beta))
        for power, gamma in zip(self.tv, gammas, strict=False):
            terms.append((TotalVariationTerm(2 if power == 2 else 1, f"tv{power}"), gamma))
        return terms

    def function(self, side: Side, weights: NetworkWeights | None = None) -> LossFunction[Any]:
        """The loss on a backend."""
        network = side.network(self.layers, self.pooling, weights) if self.layers else None
        terms = self.terms(weights or inputs.small_network())
        return loss_function(terms, network, *self.size)  # type: ignore[arg-type]  # unused without layers

    def start(self, seed: int = 41) -> Array:
        """The picture x at which it is evaluated."""
        return inputs.picture(seed, *self.size, self.batch)


PROBLEMS: dict[str, Problem] = {
    **{f"style/{layer}": Problem(style=(layer,)) for layer in PAPER_STYLE},
    "style/max": Problem(style=PAPER_STYLE, pooling="max"),
    "style/all": Problem(style=PAPER_STYLE),
    "style/same-size": Problem(style=("conv2_1", "conv4_1"), style_size=(inputs.HEIGHT, inputs.WIDTH)),
    **{f"content/{layer}": Problem(content=(layer,)) for layer in ("conv1_2", "conv4_2", "conv5_4")},
    "content/max": Problem(content=("conv4_2",), pooling="max"),
    "content/two-layers": Problem(content=("conv2_2", "conv4_2")),
    "tv/squares": Problem(tv=(2,)),
    "tv/magnitudes": Problem(tv=(1,)),
    "tv/one-row": Problem(tv=(2,), size=(1, 9)),
    "whole/avg": Problem(("conv4_2",), PAPER_STYLE, (1, 2)),
    "whole/max": Problem(("conv4_2",), PAPER_STYLE, (1, 2), pooling="max"),
    "whole/batch": Problem(("conv3_2",), ("conv1_1", "conv3_1"), (2,), size=(18, 27), batch=2),
    "whole/smooth": Problem(("conv4_2",), PAPER_STYLE, (2,), weights=(1.0, 10000.0, 3.0)),
    "whole/shallow": Problem(("conv1_1",), ("conv1_1", "conv1_2"), (2,), weights=(1.0, 1000.0, 100.0)),
    "whole/smallest": Problem(("conv4_2",), PAPER_STYLE, (1, 2), size=(16, 17), style_size=(17, 16)),
}


@cache
def targets(problem: Problem) -> Mapping[str, Array]:
    """Constants of the small network's problem, worked out by the reference and rounded to float32."""
    side = Side(NumpyBackend(dtype="float64"))
    style = inputs.picture(42, *problem.style_size, problem.batch) ** 2
    constants = make_targets(side, problem, inputs.picture(43, *problem.size, problem.batch), style)
    return {name: array.astype(np.float32).astype(np.float64) for name, array in constants.items()}


def make_targets(
    side: Side, problem: Problem, content: Array, style: Array, weights: NetworkWeights | None = None
) -> dict[str, Array]:
    """P and A / M_l by name."""
    if not problem.layers:
        return {}
    network = side.network(problem.layers, problem.pooling, weights)

    def maps(ops: Ops[Any], x: Any, _: Mapping[str, Any]) -> dict[str, Any]:
        features = network(ops, x)
        return {name: features[name] for name in problem.content}

    def grams(ops: Ops[Any], x: Any, _: Mapping[str, Any]) -> dict[str, Any]:
        features = network(ops, x)
        return {name: ops.gram(features[name]) for name in problem.style}

    constants: dict[str, Array] = {}
    if problem.content:
        constants |= {f"content/{name}": m for name, m in side.evaluate(maps, content).items()}
    if problem.style:
        for name, gram in side.evaluate(grams, style).items():
            positions = np.prod(vgg.layer_size(name, *style.shape[2:]))
            constants[f"style/{name}"] = gram / positions
    return constants
