"""Level 1: each primitive on its own; level 4: the gradient of each, against a random cotangent.

One table serves both. To add a primitive, add its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nst.conformance import inputs
from nst.conformance.case import Case, Subject
from nst.conformance.checks import Measurement
from nst.protocol import Ops

__all__ = ["CASES"]

Array = NDArray[np.float64]
Apply = Callable[[Ops[Any], Any, Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Row:
    """A primitive on one input.

    Attributes:
        name: `primitive/label`.
        apply: what is computed from (ops, x, constants).
        x: input.
        constants: by name.
        gradients: "compare" with the reference's, or "none" where the value is not finite.
        exact: a single IEEE operation at most, so that the result must agree to the last bit.
    """

    name: str
    apply: Apply
    x: Array
    constants: Mapping[str, Array] = field(default_factory=dict)
    gradients: Literal["compare", "none"] = "compare"
    exact: bool = False

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


def _with_nan(array: Array) -> Array:
    result = array.copy()
    result.flat[result.size // 2] = np.nan
    return result


def _conv(label: str, x: Array, out: int, **options: Any) -> Row:
    channels = x.shape[1]
    constants = {"w": inputs.field(31, out, channels, 3, 3), "b": inputs.field(32, out)}
    return Row(f"conv2d/{label}", lambda ops, x, c: ops.conv2d(x, c["w"], c["b"]), x, constants, **options)


def _affine(label: str, x: Array, **options: Any) -> Row:
    constants = {"f": inputs.field(33, x.shape[1]), "s": inputs.field(34, x.shape[1])}
    return Row(f"affine/{label}", lambda ops, x, c: ops.affine(x, c["f"], c["s"]), x, constants, **options)


def _unary(name: str, apply: Apply, exact: bool = False, **xs: Array) -> list[Row]:
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


def _binary(name: str, apply: Apply) -> list[Row]:
    x, c = inputs.field(11, 2, 3, 5, 4), inputs.field(12, 2, 3, 5, 4)
    gram, target = inputs.field(13, 2, 3, 3), inputs.field(14, 2, 3, 3)
    return [
        Row(f"{name}/left", lambda ops, x, k: apply(ops, x, k["c"]), x, {"c": c}, exact=True),
        Row(f"{name}/right", lambda ops, x, k: apply(ops, k["c"], x), x, {"c": c}, exact=True),
        Row(f"{name}/grams", lambda ops, x, k: apply(ops, x, k["c"]), gram, {"c": target}, exact=True),
        Row(
            f"{name}/scalars",
            lambda ops, x, k: apply(ops, ops.sum(x), k["c"]),
            gram,
            {"c": np.array(0.75)},
        ),
        Row(f"{name}/both", lambda ops, x, k: apply(ops, x, ops.scale(x, 2.0)), x, exact=True),
        Row(
            f"{name}/nan", lambda ops, x, k: apply(ops, x, k["c"]), _with_nan(x), {"c": c}, "none", exact=True
        ),
    ]


ODD, BATCH = inputs.field(1, 1, 3, 5, 7), inputs.field(2, 2, 3, 6, 9)
ZEROS = np.array([-1.0, -0.0, 0.0, 1.0, 2.0, 0.0]).reshape(1, 1, 2, 3)
EXTREME = np.array([1e30, -1e30, 1e-30, -1e-30, 0.0, 3e38, -3e38, 1.0]).reshape(1, 1, 2, 4)
TIES = np.random.default_rng(3).integers(0, 2, (2, 3, 7, 9)).astype(np.float64)
FEW_CHANNELS, MANY_CHANNELS = inputs.field(4, 1, 3, 6, 5), inputs.field(5, 2, 11, 2, 3)
IMPULSE = np.zeros((1, 1, 5, 6))
IMPULSE[0, 0, 2, 3] = 1.0

ROWS = [
    _affine("odd", ODD),
    _affine("batch", BATCH),
    _affine("nan", _with_nan(ODD), gradients="none"),
    _conv("impulse", IMPULSE, 2),
    _conv("constant", np.ones((1, 2, 5, 6)), 3),
    _conv("odd", ODD, 4),
    _conv("batch", BATCH, 5),
    _conv("channels", MANY_CHANNELS, 7),
    _conv("one-pixel", inputs.field(6, 1, 2, 1, 1), 3),
    _conv("one-row", inputs.field(7, 1, 2, 1, 6), 3),
    _conv("one-column", inputs.field(8, 1, 2, 6, 1), 3),
    _conv("nan", _with_nan(ODD), 4, gradients="none"),
    *_unary(
        "relu", lambda ops, x, c: ops.relu(x), exact=True,
        odd=ODD, batch=BATCH, at_zero=ZEROS, extreme=EXTREME, nan=_with_nan(ODD),
    ),
    *_unary(
        "max_pool", lambda ops, x, c: ops.max_pool(x), exact=True,
        odd=ODD, even=inputs.field(9, 1, 2, 4, 6), batch=BATCH, ties=TIES, constant=np.ones((1, 2, 5, 4)),
        negative=-np.abs(ODD) - 1, one_window=inputs.field(10, 1, 2, 2, 2), extreme=EXTREME, nan=_with_nan(ODD),
    ),
    *_unary(
        "avg_pool", lambda ops, x, c: ops.avg_pool(x),
        odd=ODD, even=inputs.field(9, 1, 2, 4, 6), batch=BATCH, constant=np.ones((1, 2, 5, 4)),
        one_window=inputs.field(10, 1, 2, 3, 3), nan=_with_nan(ODD),
    ),
    *_unary(
        "gram", lambda ops, x, c: ops.gram(x),
        odd=ODD, batch=BATCH, few_channels=FEW_CHANNELS, many_channels=MANY_CHANNELS,
        one_position=inputs.field(15, 2, 4, 1, 1), constant=np.ones((1, 3, 5, 4)), nan=_with_nan(ODD),
    ),
    *_unary(
        "channel_sum", lambda ops, x, c: ops.channel_sum(x),
        odd=ODD, batch=BATCH, one_position=inputs.field(15, 2, 4, 1, 1), nan=_with_nan(ODD),
    ),
    *_unary(
        "diff/height", lambda ops, x, c: ops.diff(x, "height"), exact=True,
        odd=ODD, batch=BATCH, constant=np.ones((1, 3, 4, 5)), two_rows=ODD[:, :, :2],
        one_row=ODD[:, :, :1], nan=_with_nan(ODD),
    ),
    *_unary(
        "diff/width", lambda ops, x, c: ops.diff(x, "width"), exact=True,
        odd=ODD, batch=BATCH, constant=np.ones((1, 3, 4, 5)), two_columns=ODD[..., :2],
        one_column=ODD[..., :1], nan=_with_nan(ODD),
    ),
    *_binary("add", lambda ops, a, b: ops.add(a, b)),
    *_binary("sub", lambda ops, a, b: ops.sub(a, b)),
    *_binary("multiply", lambda ops, a, b: ops.multiply(a, b)),
    *_unary("scale/negative", lambda ops, x, c: ops.scale(x, -2.5), exact=True, odd=ODD, nan=_with_nan(ODD)),
    *_unary("scale/zero", lambda ops, x, c: ops.scale(x, 0.0), exact=True, odd=ODD),
    *_unary("scale/tiny", lambda ops, x, c: ops.scale(x, 3e-20), odd=ODD),
    *_unary("scale/third", lambda ops, x, c: ops.scale(x, 1 / 3), odd=ODD, grams=inputs.field(13, 2, 3, 3)),
    *_unary("square", lambda ops, x, c: ops.square(x), odd=ODD, batch=BATCH, nan=_with_nan(ODD)),
    *_unary(
        "abs", lambda ops, x, c: ops.abs(x), exact=True,
        odd=ODD, batch=BATCH, at_zero=ZEROS, extreme=EXTREME, nan=_with_nan(ODD),
    ),
    *_unary(
        "sum", lambda ops, x, c: ops.sum(x),
        odd=ODD + 1, batch=BATCH + 1, grams=inputs.field(13, 2, 3, 3), scalar=np.array(2.5), nan=_with_nan(ODD),
    ),
]  # fmt: skip

CASES = [
    *(Case(f"primitive/{row.name}", 1, row.forward) for row in ROWS),
    *(Case(f"primitive-gradient/{row.name}", 4, row.gradient) for row in ROWS if row.gradients == "compare"),
]
