"""Comparisons that raise with got, want, error, limit and the place of the worst element."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nst.conformance.tolerances import tolerance

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
