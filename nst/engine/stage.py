"""One size of a transfer: what is minimised there, compiled, in windows that fit into memory."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

from nst.encoding.encoder import Encoder
from nst.engine.crew import WorkerLost
from nst.engine.elsewhere import Elsewhere
from nst.engine.loss_scaling import LossScale, compile_objective
from nst.engine.machine import Machine
from nst.engine.windowed import Here, TiledObjective
from nst.losses.objective import layers_of, loss_function
from nst.losses.term import Loss, Prepared, Term
from nst.pictures.scene import Scene
from nst.planning.memory import is_out_of_memory
from nst.protocol import Evaluation, LossFunction

__all__ = ["Found", "Problem", "Stage"]


Code: TypeAlias = Callable[[Any, Mapping[str, Any], Sequence[Mapping[str, Any]]], Evaluation[Any]]


@dataclass(frozen=True)
class Found:
    """What a stage has found out on its way; another one that starts with it computes the same bits.

    Attributes:
        weights: alpha, beta, gamma by the name of the loss.
        sides: of the present windows, and of those to fall back on.
        scale: of the loss, as the attributes of `nst.engine.loss_scaling.LossScale`.
    """

    weights: Mapping[str, float]
    sides: tuple[int | None, ...]
    scale: tuple[float, bool, int]


class Stage:
    """Losses and gradient at one size.

    Windows change nothing but the memory, so an optimiser never learns that it goes on in smaller ones.

    Args:
        scene: the pictures at this size.
        losses: to minimise.
        machine: what computes them; `sides` are tried one after the other as memory runs out.
        like: a stage of the same size, losses and machine for another content picture. Its weights, the targets of
            losses that do not follow the content, and its compiled code are taken over.
        found: by a stage of the same size, losses and machine, as which this one goes on.

    Raises:
        Exception: the framework's own, when the smallest windows do not fit either.

    Attributes:
        weights: alpha, beta, gamma by the name of the loss.
    """

    def __init__(
        self,
        scene: Scene,
        losses: Sequence[Loss],
        machine: Machine,
        like: Stage | None = None,
        found: Found | None = None,
    ) -> None:
        self.scene, self.machine = scene, machine
        found = like.found if like is not None else found
        self.weights: dict[str, float] = {} if found is None else dict(found.weights)
        self._losses = tuple(losses)
        self._sides: list[int | None] = machine.fitting(scene) if found is None else list(found.sides)
        self._scale: LossScale = LossScale() if found is None else LossScale(*found.scale)
        if like is not None:
            self._scale = like._scale  # which belongs to the compiled code
        self._problem: Problem | None = self._set_up(None if like is None else like.problem)

    @property
    def found(self) -> Found:
        """What it has found out so far."""
        scale = self._scale
        return Found(dict(self.weights), tuple(self._sides), (scale.value, scale.settled, scale.good))

    @property
    def problem(self) -> Problem:
        """What is minimised, in the present windows."""
        assert self._problem is not None
        return self._problem

    def evaluate(self, x: Any) -> Evaluation[Any]:
        """Total, terms and gradient at x, (1, 3, H, W) on the device."""
        while True:
            try:
                return self.problem.code(x, self.problem.shared, self.problem.constants)
            except WorkerLost as lost:
                assert self.machine.crew is not None
                self.machine.crew.go_on_without(lost)
                continue
            except Exception as error:
                self._take_smaller_windows(error)
            gc.collect()
            self._problem = self._set_up()

    def _set_up(self, old: Problem | None = None) -> Problem:
        """What is minimised: anew, or the old problem with other targets if its windows still are the ones to take."""
        while True:
            try:
                if old is not None and old.encoder.side == self._sides[0]:
                    return old.renewed(self._losses, self.scene)
                return self._set_up_anew(self._sides[0])
            except Exception as error:
                self._take_smaller_windows(error)
            gc.collect()

    def _take_smaller_windows(self, error: Exception) -> None:
        """Go to the next side; `error` it is where it has another cause than memory, or there is no such side."""
        if len(self._sides) == 1 or not is_out_of_memory(error):
            raise error
        # what is there goes before anything else is made, so that its memory is free
        self._problem, self._sides = None, self._sides[1:]
        logging.getLogger("nst").warning("out of memory: going on in windows of %d pixels", self._sides[0])

    def _set_up_anew(self, side: int | None) -> Problem:
        encoder = self.machine.encoder(self.scene, layers_of(self._losses), side)
        prepared = []
        for loss in self._losses:
            own = loss.prepare(encoder, self.scene)
            # what was found for the first picture and its first windows stays
            weight = self.weights.setdefault(own.term.name, own.weight)
            prepared.append(replace(own, weight=weight))
        terms = [(own.term, own.weight) for own in prepared]
        return Problem(encoder, tuple(prepared), self._code(encoder, terms))

    def _code(self, encoder: Encoder, terms: Sequence[tuple[Term, float]]) -> Code:
        if encoder.side is None:
            return _AtOnce(encoder, terms, self._scale)
        deep, crew = [term for term, _ in terms if term.layers], self.machine.crew
        if crew is None or not deep:
            return TiledObjective(encoder, terms, Here(encoder, deep, self._scale))
        elsewhere = Elsewhere(encoder, self.machine.settings.pooling, deep, crew, self._scale)
        return TiledObjective(encoder, terms, elsewhere)


@dataclass(frozen=True, eq=False)
class Problem:
    """L_total = sum of weight * term in one arrangement of windows; code and constants are kept apart.

    Attributes:
        encoder: what the features come from.
        losses: with their weights and targets.
        code: x, targets that all views share, all constants of each view -> losses and gradient; compiled when it is
            called first.
    """

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
        return loss_function(self.terms, self.encoder.seen, self.encoder.height, self.encoder.width)

    @cached_property
    def shared(self) -> dict[str, Any]:
        """The targets that all views share, by name, on the device."""
        return {name: target for loss in self.losses for name, target in loss.shared.items()}

    @cached_property
    def constants(self) -> list[dict[str, Any]]:
        """All constants of each view."""
        found = [{**self.shared, **view.inner} for view in self.encoder.views]
        for loss in self.losses:
            for constants, own in zip(found, loss.local or [{} for _ in found], strict=True):
                constants.update(own)
        return found

    def renewed(self, losses: Sequence[Loss], scene: Scene) -> Problem:
        """The same for another content picture, with new targets for the losses that follow it."""
        prepared = list(self.losses)
        for number, loss in enumerate(losses):
            if loss.follows_content:
                new = loss.prepare(self.encoder, scene)
                prepared[number] = replace(prepared[number], shared=new.shared, local=new.local)
        return replace(self, losses=tuple(prepared))


class _AtOnce:
    """Losses and gradient of a picture that is computed at once; the counterpart of `TiledObjective`."""

    def __init__(self, encoder: Encoder, terms: Sequence[tuple[Term, float]], scale: LossScale) -> None:
        self._backend, self._scale = encoder.backend, scale
        self._function = loss_function(terms, encoder.seen, encoder.height, encoder.width)
        self._compiled: Any = None

    def __call__(
        self, x: Any, shared: Mapping[str, Any], constants: Sequence[Mapping[str, Any]]
    ) -> Evaluation[Any]:
        (own,) = constants
        if self._compiled is None:
            self._compiled = compile_objective(self._backend, self._function, x, own, self._scale)
        evaluation: Evaluation[Any] = self._compiled(x, own)
        return evaluation
