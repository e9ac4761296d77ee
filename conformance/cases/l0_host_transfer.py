"""Level 0: what goes in comes out, in the logical layout, and nothing is shared with the host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.conformance.case import Case, Subject
from nst.conformance.cases import inputs
from nst.conformance.compare import Measurement
from nst.errors import BackendError

EXTREMES = np.array([0.0, -0.0, 1.0, -1.0, 1e-30, -1e-30, 1e30, -1e30, np.inf, -np.inf, np.nan], np.float32)

ARRAYS: dict[str, Callable[[], NDArray[Any]]] = {
    "scalar": lambda: np.array(1.5),
    "vector": lambda: inputs.ramp(5),
    "grams": lambda: inputs.ramp(2, 3, 3),
    "picture": lambda: inputs.ramp(1, 3, 5, 7),
    "batch": lambda: inputs.ramp(2, 3, 4, 7),
    "filters": lambda: inputs.ramp(4, 2, 3, 3),
    "features": lambda: inputs.ramp(1, 17, 3, 2),
    "float32": lambda: inputs.ramp(1, 3, 4, 5).astype(np.float32),
    "fortran-order": lambda: np.asfortranarray(inputs.ramp(1, 3, 5, 7)),
    "strided": lambda: inputs.ramp(2, 6, 10, 7)[:, ::2, ::-2, 1:],
    "read-only": lambda: np.broadcast_to(inputs.ramp(3, 1, 1), (1, 3, 4, 5)),
    "extremes": lambda: EXTREMES.reshape(1, 11, 1, 1),
}


def _round_trip(make: Callable[[], NDArray[Any]]) -> Callable[[Subject], Iterator[Measurement]]:
    def run(subject: Subject) -> Iterator[Measurement]:
        backend, array = subject.tested.backend, make()
        back = backend.to_numpy(backend.from_numpy(array))
        yield subject.compare("round trip", back, array, "exact")
        yield subject.compare("sign of zero", np.signbit(back), np.signbit(array), "exact")
        through = subject.tested.evaluate(lambda ops, x, c: {"x": x, "c": c["c"]}, array, {"c": array})
        yield subject.compare("x through evaluate", through["x"], array, "exact")
        yield subject.compare("a constant through evaluate", through["c"], array, "exact")

    return run


def _dtype(subject: Subject) -> Iterator[Measurement]:
    backend = subject.tested.backend
    yield subject.check(
        "backend.dtype is among capabilities.dtypes", backend.dtype in backend.capabilities.dtypes
    )
    back = backend.to_numpy(backend.from_numpy(np.ones((1, 3, 2, 2))))
    yield subject.check(f"to_numpy gives {backend.dtype}", back.dtype == backend.dtype)


def _host_array_is_copied(subject: Subject) -> Iterator[Measurement]:
    backend, array = subject.tested.backend, inputs.ramp(1, 3, 4, 5).astype(subject.tested.backend.dtype)
    tensor = backend.from_numpy(array)
    array += 1
    yield subject.compare("tensor after its source changed", backend.to_numpy(tensor), array - 1, "exact")


def _result_is_a_copy(subject: Subject) -> Iterator[Measurement]:
    backend, array = subject.tested.backend, inputs.ramp(1, 3, 4, 5)
    tensor = backend.from_numpy(array)
    backend.to_numpy(tensor)[...] = 0
    yield subject.compare("tensor after its copy changed", backend.to_numpy(tensor), array, "exact")


def _declarations(subject: Subject) -> Iterator[Measurement]:
    backend = subject.tested.backend
    kind = backend.device.partition(":")[0]
    yield subject.check("versions() is not empty", bool(backend.versions()))
    yield subject.check(f"capabilities.devices holds {kind}", kind in backend.capabilities.devices)
    found = backend.device in backend.available_devices()
    yield subject.check(f"available_devices() holds {backend.device}", found)


def _refuses(**request: str) -> Callable[[Subject], Iterator[Measurement]]:
    def run(subject: Subject) -> Iterator[Measurement]:
        refused = False
        try:
            type(subject.tested.backend)(**request)
        except BackendError as error:
            refused = bool(str(error)) and "\n" not in str(error)
        yield subject.check(f"BackendError of one line for {request}", refused)

    return run


CASES = [
    *(Case(f"transfer/round-trip/{name}", 0, _round_trip(make)) for name, make in ARRAYS.items()),
    Case("transfer/dtype", 0, _dtype),
    Case("transfer/host-array-is-copied", 0, _host_array_is_copied),
    Case("transfer/result-is-a-copy", 0, _result_is_a_copy),
    Case("transfer/declarations", 0, _declarations),
    Case("transfer/refuses-dtype", 0, _refuses(dtype="float7")),
    Case("transfer/refuses-device", 0, _refuses(device="abacus")),
]
