"""One run through all its sizes, from the start or from where another one was left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nst.engine.pyramid import unit_of
from nst.engine.stage import Found, Position, Stage, descend, first_state
from nst.engine.start import Start
from nst.engine.workshop import Machine
from nst.losses.objective import layers_of
from nst.losses.term import Loss
from nst.optim import Optimizer, State
from nst.pictures.picture import Picture, from_planar
from nst.pictures.scene import Scene
from nst.progress import Output, Progress
from nst.protocol import HostArray

__all__ = ["Run"]


@dataclass(frozen=True, eq=False)
class Run:
    """Everything that one run needs.

    Attributes:
        scene: the pictures at the size of the result.
        losses: to minimise.
        machine: what computes them.
        optimizer: what minimises them.
        start: the first picture, at any size.
        schedule: (longest side in pixels, steps) of each scale, coarse to fine.
        output: how iterates are seen.
        ready: what is minimised at the only scale, where it is set up already.
    """

    scene: Scene
    losses: tuple[Loss, ...]
    machine: Machine
    optimizer: Optimizer
    start: Start
    schedule: tuple[tuple[int, int], ...]
    output: Output
    ready: Stage | None = None

    def stage(self, longest: int, found: Found | None = None) -> Stage:
        """What is minimised at a longest side of that many pixels."""
        if self.ready is not None:
            return self.ready
        unit = unit_of(layers_of(self.losses), self.machine.settings.padding)
        return Stage(self.scene.at(longest, unit), self.losses, self.machine, found)

    def iterate(
        self, position: Position | None = None, until: Callable[[], object] = lambda: False
    ) -> Iterator[Progress]:
        """See `StyleTransfer.iterate`.

        Args:
            position: of a run like this one, to go on from: its iterate comes first, whatever `until` says.
            until: asked before each step and each part of the setting up of a size; what is true ends the run.
        """
        backend, optimizer = self.machine.backend, self.optimizer
        began = time.perf_counter() - (position.seconds if position else 0.0)
        done = position.done if position else 0
        coarse: HostArray | None = None
        first = position.scale if position else 1
        for number, (longest, steps) in enumerate(self.schedule[first - 1 :], start=first):
            if position:
                stage, state = self.stage(longest, position.found), position.state
                position = None  # so that the memory of its state is free when the next one is there
            elif steps == 0 and coarse is not None:
                yield self._record(done, number, began, stage, state, self._enlarged(coarse))
                return
            elif until():
                return
            else:
                stage = self.stage(longest)
                if until():
                    return
                state = first_state(backend, optimizer, stage.evaluate, self._first(coarse, stage))
            states = descend(backend.space, optimizer, stage.evaluate, state, steps)
            for state in states:
                enlarged = done and state.step == 0 and steps and not state.stopped
                passed = state.stopped == "converged" and number < len(self.schedule)
                if not enlarged and not passed:  # neither is the outcome of a step
                    yield self._record(done + state.step, number, began, stage, state)
                if state.step < steps and not state.stopped and until():
                    return
            if state.stopped == "non-finite":
                return
            done += state.step
            coarse = backend.to_numpy(state.result(backend.space))

    def full_size(self, record: Progress | None) -> Picture:
        """A record's picture at the size of the result, with its colours as they are seen; None: the start picture."""
        width, height = self.scene.size
        if record is not None and record.size == (width, height):
            return record.picture()
        if record is None:
            return self.output.finish(self._picture(self.start.first(width, height)))
        return self.output.finish(self._enlarged(record.array()))

    def _record(
        self,
        step: int,
        number: int,
        began: float,
        stage: Stage,
        state: State[Any],
        enlarged: Picture | None = None,
    ) -> Progress:
        return Progress(
            step=step,
            steps=sum(count for _, count in self.schedule),
            scale=number,
            scales=len(self.schedule),
            size=stage.scene.size if enlarged is None else enlarged.size,
            seconds=time.perf_counter() - began,
            stopped=None if enlarged is not None else state.stopped,
            _settings=self.machine.settings,
            _longest=max(self.scene.size),
            _output=self.output,
            _stage=stage,
            _state=state,
            _enlarged=enlarged,
        )

    def _enlarged(self, coarse: HostArray) -> Picture:
        """A result (1, 3, h, w) at the size of the scene, without a step there."""
        return self._picture(self.start.go_on(coarse, *self.scene.size))

    def _picture(self, array: HostArray) -> Picture:
        """(1, 3, H, W) of the size of the scene."""
        return from_planar(array, self.scene.content.alpha)

    def _first(self, coarse: HostArray | None, stage: Stage) -> HostArray:
        """The first iterate of a stage, from the result of the one before."""
        size = stage.scene.size
        return self.start.first(*size) if coarse is None else self.start.go_on(coarse, *size)
