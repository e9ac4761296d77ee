"""Comparisons that raise with got, want, error, limit and the place of the worst element, and the table of limits.

The one table of tolerances is by data type and quantity, with the error measured on each backend. A limit is about ten
times the largest measured error; the numpy backend in float64 is the reference itself. `python -m nst.conformance
--json FILE` writes the worst error of each quantity. A data type without a column has no limits yet, and no case runs
in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nst.errors import BackendError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measurement:
    """One comparison."""

    what: str  # what was compared, such as "feature map conv3_1"
    quantity: str  # row of the table of tolerances
    error: float  # as that row defines it
    limit: float  # the largest error that passes


class Mismatch(AssertionError):  # noqa: N818  # what went wrong, not an error of the program
    """A comparison that failed; `measurement` says by how much."""

    def __init__(self, measurement: Measurement, message: str) -> None:
        super().__init__(message)
        self.measurement = measurement


def compare(
    what: str,
    got: ArrayLike,
    want: ArrayLike,
    quantity: str,
    dtype: str,
    scale: float | None = None,
    precision: str | None = None,
) -> Measurement:
    """Compare two arrays, from the backend under test and from the reference, or raise `Mismatch`.

    The error is the largest difference over the largest magnitude of `want` (or over `scale`), or, where the table says
    "l2", the norm of the difference over the norm of `want`. Shapes must be equal; NaN and infinities must be in the
    same places. "exact" means: the same number once `want` is rounded to the data type. `quantity` is the row and
    `dtype` the column of the table of tolerances; `precision` that of the network, None for `dtype`.
    """
    row = tolerance(dtype, quantity, precision)
    g, w = np.asarray(got, np.float64), np.asarray(want, np.float64)
    if quantity == "exact":
        with np.errstate(over="ignore"):
            w = w.astype(dtype).astype(np.float64)
    if g.shape != w.shape:
        measurement = Measurement(what, quantity, np.inf, row.limit)
        raise Mismatch(measurement, f"{what}: got shape {g.shape}, want shape {w.shape}")
    finite = np.isfinite(w)
    same = np.where(finite, np.isfinite(g), (g == w) | (np.isnan(g) & np.isnan(w)))
    difference = np.where(finite & same, np.abs(np.where(same, g, 0) - np.where(finite, w, 0)), 0.0)
    error = np.inf if not same.all() else _error(difference, np.where(finite, w, 0.0), row.norm, scale)
    measurement = Measurement(what, quantity, error, row.limit)
    if error <= row.limit:
        return measurement
    flat = int(np.argmin(same)) if not same.all() else int(np.argmax(difference))
    where = tuple(int(i) for i in np.unravel_index(flat, w.shape))
    raise Mismatch(
        measurement,
        f"{what}: got {g[where]:.9g}, want {w[where]:.9g} at {where} of shape {w.shape}; "
        f"{quantity} error {error:.2e}, limit {row.limit:.0e}",
    )


def check(what: str, ok: bool) -> Measurement:
    """A claim that is true or not, as a sentence ("versions() is not empty"), or raise `Mismatch`."""
    measurement = Measurement(what, "exact", 0.0 if ok else np.inf, 0.0)
    if not ok:
        raise Mismatch(measurement, f"not so: {what}")
    return measurement


def _error(difference: Array, want: Array, norm: str, scale: float | None) -> float:
    if difference.size == 0:
        return 0.0
    measure = np.linalg.norm if norm == "l2" else np.max
    unit = float(measure(np.abs(want))) if scale is None else scale
    return float(measure(difference)) / (unit or 1.0)


@dataclass(frozen=True)
class Tolerance:
    """A limit and what it rests on."""

    limit: float  # the largest error that passes
    norm: Literal["max", "l2"]  # largest difference over largest magnitude, or norms of both
    measured: Mapping[str, float]  # worst error of each backend on a CPU


TABLE: dict[str, dict[str, Tolerance]] = {
    "float32": {
        "exact": Tolerance(0.0, "max", {}),
        "primitive": Tolerance(4e-6, "max", {"numpy": 2.2e-7, "onnx": 3.8e-7, "tf": 3.5e-7, "torch": 2.8e-7}),
        "primitive gradient": Tolerance(2e-6, "l2", {"numpy": 1.5e-7, "onnx": 2.5e-7, "tf": 1.2e-7, "torch": 1.7e-7}),
        "features": Tolerance(1e-4, "max", {"numpy": 9.0e-6, "onnx": 6.0e-6, "tf": 1.1e-5, "torch": 7.7e-6}),
        "gram": Tolerance(2e-4, "max", {"numpy": 7.4e-6, "onnx": 7.2e-6, "tf": 1.1e-5, "torch": 2.0e-5}),
        "loss": Tolerance(6e-5, "max", {"numpy": 5.3e-6, "onnx": 7.6e-6, "tf": 5.8e-6, "torch": 5.6e-6}),
        "zero": Tolerance(1e-12, "max", {"numpy": 4.5e-15, "onnx": 1.9e-14, "tf": 4.4e-15, "torch": 1.1e-14}),
        "zero gradient": Tolerance(1e-7, "l2", {"numpy": 1.3e-8, "onnx": 6.5e-9, "tf": 8.9e-9, "torch": 5.6e-9}),
        "gradient": Tolerance(3e-4, "l2", {"numpy": 1.4e-5, "onnx": 2.9e-5, "tf": 3.6e-5, "torch": 2.7e-5}),
        "slope": Tolerance(9e-5, "max", {"numpy": 5.1e-6, "onnx": 8.7e-6, "tf": 9.0e-6, "torch": 6.4e-6}),
        "given features": Tolerance(2e-5, "max", {"onnx": 1.5e-7, "tf": 3.2e-7, "torch": 1.9e-6}),
        "vector": Tolerance(5e-6, "max", {"numpy": 4.3e-7, "onnx": 4.3e-7, "tf": 4.3e-7, "torch": 3.7e-7}),
        "trajectory": Tolerance(5e-5, "l2", {"numpy": 4.5e-6, "onnx": 3.9e-6, "tf": 4.3e-6, "torch": 4.6e-6}),
        "loss after steps": Tolerance(7e-6, "max", {"numpy": 8.9e-7, "onnx": 8.1e-7, "tf": 1.2e-6, "torch": 8.3e-7}),
        "curve": Tolerance(1e-2, "max", {"numpy": 3.2e-7, "onnx": 3.3e-7, "tf": 2.6e-7, "torch": 3.3e-7}),
        "full features": Tolerance(5e-4, "max", {"numpy": 1.2e-5, "onnx": 2.8e-5, "tf": 3.1e-5, "torch": 4.4e-5}),
        "full gram": Tolerance(3e-4, "max", {"numpy": 2.3e-5, "onnx": 1.1e-5, "tf": 2.2e-5, "torch": 2.1e-5}),
        "full loss": Tolerance(4e-5, "max", {"numpy": 4.3e-7, "onnx": 4.2e-6, "tf": 2.4e-7, "torch": 3.1e-7}),
        "full gradient": Tolerance(5e-5, "max", {"numpy": 2.2e-6, "onnx": 1.5e-6, "tf": 4.5e-6, "torch": 3.2e-6}),
    },
    "float64": {
        "exact": Tolerance(0.0, "max", {}),
        "primitive": Tolerance(3e-15, "max", {"tf": 2.5e-16, "torch": 2.5e-16}),
        "primitive gradient": Tolerance(2e-15, "l2", {"tf": 1.8e-16, "torch": 1.8e-16}),
        "features": Tolerance(2e-13, "max", {"tf": 1.4e-14, "torch": 1.8e-14}),
        "gram": Tolerance(3e-13, "max", {"numpy": 3.2e-16, "tf": 2.0e-14, "torch": 2.5e-14}),
        "loss": Tolerance(2e-13, "max", {"tf": 1.9e-14, "torch": 4.1e-15}),
        "zero": Tolerance(4e-30, "max", {"numpy": 1.1e-32, "tf": 1.5e-32, "torch": 4.2e-32}),
        "zero gradient": Tolerance(9e-17, "l2", {"numpy": 7.5e-18, "tf": 8.8e-18, "torch": 8.2e-18}),
        "gradient": Tolerance(8e-13, "l2", {"numpy": 1.1e-15, "tf": 7.9e-14, "torch": 7.0e-14}),
        "slope": Tolerance(2e-7, "max", {"numpy": 1.6e-8, "tf": 1.6e-8, "torch": 1.6e-8}),
        "given features": Tolerance(5e-15, "max", {"numpy": 5.2e-16, "tf": 4.9e-16, "torch": 4.9e-16}),
        "vector": Tolerance(9e-15, "max", {"numpy": 1.8e-16, "tf": 1.8e-16, "torch": 8.5e-16}),
        "trajectory": Tolerance(2e-13, "l2", {"tf": 1.6e-14, "torch": 1.1e-14}),
        "loss after steps": Tolerance(9e-15, "max", {"tf": 8.6e-16, "torch": 1.6e-15}),
        "curve": Tolerance(1e-2, "max", {"tf": 5.3e-16, "torch": 3.2e-15}),
        "full features": Tolerance(8e-13, "max", {"numpy": 1.9e-16, "tf": 2.7e-14, "torch": 7.8e-14}),
        "full gram": Tolerance(4e-13, "max", {"numpy": 6.5e-16, "tf": 1.9e-14, "torch": 4.0e-14}),
        "full loss": Tolerance(3e-14, "max", {"tf": 2.3e-15, "torch": 1.7e-15}),
        "full gradient": Tolerance(8e-14, "max", {"numpy": 1.4e-16, "tf": 6.0e-15, "torch": 8.1e-15}),
    },
}  # fmt: skip
"""data type -> quantity -> tolerance. The quantities:

- exact: the same bits; primitive, primitive gradient: one primitive alone;
- features, gram, loss, gradient: of the small network, 16 layers deep at most;
- zero, zero gradient: at the target, in units of those at another picture; the loss is a square, so its limit is a
  hundred times the measured error;
- slope: <gradient, d> against a central difference, in units of the gradient's norm;
- deep gradient, deep slope: of a loss on conv4_1 or deeper, where half precision has its own limit;
- given features: Gram matrices and losses against the float64 ones of the same backend's own feature maps;
- vector: arithmetic of the optimiser, 21 vectors at most;
- trajectory: the way from the start to a step; loss after steps: there; curve: over 50 steps, 1 % by definition;
- loss over sizes: after steps at two sizes, of which the last is in the data type; for half precision alone;
- full ...: VGG19 at full width.
"""


NETWORK: dict[str, dict[str, Tolerance]] = {
    "bfloat16": {
        "features": Tolerance(0.5, "max", {"tf": 1.4e-1, "torch": 1.4e-1}),
        "gram": Tolerance(0.6, "max", {"tf": 2.5e-1, "torch": 2.4e-1}),
        "loss": Tolerance(0.08, "max", {"tf": 3.4e-2, "torch": 3.4e-2}),
        "gradient": Tolerance(0.3, "l2", {"tf": 1.1e-1, "torch": 1.1e-1}),
        "deep gradient": Tolerance(0.97, "l2", {"tf": 6.4e-1, "torch": 6.4e-1}),
        "zero": Tolerance(0.006, "max", {"tf": 1.1e-3, "torch": 1.4e-14}),
        "zero gradient": Tolerance(0.13, "l2", {"tf": 2.3e-2, "torch": 8.4e-9}),
        "deep slope": Tolerance(0.25, "max", {"tf": 1.6e-1, "torch": 1.6e-1}),
        "trajectory": Tolerance(2, "l2", {"tf": 5.9e-1, "torch": 6.0e-1}),
        "loss after steps": Tolerance(0.02, "max", {"tf": 1.3e-2, "torch": 1.1e-2}),
        "curve": Tolerance(0.02, "max", {"tf": 6.4e-3, "torch": 5.6e-3}),
        "loss over sizes": Tolerance(0.02, "max", {"tf": 7.8e-3, "torch": 4.0e-3}),
        "full features": Tolerance(0.6, "max", {"tf": 1.6e-1, "torch": 1.6e-1}),
        "full gram": Tolerance(0.8, "max", {"tf": 5.2e-1, "torch": 5.2e-1}),
        "full loss": Tolerance(0.02, "max", {"tf": 6.8e-3, "torch": 5.2e-3}),
        "full gradient": Tolerance(0.35, "max", {"tf": 2.3e-1, "torch": 2.3e-1}),
    },
    "float16": {
        "features": Tolerance(0.05, "max", {"onnx": 9.0e-3, "tf": 1.7e-2, "torch": 1.6e-2}),
        "gram": Tolerance(0.06, "max", {"onnx": 1.0e-2, "tf": 1.8e-2, "torch": 1.4e-2}),
        "loss": Tolerance(0.01, "max", {"onnx": 1.6e-3, "tf": 6.6e-3, "torch": 2.7e-3}),
        "gradient": Tolerance(0.13, "l2", {"onnx": 8.6e-2, "tf": 5.6e-2, "torch": 5.2e-2}),
        "deep gradient": Tolerance(0.5, "l2", {"onnx": 1.2e-1, "tf": 1.4e-1, "torch": 3.3e-1}),
        "zero": Tolerance(1.5e-4, "max", {"onnx": 0.0, "tf": 3.7e-5, "torch": 0.0}),
        "zero gradient": Tolerance(0.02, "l2", {"onnx": 4.7e-9, "tf": 5.4e-3, "torch": 4.0e-9}),
        "deep slope": Tolerance(0.08, "max", {"onnx": 8.1e-3, "tf": 3.2e-2, "torch": 2.7e-2}),
        "trajectory": Tolerance(2, "l2", {"onnx": 2.0e-1, "tf": 2.8e-1, "torch": 3.6e-1}),
        "loss after steps": Tolerance(0.05, "max", {"onnx": 6.6e-3, "tf": 1.5e-2, "torch": 9.7e-3}),
        "curve": Tolerance(0.01, "max", {"onnx": 3.6e-3, "tf": 4.1e-3, "torch": 1.9e-3}),
        "loss over sizes": Tolerance(0.015, "max", {"onnx": 1.2e-3, "tf": 5.2e-3, "torch": 5.4e-3}),
        "full features": Tolerance(0.12, "max", {"onnx": 2.3e-2, "tf": 3.9e-2, "torch": 3.2e-2}),
        "full gram": Tolerance(0.05, "max", {"onnx": 1.4e-2, "tf": 2.2e-2, "torch": 1.4e-2}),
        "full loss": Tolerance(0.002, "max", {"onnx": 5.7e-4, "tf": 1.2e-3, "torch": 3.2e-4}),
        "full gradient": Tolerance(0.25, "max", {"onnx": 4.9e-2, "tf": 4.7e-2, "torch": 8.4e-2}),
    },
}  # fmt: skip
"""precision of the network -> quantity -> tolerance, instead of the data type's for what the network changes.

These limits are about two to four times the measured error: ten times would let a wrong gradient pass.
"""


def tolerance(dtype: str, quantity: str, precision: str | None = None) -> Tolerance:
    """The limit for a network of this precision if there is one of its own, else that of the data type.

    BackendError: nothing has been measured in this data type.
    """
    if dtype not in TABLE:
        raise BackendError(
            f"conformance has no limits for {dtype} yet: run it with --dtype {' or '.join(TABLE)}"
        )
    own = NETWORK.get(precision or dtype, {}).get(quantity)
    return own or TABLE[dtype][quantity.removeprefix("deep ")]
