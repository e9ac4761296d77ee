"""What one of several workers computes: both passes over windows of its own, on host arrays.

A `Share` may stand in another thread, process or machine: an `Assignment` is all that it is told, once a size, and
pictures, statistics and gradients go to and fro as numpy arrays. The workers' side of `nst.engine.elsewhere`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from nst.engine.loss_scaling import LossScale, compile_objective, evaluate
from nst.engine.windowed import pull_of
from nst.losses.objective import statistics_of
from nst.losses.term import Term
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Backend, HostArray, Objective

__all__ = ["Arrays", "Assignment", "Share"]

Arrays: TypeAlias = Mapping[str, HostArray]


@dataclass(frozen=True, eq=False)
class Assignment:
    """Windows of one picture, and all that their passes need.

    Attributes:
        layers: that the network returns, in network order.
        pooling: of the network.
        terms: those that read layers.
        shared: constants that all windows share, by name.
        windows: constants of its own of each window, by the window's number.
    """

    layers: Sequence[str]
    pooling: Pooling
    terms: Sequence[Term]
    shared: Arrays
    windows: Mapping[int, Arrays]


class Share:
    """Computes windows on a device; `begin` comes first.

    Args:
        backend: that of the whole run, on the worker's own device.
        weights: of the network.
    """

    def __init__(self, backend: Backend[Any], weights: NetworkWeights) -> None:
        self._backend, self._weights = backend, weights
        self._constants: dict[int, dict[str, Any]] = {}
        self._parts: dict[int, Any] = {}
        self._pulls: dict[str, Any] = {}
        self._pull: Objective[Any] | None = None

    def begin(self, assignment: Assignment) -> None:
        """Take over windows, in place of those before."""
        backend = self._backend
        # their memory is free before there are new ones
        self._parts, self._constants, self._pulls, self._pull = {}, {}, {}, None
        network = backend.network(self._weights, assignment.layers, assignment.pooling)
        self._statistics = statistics_of(assignment.terms, network)
        shared = self._on_device(assignment.shared)
        self._constants = {
            number: {**shared, **self._on_device(own)} for number, own in assignment.windows.items()
        }

    def statistics(self, number: int, part: HostArray) -> dict[str, HostArray]:
        """Pass 1 over a window: its statistics. Its part of the picture, (1, 3, h, w), is kept for pass 2."""
        x = self._parts[number] = self._backend.from_numpy(part)
        found = self._backend.evaluate(self._statistics, x, self._constants[number])
        return {name: self._backend.to_numpy(value) for name, value in found.items()}

    def aim(self, pulls: Arrays) -> None:
        """What pass 2 needs of all windows: dE/dS of every statistic, as `pull/name`."""
        self._pulls = self._on_device(pulls)

    def gradient(self, number: int, scale: LossScale) -> tuple[HostArray, LossScale]:
        """Pass 2 over a window, after `aim`: the gradient of <dE/dS, S(part)>.

        Args:
            number: of the window, which has gone through pass 1.
            scale: to begin with.

        Returns:
            The gradient, (1, 3, h, w), and the scale with which it was found.
        """
        x, constants = self._parts.pop(number), {**self._constants[number], **self._pulls}
        if self._pull is None:
            self._pull = compile_objective(self._backend, pull_of(self._statistics), x, constants)
        own = replace(scale)
        return self._backend.to_numpy(evaluate(self._pull, x, constants, own).gradient), own

    def _on_device(self, arrays: Arrays) -> dict[str, Any]:
        return {name: self._backend.from_numpy(array) for name, array in arrays.items()}
