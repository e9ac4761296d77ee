"""A network in float16: the loss is scaled before it is differentiated, so that its gradients are representable.

float16 holds magnitudes from 6e-8 to 65504. Gradients of the feature maps easily lie below, where they would become
0, or above. Multiplying the loss by a power of two moves them into range, dividing the gradient of the picture by it
is exact. The power is found on the way: down after an overflow, up again after a time without (Micikevicius et al.,
*Mixed Precision Training*, ICLR 2018, section 3.2). bfloat16 has the range of float32 and needs none of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from nst.protocol import Backend, Evaluation, LossFunction, Objective, Ops

T = TypeVar("T")

SCALE, TOTAL = "loss scale", "unscaled total"
"""Names of a constant and of a term, beside those of the objective."""

LARGEST, SMALLEST = 2.0**24, 2.0**-24
PATIENCE = 50
"""Evaluations without an overflow after which twice the scale is tried; a failure costs one evaluation."""

OVERFLOW = "the losses are not finite with a network in float16, whose numbers end at 65504: use precision bf16 or fp32"
"""What to say when the losses of the start picture overflow, which no scale helps."""


@dataclass
class LossScale:
    """The scale of a stage: it changes from call to call, and is what a run that goes on later has to know."""

    value: float = LARGEST  # a power of two
    settled: bool = False  # a call has succeeded
    good: int = 0  # calls without an overflow since the value changed

    def take(self, other: LossScale) -> None:
        """Become like another one."""
        self.value, self.settled, self.good = other.value, other.settled, other.good

    def lower(self) -> None:
        """After an overflow: far off at first, within a factor of two of the best later."""
        self.value = max(SMALLEST, self.value / (2.0 if self.settled else 16.0))
        self.good = 0

    def succeed(self) -> None:
        """After a call without one."""
        self.settled = True
        self.good += 1
        if self.good == PATIENCE:
            self.good = 0
            self.value = min(LARGEST, 2.0 * self.value)


def compile_objective(
    backend: Backend[T],
    function: LossFunction[Any],
    like: T,
    constants: Mapping[str, T],
) -> Objective[T]:
    """`Backend.compile`, with loss scaling where the network computes in float16."""
    if backend.precision == "float16":
        return ScaledObjective(backend, function, like, constants)
    return backend.compile(function, like, constants)


def evaluate(objective: Objective[T], x: T, constants: Mapping[str, T], scale: LossScale) -> Evaluation[T]:
    """What `compile_objective` made, at a scale that belongs to the caller: other runs share the objective."""
    if isinstance(objective, ScaledObjective):
        return objective(x, constants, scale)
    return objective(x, constants)


class ScaledObjective:
    """See `nst.protocol.Objective`. Total, terms and gradient are unscaled.

    Calls that bring no scale of their own share one, which is kept from call to call.

    An evaluation costs one synchronisation more, to see whether the gradient overflowed. Where the losses themselves
    do, no scale helps, and the evaluation comes back as it is: for an optimiser the step was too long.
    """

    def __init__(
        self,
        backend: Backend[T],
        function: LossFunction[Any],
        like: T,
        constants: Mapping[str, T],
    ) -> None:
        def scaled(ops: Ops[Any], x: Any, constants: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
            total, terms = function(ops, x, constants)
            return ops.scale_by(total, constants[SCALE]), {**terms, TOTAL: total}

        self._scale = LossScale()
        self._backend: Backend[Any] = backend
        self._compiled = backend.compile(scaled, like, self._with_scale(constants, self._scale))

    @property
    def scale(self) -> float:
        """In use by calls that bring none, a power of two."""
        return self._scale.value

    def __call__(self, x: T, constants: Mapping[str, T], scale: LossScale | None = None) -> Evaluation[T]:
        """See `nst.protocol.Objective`."""
        scale = self._scale if scale is None else scale
        while True:
            evaluation, finite = self._evaluate(x, constants, scale)
            if finite:
                scale.succeed()
                return evaluation
            total = self._backend.space.scalars([evaluation.total])
            if scale.value <= SMALLEST or not np.isfinite(total).all():
                return evaluation
            scale.lower()

    def _evaluate(
        self, x: Any, constants: Mapping[str, Any], scale: LossScale
    ) -> tuple[Evaluation[Any], bool]:
        """An evaluation at the present scale, and whether its gradient is finite."""
        scaled = self._compiled(x, self._with_scale(constants, scale))
        terms = dict(scaled.terms)
        total = terms.pop(TOTAL)
        space = self._backend.space
        gradient = space.lincomb([1.0 / scale.value], [scaled.gradient])
        finite = bool(np.isfinite(space.dots([(gradient, gradient)])).all())
        return Evaluation(total, terms, gradient), finite

    def _with_scale(self, constants: Mapping[str, Any], scale: LossScale) -> dict[str, Any]:
        return {**constants, SCALE: self._backend.from_numpy(np.array(scale.value))}
