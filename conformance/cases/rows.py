"""A row of the table of primitives: what is computed, on which input, and how its value and gradient are checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nst.conformance.case import Subject
from nst.conformance.cases import inputs
from nst.conformance.compare import Measurement
from nst.protocol import Ops

__all__ = ["Apply", "Row", "unary", "with_nan"]

Array = NDArray[np.float64]
Apply = Callable[[Ops[Any], Any, Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Row:
    """A primitive on one input."""

    name: str  # `primitive/label`
    apply: Apply  # what is computed from (ops, x, constants)
    x: Array
    constants: Mapping[str, Array] = field(default_factory=dict)
    gradients: Literal["compare", "none"] = "compare"  # "none" where the value is not finite
    exact: bool = False  # a single IEEE operation at most, so that the result must agree to the last bit

    def forward(self, subject: Subject) -> Iterator[Measurement]:
        """The value."""

        def function(ops: Ops[Any], x: Any, c: Mapping[str, Any]) -> dict[str, Any]:
            return {"y": self.apply(ops, x, c)}

        got = subject.tested.evaluate(function, self.x, self.constants)["y"]
        want = subject.reference.evaluate(function, self.x, self.constants)["y"]
        yield subject.compare(self.name, got, want, "exact" if self.exact else "primitive")

    def gradient(self, subject: Subject) -> Iterator[Measurement]:
        """The gradient of <y, random cotangent>, and that value."""
        shape = subject.reference.evaluate(
            lambda ops, x, c: {"y": self.apply(ops, x, c)}, self.x, self.constants
        )["y"].shape
        constants = {**self.constants, "cotangent": inputs.field(99, *shape) + 0.5}

        def function(ops: Ops[Any], x: Any, c: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
            total = ops.sum(ops.multiply(self.apply(ops, x, c), c["cotangent"]))
            return total, {"term": total}

        got = subject.tested.differentiate(function, self.x, constants)
        want = subject.reference.differentiate(function, self.x, constants)
        yield subject.compare(f"gradient of {self.name}", got.gradient, want.gradient, "primitive gradient")


def with_nan(array: Array) -> Array:
    """A copy with a NaN in the middle."""
    result = array.copy()
    result.flat[result.size // 2] = np.nan
    return result


def unary(name: str, apply: Apply, exact: bool = False, **xs: Array) -> list[Row]:
    """A row `name/label` for each input; without a gradient where the input is not finite."""
    rows = []
    for label, x in xs.items():
        finite = bool(np.isfinite(x).all())
        rows.append(
            Row(
                f"{name}/{label.replace('_', '-')}",
                apply,
                x,
                exact=exact,
                gradients="compare" if finite else "none",
            )
        )
    return rows
