"""A style transfer at one size: targets, weights, the compiled objective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nst.encoding.windows import halo
from nst.engine.fallback import Fallback
from nst.engine.problem import Problem, set_up
from nst.engine.scene import Start
from nst.errors import SettingsError
from nst.losses.term import ExtraTerm
from nst.models import vgg
from nst.models.weights import NetworkWeights
from nst.pictures.masks import Masks
from nst.pictures.picture import Picture, fit_longest_side, planar, resample, resize
from nst.protocol import Backend, Evaluation, HostArray
from nst.settings import Settings

__all__ = ["Stage", "check_sizes", "make_stage", "sized", "tightest"]


@dataclass(frozen=True)
class Stage:
    """One size of the pyramid.

    Attributes:
        backend: where it runs.
        content: p at this size.
        start: what the run starts from.
        problem: losses, weights and targets, as first set up.
        evaluate: losses and gradient at a picture (1, 3, H, W) on the device.
    """

    backend: Backend[Any]
    content: Picture
    start: Start
    problem: Problem
    evaluate: Callable[[Any], Evaluation[Any]]

    @property
    def weights(self) -> dict[str, float]:
        """alpha, beta, gamma by the name of the loss."""
        return {term.name: weight for term, weight in self.problem.terms}

    def again(self, content: Picture, start: Start, extra: Sequence[ExtraTerm]) -> Stage:
        """The same stage for another content picture of the same size: weights, style targets and code stay.

        Args:
            content: p at the size of this stage.
            start: what its run starts from.
            extra: as this stage has them, with other constants.
        """
        old, evaluate = self.problem, self.evaluate
        if isinstance(evaluate, Fallback):
            old, evaluate = evaluate.problem, evaluate.bare
        problem = old.again(content, extra)
        return replace(
            self, content=content, start=start, problem=problem, evaluate=problem.rebound(evaluate)
        )

    def first(self) -> HostArray:
        """The first iterate, (1, 3, H, W)."""
        return self.start.first(*self.content.size)

    def go_on(self, coarse: Stage, x: HostArray) -> HostArray:
        """Where the coarser stage's result `x` leads to: its change of the start, enlarged, on top of ours.

        So the detail of a start from a picture, which a coarser stage cannot hold, is not lost.
        """
        width, height = self.content.size
        change = (x - self.start.base(*coarse.content.size))[0].transpose(1, 2, 0)
        if self.start.settings.padding == "circular":
            # the middle of nine, so that the border fits its other side
            enlarged = resample(np.tile(change, (3, 3, 1)), 3 * width, 3 * height)
            enlarged = enlarged[height : 2 * height, width : 2 * width]
        else:
            enlarged = resample(change, width, height)
        return self.start.base(width, height) + enlarged.transpose(2, 0, 1)[None]


def make_stage(
    settings: Settings,
    weights: NetworkWeights,
    backend: Backend[Any],
    content: Picture,
    styles: Sequence[Picture],
    shares: Sequence[float],
    masks: Masks | None,
    start: Start,
    longest: int,
    sides: Sequence[int | None] = (None,),
    extra: Sequence[ExtraTerm] = (),
) -> Stage:
    """Set up one size.

    Args:
        settings: of the whole transfer; its weights hold at the size of the result.
        weights: of the network.
        backend: where it runs.
        content: p at the size of the result.
        styles: a, each at the size that it has beside the result.
        shares: of each style.
        masks: where styles and content act.
        start: what the run starts from.
        longest: longest side of this stage in pixels.
        sides: of the windows in pixels, None being the whole picture at once: the first is taken, and the next
            ones after running out of memory.
        extra: losses of the caller's own.
    """
    ratio = longest / max(content.size)
    size = sized(settings, *fit_longest_side(*content.size, longest))
    small = resize(content, *size)
    smaller = [
        resize(style, *fit_longest_side(*style.size, max(1, round(ratio * max(style.size)))))
        for style in styles
    ]
    if masks is not None:
        masks = replace(masks, feather=masks.feather * ratio)
    if settings.content_weight and "content" not in settings.means:
        # the paper's content loss is a sum over positions, its style loss is not
        pixels = content.width * content.height / (small.width * small.height)
        settings = replace(settings, content_weight=settings.content_weight * pixels)
    # a picture that fits into one window is computed at once
    fitting = dict.fromkeys(None if side is None or max(size) <= side else side for side in sides)

    def make(side: int | None) -> Problem:
        return set_up(settings, weights, backend, small, smaller, shares, masks, side, extra)

    evaluate = Fallback(make, list(fitting), lambda: backend.from_numpy(planar(small)))
    return Stage(backend, small, start, evaluate.problem, evaluate)


def sized(settings: Settings, width: int, height: int) -> tuple[int, int]:
    """The size that is computed: whole positions of the deepest layer where the picture wraps around."""
    if settings.padding != "circular":
        return width, height
    unit = vgg.minimum_size(settings.layers)
    return max(1, round(width / unit)) * unit, max(1, round(height / unit)) * unit


def tightest(settings: Settings, content: Picture, styles: Sequence[Picture]) -> tuple[int, int]:
    """(shortest side, least side) of the picture that can be made smaller by the least factor."""
    sides = [(min(picture.size), least) for _, picture, least in _least_sides(settings, content, styles)]
    return min(sides, key=lambda pair: pair[0] / pair[1])


def check_sizes(settings: Settings, content: Picture, styles: Sequence[Picture]) -> None:
    """Every layer needs a position at least; a result that wraps around does so once, so it needs a halo.

    Raises:
        SettingsError: a picture is too small for the deepest layer, or there is no layer at all.
    """
    if not settings.layers:
        raise SettingsError("no content and no style layer: nothing to optimise")
    for what, picture, least in _least_sides(settings, content, styles):
        if min(picture.size) < least:
            around = " with circular padding" if least > vgg.minimum_size(settings.layers) else ""
            raise SettingsError(
                f"the {what} picture is {picture.width}x{picture.height} pixels here, "
                f"{settings.layers[-1]} needs {least}x{least} at least{around}: use a larger size or style scale, "
                "a less narrow picture, or shallower layers"
            )


def _least_sides(
    settings: Settings, content: Picture, styles: Sequence[Picture]
) -> list[tuple[str, Picture, int]]:
    """What each picture is, and the least that its shortest side may be."""
    smallest = vgg.minimum_size(settings.layers)
    # the network is not known yet: VGG19's halo, which is as wide as VGG16's or wider
    around = max(smallest, halo(settings.layers)) if settings.padding == "circular" else smallest
    return [("content", content, around), *(("style", style, smallest) for style in styles)]
