"""The one table of tolerances, by data type and quantity, with the error measured on each backend.

A limit is about ten times the largest measured error; the numpy backend in float64 is the reference itself.
`python -m nst.conformance --json FILE` writes the worst error of each quantity. A data type without a column has no
limits yet, and no case runs in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nst.errors import BackendError

__all__ = ["TABLE", "Tolerance", "tolerance"]


@dataclass(frozen=True)
class Tolerance:
    """A limit and what it rests on.

    Attributes:
        limit: the largest error that passes.
        norm: "max": largest difference over largest magnitude; "l2": norm of the difference over the norm.
        measured: worst error of each backend on a CPU.
    """

    limit: float
    norm: Literal["max", "l2"]
    measured: Mapping[str, float]


TABLE: dict[str, dict[str, Tolerance]] = {
    "float32": {
        "exact": Tolerance(0.0, "max", {}),
        "primitive": Tolerance(4e-6, "max", {"numpy": 2.2e-7, "onnx": 2.2e-7, "tf": 3.5e-7, "torch": 2.8e-7}),
        "primitive gradient": Tolerance(2e-6, "l2", {"numpy": 6.0e-8, "onnx": 1.3e-7, "tf": 1.2e-7, "torch": 1.2e-7}),
        "features": Tolerance(1e-4, "max", {"numpy": 9.0e-6, "onnx": 6.0e-6, "tf": 1.1e-5, "torch": 7.7e-6}),
        "gram": Tolerance(2e-4, "max", {"numpy": 7.4e-6, "onnx": 7.2e-6, "tf": 1.1e-5, "torch": 2.0e-5}),
        "loss": Tolerance(4e-5, "max", {"numpy": 1.1e-6, "onnx": 1.4e-6, "tf": 4.0e-6, "torch": 3.2e-6}),
        "zero": Tolerance(1e-12, "max", {"numpy": 3.4e-15, "onnx": 1.2e-14, "tf": 4.4e-15, "torch": 1.1e-14}),
        "zero gradient": Tolerance(4e-8, "l2", {"numpy": 3.3e-9, "onnx": 4.2e-9, "tf": 4.0e-9, "torch": 3.5e-9}),
        "gradient": Tolerance(2e-4, "l2", {"numpy": 1.0e-5, "onnx": 9.1e-6, "tf": 1.3e-5, "torch": 6.3e-6}),
        "slope": Tolerance(9e-5, "max", {"numpy": 1.6e-6, "onnx": 1.6e-6, "tf": 8.7e-6, "torch": 5.1e-6}),
        "vector": Tolerance(5e-6, "max", {"numpy": 4.3e-7, "onnx": 4.3e-7, "tf": 4.3e-7, "torch": 3.7e-7}),
        "trajectory": Tolerance(5e-5, "l2", {"numpy": 4.5e-6, "onnx": 3.9e-6, "tf": 4.3e-6, "torch": 4.6e-6}),
        "loss after steps": Tolerance(7e-6, "max", {"numpy": 2.4e-7, "onnx": 6.4e-7, "tf": 3.5e-7, "torch": 3.4e-7}),
        "curve": Tolerance(1e-2, "max", {"numpy": 3.2e-7, "onnx": 3.3e-7, "tf": 2.6e-7, "torch": 3.3e-7}),
        "full features": Tolerance(5e-4, "max", {"numpy": 1.2e-5, "onnx": 2.8e-5, "tf": 3.1e-5, "torch": 4.4e-5}),
        "full gram": Tolerance(3e-4, "max", {"numpy": 2.3e-5, "onnx": 1.1e-5, "tf": 2.2e-5, "torch": 2.1e-5}),
        "full loss": Tolerance(4e-5, "max", {"numpy": 4.3e-7, "onnx": 4.2e-6, "tf": 2.4e-7, "torch": 3.1e-7}),
        "full gradient": Tolerance(5e-5, "max", {"numpy": 2.2e-6, "onnx": 1.5e-6, "tf": 4.5e-6, "torch": 3.2e-6}),
    },
    "float64": {
        "exact": Tolerance(0.0, "max", {}),
        "primitive": Tolerance(3e-15, "max", {"tf": 2.5e-16, "torch": 2.5e-16}),
        "primitive gradient": Tolerance(1e-15, "l2", {"tf": 1.2e-16, "torch": 1.2e-16}),
        "features": Tolerance(2e-13, "max", {"tf": 1.4e-14, "torch": 1.8e-14}),
        "gram": Tolerance(3e-13, "max", {"numpy": 3.2e-16, "tf": 2.0e-14, "torch": 2.5e-14}),
        "loss": Tolerance(4e-14, "max", {"tf": 4.2e-15, "torch": 2.3e-15}),
        "zero": Tolerance(4e-30, "max", {"numpy": 1.1e-32, "tf": 1.5e-32, "torch": 4.2e-32}),
        "zero gradient": Tolerance(9e-17, "l2", {"numpy": 7.5e-18, "tf": 8.8e-18, "torch": 8.2e-18}),
        "gradient": Tolerance(3e-13, "l2", {"numpy": 1.1e-15, "tf": 2.4e-14, "torch": 2.4e-14}),
        "slope": Tolerance(2e-7, "max", {"numpy": 1.6e-8, "tf": 1.6e-8, "torch": 1.6e-8}),
        "vector": Tolerance(9e-15, "max", {"numpy": 1.8e-16, "tf": 1.8e-16, "torch": 8.5e-16}),
        "trajectory": Tolerance(2e-13, "l2", {"tf": 1.6e-14, "torch": 1.1e-14}),
        "loss after steps": Tolerance(9e-15, "max", {"tf": 8.6e-16, "torch": 8.1e-16}),
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
- vector: arithmetic of the optimiser, 21 vectors at most;
- trajectory: the way from the start to a step; loss after steps: there; curve: over 50 steps, 1 % by definition;
- full ...: VGG19 at full width.
"""


def tolerance(dtype: str, quantity: str) -> Tolerance:
    """A row of the table.

    Raises:
        BackendError: nothing has been measured in this data type.
    """
    if dtype not in TABLE:
        raise BackendError(
            f"conformance has no limits for {dtype} yet: run it with --dtype {' or '.join(TABLE)}"
        )
    return TABLE[dtype][quantity]
