"""Objectives as values: terms, their weights, pictures, and the targets as the reference works them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.backends.numpy.backend import NumpyBackend
from nst.conformance.case import Side
from nst.conformance.cases import inputs
from nst.encoding.encoder import Encoder
from nst.losses.content import ContentTerm, SmoothedContentTerm, content_targets
from nst.losses.objective import loss_function
from nst.losses.style import StyleTerm, style_means, style_targets
from nst.losses.style_statistics import STYLE_LOSSES
from nst.losses.term import Term
from nst.losses.total_variation import TotalVariationTerm
from nst.models import vgg
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Evaluation, LossFunction, Network

Array = NDArray[np.float64]

PAPER_STYLE = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
OTHERS = tuple(name for name in STYLE_LOSSES if name != "gram")
"""Style losses beside the Gram matrix: one that is registered is in the suite."""


@dataclass(frozen=True)
class Problem:
    """L_total = alpha L_content + beta L_style + gammas . L_tv on a small picture."""

    content: tuple[str, ...] = ()  # layers
    style: tuple[str, ...] = ()  # layers, each of weight 1 / their number
    tv: tuple[int, ...] = ()  # powers of the total variation
    # alpha, beta, a gamma for each power; all pull about equally
    weights: tuple[float, ...] = (1.0, 300.0, 3.0, 3.0)
    loss: str = "gram"  # of the style; a key of `nst.losses.style_statistics.STYLE_LOSSES`
    guided: bool = False  # content and style have a soft mask; a fifth of its positions are 0
    temperature: float | None = None  # of the activation smoothing; None for none
    pooling: Pooling = "avg"
    size: tuple[int, int] = (inputs.HEIGHT, inputs.WIDTH)  # (H, W) of the generated picture
    style_size: tuple[int, int] = (33, 46)  # (H, W)
    batch: int = 1  # N

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers read, in network order."""
        return tuple(name for name in vgg.LAYER_NAMES if name in (*self.content, *self.style))

    def terms(self, weights: NetworkWeights) -> list[tuple[Term, float]]:
        """The terms with their weights."""
        alpha, beta, *gammas = self.weights
        terms: list[tuple[Term, float]] = []
        if self.content:
            terms.append((self.content_term(weights), alpha))
        if self.style:
            terms.append((self.style_term(weights, self.guided), beta))
        for power, gamma in zip(self.tv, gammas, strict=False):
            terms.append((TotalVariationTerm(2 if power == 2 else 1, f"tv{power}"), gamma))
        return terms

    def content_term(self, weights: NetworkWeights) -> ContentTerm:
        """The content loss, all layers of weight 1."""
        shares = dict.fromkeys(self.content, 1.0)
        if self.temperature is None:
            return ContentTerm(shares, guided=self.guided)
        channels = {name: weights.channels(name) for name in self.content}
        return SmoothedContentTerm(shares, guided=self.guided, channels=channels)

    def style_term(self, weights: NetworkWeights, guided: bool) -> StyleTerm:
        """The style loss, of a masked picture or of a whole one."""
        return StyleTerm(
            dict.fromkeys(self.style, 1 / len(self.style)),
            {name: weights.channels(name) for name in self.style},
            loss=STYLE_LOSSES[self.loss],
            region={name: float(np.sum(self.root(name) ** 2)) for name in self.style} if guided else None,
            smoothed=self.temperature is not None,
        )

    def root(self, layer: str) -> Array:
        """The root of the mask at a layer, (1, 1, H_l, W_l)."""
        rows, columns = vgg.layer_size(layer, *self.size)
        noise = np.random.default_rng([46, rows]).random((1, 1, rows, columns))
        return inputs.exact(np.sqrt(np.maximum(1.25 * noise - 0.25, 0)))

    def network(self, side: Side, weights: NetworkWeights | None = None) -> Network[Any]:
        """What the features come from."""
        return side.network(self.layers, self.pooling, weights)

    @property
    def smoothing(self) -> dict[str, Array]:
        """1 / T by the name of its constant."""
        if self.temperature is None:
            return {}
        return {f"smooth/{layer}": np.array(1.0 / self.temperature) for layer in self.layers}

    def encoder(self, side: Side, like: Array, weights: NetworkWeights | None = None) -> Encoder:
        """How pictures of the size of `like`, (N, 3, H, W), go through the network."""
        network, smoothing = self.network(side, weights), side.tensors(self.smoothing)
        height, width = like.shape[2:]
        return Encoder(side.backend, network, self.layers, height, width, smoothing=smoothing)

    def function(self, side: Side, weights: NetworkWeights | None = None) -> LossFunction[Any]:
        """The loss on a backend."""
        network = self.network(side, weights) if self.layers else None
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
    # weights of which the first steps of L-BFGS end at no kink: rounding of 3e-6 grew to 2e-5 at most in 40 trials
    "whole/smooth": Problem(("conv4_2",), PAPER_STYLE, (2,), weights=(2.0, 9000.0, 2.0)),
    "whole/shallow": Problem(("conv1_1",), ("conv1_1", "conv1_2"), (2,), weights=(1.0, 1000.0, 100.0)),
    **{f"style/{loss}": Problem(style=PAPER_STYLE, loss=loss) for loss in OTHERS},
    "style/w2/max": Problem(style=("conv2_1", "conv4_1"), loss="w2", pooling="max"),
    "style/w2/batch": Problem(style=("conv2_1",), loss="w2", size=(18, 27), style_size=(18, 27), batch=2),
    **{f"guided/{loss}": Problem(style=PAPER_STYLE, loss=loss, guided=True) for loss in STYLE_LOSSES},
    "guided/content": Problem(content=("conv2_2", "conv4_2"), guided=True),
    **{f"smoothed/{loss}": Problem(style=PAPER_STYLE, loss=loss, temperature=8.0) for loss in STYLE_LOSSES},
    "smoothed/content": Problem(content=("conv2_2", "conv4_2"), temperature=8.0),
    "smoothed/guided": Problem(
        ("conv4_2",), PAPER_STYLE, guided=True, temperature=8.0, weights=(1.0, 3000.0)
    ),
    "whole/smallest": Problem(("conv4_2",), PAPER_STYLE, (1, 2), size=(16, 17), style_size=(17, 16)),
}


@cache
def targets(problem: Problem) -> Mapping[str, Array]:
    """Constants of the small network's problem, worked out by the reference and rounded to float32."""
    side = Side(NumpyBackend(dtype="float64"))
    style = inputs.picture(42, *problem.style_size, problem.batch) ** 2
    constants = make_targets(side, problem, inputs.picture(43, *problem.size, problem.batch), style)
    return {name: array.astype(np.float32).astype(np.float64) for name, array in constants.items()}


def compiled(side: Side, problem: Problem) -> Callable[[Array], Evaluation[Array]]:
    """The small network's problem with its targets; compiled once on a side."""
    return side.once(
        ("compiled", problem),
        lambda: side.compiled(problem.function(side), problem.start(), targets(problem)),
    )


def evaluation(side: Side, problem: Problem) -> Evaluation[Array]:
    """The same at its start picture; worked out once on a side."""
    return side.once(("evaluation", problem), lambda: compiled(side, problem)(problem.start()))


def make_targets(
    side: Side, problem: Problem, content: Array, style: Array, weights: NetworkWeights | None = None
) -> dict[str, Array]:
    """P, the style's targets, and the roots of masks, by name: as the losses work them out, on this side."""
    constants: dict[str, Array] = {**problem.smoothing}
    if problem.content:
        encoder = problem.encoder(side, content, weights)
        term = problem.content_term(weights or inputs.small_network())
        (maps,) = content_targets(term, encoder, side.backend.from_numpy(content))
        constants |= side.host(maps)
    if problem.style:
        encoder = problem.encoder(side, style, weights)
        whole = problem.style_term(weights or inputs.small_network(), guided=False)
        means = style_means(whole, encoder, side.backend.from_numpy(style))
        constants |= side.host(style_targets(whole, encoder, means))
    if problem.guided:
        constants |= {f"content/{name}/root": problem.root(name) for name in problem.content}
        constants |= {f"style/{name}/root": problem.root(name) for name in problem.style}
    return constants
