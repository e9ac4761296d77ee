"""A case as a value, and what it is given: the backend under test beside the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nst.backends.numpy.backend import NumpyBackend
from nst.conformance.cases import inputs
from nst.conformance.compare import Measurement, check, compare
from nst.engine.loss_scaling import compile_objective
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Backend, Evaluation, LossFunction, Network, TensorFunction

Array = NDArray[np.float64]
Constants = Mapping[str, Array]
R = TypeVar("R")


class Skip(Exception):  # noqa: N818  # not an error
    """Raised by a case that has nothing to look at on this backend; the text says why."""


@dataclass(frozen=True)
class Need:
    """What a case asks of a backend or of the run; without it the case is skipped."""

    # the backend declares that the same call gives the same bits, and runs on a CPU
    deterministic: bool = False
    weights: bool = False  # a file with real weights was given

    def missing(self, subject: Subject) -> str | None:
        """Why the case cannot run, or None if it can."""
        backend = subject.tested.backend
        if self.deterministic and not (backend.capabilities.deterministic and backend.device == "cpu"):
            return "the backend does not declare itself deterministic on this device"
        if self.weights and subject.weights is None:
            return "no file with real weights was given"
        return None


@dataclass(frozen=True)
class Side:
    """One backend, driven with host arrays. Networks and what several cases look at are made once and kept."""

    backend: Backend[Any]
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False)

    def once(self, key: Any, make: Callable[[], R]) -> R:
        """What `make` gives, or gave for that key."""
        if key not in self._kept:
            self._kept[key] = make()
        kept: R = self._kept[key]
        return kept

    def network(
        self, layers: Sequence[str], pooling: Pooling = "avg", weights: NetworkWeights | None = None
    ) -> Network[Any]:
        """A network; without weights the small one of `inputs.small_network`."""
        weights = weights or inputs.small_network()
        key = (tuple(layers), pooling, id(weights))
        return self.once(key, lambda: self.backend.network(weights, layers, pooling))

    def tensors(self, constants: Constants) -> dict[str, Any]:
        """Constants on the device."""
        return {name: self.backend.from_numpy(array) for name, array in constants.items()}

    def host(self, tensors: Mapping[str, Any]) -> dict[str, Array]:
        """Tensors on the host, as float64."""
        return {name: np.asarray(self.backend.to_numpy(t), np.float64) for name, t in tensors.items()}

    def evaluate(
        self, function: TensorFunction[Any], x: Array, constants: Constants | None = None
    ) -> dict[str, Array]:
        """`Backend.evaluate` on host arrays."""
        tensors = self.tensors(constants or {})
        return self.host(self.backend.evaluate(function, self.backend.from_numpy(x), tensors))

    def differentiate(
        self, function: LossFunction[Any], x: Array, constants: Constants | None = None
    ) -> Evaluation[Array]:
        """An objective as the engine compiles it, and one call, on host arrays."""
        return self.compiled(function, x, constants)(x)

    def compiled(
        self, function: LossFunction[Any], like: Array, constants: Constants | None = None
    ) -> Callable[[Array], Evaluation[Array]]:
        """An objective as the engine compiles it, on host arrays."""
        tensors = self.tensors(constants or {})
        objective = compile_objective(self.backend, function, self.backend.from_numpy(like), tensors)
        return lambda x: self.read(objective(self.backend.from_numpy(x), tensors))

    def read(self, evaluation: Evaluation[Any]) -> Evaluation[Array]:
        """An evaluation on the host."""
        arrays = self.host({"total": evaluation.total, "gradient": evaluation.gradient})
        return Evaluation(arrays["total"], self.host(evaluation.terms), arrays["gradient"])


class Subject:
    """What a case is run on: a backend, and real weights if a file was given."""

    def __init__(self, backend: Backend[Any], weights: NetworkWeights | None = None) -> None:
        self.tested = Side(backend)
        self.weights = weights

    @cached_property
    def reference(self) -> Side:
        """The float64 numpy backend."""
        return Side(NumpyBackend(dtype="float64"))

    def compare(
        self, what: str, got: ArrayLike, want: ArrayLike, quantity: str, scale: float | None = None
    ) -> Measurement:
        """`compare.compare` in the backend's data type and precision."""
        backend = self.tested.backend
        return compare(what, got, want, quantity, backend.dtype, scale, backend.precision)

    def check(self, what: str, ok: bool) -> Measurement:
        """`compare.check`: a claim that is true or not."""
        return check(what, ok)


@dataclass(frozen=True)
class Case:
    """One thing that a backend must get right."""

    id: str  # `group/name/...`, stable: known deviations refer to it
    # 0 transfer, 1 primitives, 2 features, 3 losses, 4 gradients, 5 vector space, 6 optimisers, 7 full size
    level: int
    # makes its comparisons one by one; raises `Mismatch` at the first that fails
    run: Callable[[Subject], Iterator[Measurement]]
    need: Need = Need()  # what the backend must declare

    @property
    def group(self) -> str:
        """First part of the id."""
        return self.id.partition("/")[0]
