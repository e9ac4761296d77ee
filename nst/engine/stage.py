"""One size of a transfer: what is minimised there, compiled, in windows that fit into memory, step by step."""

from __future__ import annotations

import gc
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from warnings import warn

import numpy as np

from nst.encoding.encoder import Encoder
from nst.engine.cache import Code, Context
from nst.engine.distributed import WorkerLostError
from nst.engine.loss_scaling import LossScale
from nst.losses.objective import layers_of, loss_function
from nst.losses.term import Loss, Prepared, Term
from nst.optim import State
from nst.pictures.scene import Scene
from nst.planning.plan import is_out_of_memory
from nst.protocol import Evaluation, LossFunction, Network


@dataclass(frozen=True)
class StageState:
    """What a stage has found out on its way; another one that starts with it computes the same bits."""

    weights: Mapping[str, float]  # alpha, beta, gamma by the name of the loss
    sides: tuple[int | None, ...]  # of the present windows, and of those to fall back on
    scale: tuple[float, bool, int]  # of the loss, the fields of `nst.engine.loss_scaling.LossScale`


class Stage:
    """Losses and gradient at one size.

    Windows change nothing but the memory, so an optimiser never learns that it goes on in smaller ones: those of the
    context's `sides` are tried one after the other, and the framework's own error comes when the smallest do not fit
    either. With `state`, it goes on as a stage of the same size, losses and context, be it with another content
    picture.
    """

    def __init__(
        self,
        scene: Scene,
        losses: Sequence[Loss],
        context: Context,
        state: StageState | None = None,
    ) -> None:
        self.scene, self.context = scene, context
        self.weights: dict[str, float] = {} if state is None else dict(state.weights)
        self._losses = tuple(losses)
        self._sides: list[int | None] = context.fitting(scene) if state is None else list(state.sides)
        self._scale: LossScale = LossScale() if state is None else LossScale(*state.scale)
        self._problem: StageProblem | None = None
        self._network: Network[Any] | None = None
        while True:
            try:
                self._problem = self._prepared()
                break
            except Exception as error:
                self._take_less_memory(error)
            gc.collect()

    @property
    def state(self) -> StageState:
        """What it has found out so far."""
        scale = self._scale
        return StageState(dict(self.weights), tuple(self._sides), (scale.value, scale.settled, scale.good))

    @property
    def problem(self) -> StageProblem:
        """What is minimised, in the present windows."""
        assert self._problem is not None
        return self._problem

    def evaluate(self, x: Any) -> Evaluation[Any]:
        """Total, terms and gradient at x, (1, 3, H, W) on the device."""
        while True:
            try:
                if self._problem is None:
                    self._problem = self._prepared()
                return self.problem.code(x, self.problem.shared, self.problem.constants, self._scale)
            except WorkerLostError as lost:
                assert self.context.group is not None
                self.context.group.go_on_without(lost)
                continue
            except Exception as error:
                self._take_less_memory(error)
            gc.collect()

    def release(self) -> None:
        """Free what computes at this size: it is made again should it be asked for."""
        self._network = self.problem.encoder.network  # which the next size goes on with
        self._problem = None

    def _take_less_memory(self, error: Exception) -> None:
        """Forget other sizes, or go to the next side; `error` it is where it has another cause, or nothing helps."""
        if not is_out_of_memory(error):
            raise error
        # what is there goes before anything else is made, so that its memory is free
        self._problem = None
        if self.context.group is not None:
            self.context.group.busy_with = None
        if self.context.cache.clear():
            return
        if len(self._sides) == 1:
            raise error
        self._sides = self._sides[1:]
        logging.getLogger("nst").warning("out of memory: going on in windows of %d pixels", self._sides[0])

    def _prepared(self) -> StageProblem:
        """The losses with their targets and weights, and their code, in the present windows."""
        scene, context = self.scene, self.context
        size = context.size_cache(scene, layers_of(self._losses), self._sides[0])
        encoder = size.smoothed(scene) if context.settings.smoothing else size.encoder
        prepared: list[Prepared] = []
        for loss in self._losses:
            # what a loss took from the styles alone serves other contents of this size
            shared = not _depends_on_content(loss) and not (encoder.smoothing and not scene.styles)
            key = scene.setting, loss, encoder.side, encoder.padding, bool(encoder.smoothing)
            own: Prepared | None = encoder.known.find(key) if shared else None
            if own is None:
                own = loss.prepare(encoder, scene)
                if shared:
                    encoder.known.put(key, own)
            # what was found for the first picture and its first windows stays
            weight = self.weights.setdefault(own.term.name, own.weight)
            prepared.append(replace(own, weight=weight))
        code = size.code([_weighted(own.term) for own in prepared], context.group)
        return StageProblem(encoder, tuple(prepared), code)


def _depends_on_content(loss: Loss) -> bool:
    """`Loss.depends_on_content`; a loss of a user's own may have the name of before, for one more release."""
    if hasattr(loss, "depends_on_content"):
        return loss.depends_on_content
    warn("Loss.follows_content is now Loss.depends_on_content", DeprecationWarning, stacklevel=2)
    of_before: Any = loss
    return bool(of_before.follows_content)


@dataclass(frozen=True, eq=False)
class StageProblem:
    """L_total = sum of weight * term in one arrangement of windows; the compiled code serves other pictures too."""

    encoder: Encoder
    losses: tuple[Prepared, ...]
    code: Code

    @property
    def terms(self) -> list[tuple[Term, float]]:
        """The terms with their weights."""
        return [(loss.term, loss.weight) for loss in self.losses]

    @property
    def function(self) -> LossFunction[Any]:
        """What the backend differentiates, where the picture is computed at once."""
        terms = [_weighted(loss.term) for loss in self.losses]
        return loss_function(terms, self.encoder.seen, self.encoder.height, self.encoder.width)

    @cached_property
    def shared(self) -> dict[str, Any]:
        """The weights, and the targets that all views share, by name, on the device."""
        found = {name: target for loss in self.losses for name, target in loss.shared.items()}
        for loss in self.losses:
            found[_weighted(loss.term)[1]] = self.encoder.backend.from_numpy(np.array(loss.weight))
        return found

    @cached_property
    def constants(self) -> list[dict[str, Any]]:
        """All constants of each view."""
        found = [{**self.shared, **view.constants} for view in self.encoder.views]
        for loss in self.losses:
            for constants, own in zip(found, loss.local or [{} for _ in found], strict=True):
                constants.update(own)
        return found


def _weighted(term: Term) -> tuple[Term, str]:
    """The term, and the name of the constant that is its weight."""
    return term, f"{term.name}/weight"


@dataclass(frozen=True, eq=False)
class RunState:
    """Everything that the steps to come depend on, besides the run itself.

    No random state is part of it: noise is drawn for the start picture alone, from the seed.
    """

    scale: int  # which of the sizes this is, from 1
    done: int  # steps at the coarser ones
    seconds: float  # since the run began
    stage: StageState
    state: State[Any]  # of the optimiser
