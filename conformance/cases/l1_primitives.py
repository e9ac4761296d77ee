"""Level 1: each primitive on its own; level 4: the gradient of each, against a random cotangent.

One table serves both. To add a primitive, add its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nst.conformance.case import Case, Subject
from nst.conformance.cases import inputs
from nst.conformance.compare import Measurement
from nst.protocol import Ops, PadMode

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


def _conv(label: str, x: Array, out: int, **options: Any) -> Row:
    channels = x.shape[1]
    constants = {"w": inputs.field(31, out, channels, 3, 3), "b": inputs.field(32, out)}
    return Row(f"conv2d/{label}", lambda ops, x, c: ops.conv2d(x, c["w"], c["b"]), x, constants, **options)


def _affine(label: str, x: Array, **options: Any) -> Row:
    constants = {"f": inputs.field(33, x.shape[1]), "s": inputs.field(34, x.shape[1])}
    return Row(f"affine/{label}", lambda ops, x, c: ops.affine(x, c["f"], c["s"]), x, constants, **options)


def _modulate(label: str, x: Array, mask: Array, **options: Any) -> Row:
    return Row(
        f"modulate/{label}", lambda ops, x, c: ops.modulate(x, c["m"]), x, {"m": mask}, exact=True, **options
    )


def _pad(mode: PadMode, margin: int, **xs: Array) -> list[Row]:
    return unary(f"pad/{mode}/{margin}", lambda ops, x, c: ops.pad(x, margin, mode), exact=True, **xs)


def _product(name: str, apply: Apply, x: Array, other: Array) -> list[Row]:
    return [
        Row(f"{name}/odd", apply, x, {"c": other}),
        Row(f"{name}/nan", apply, with_nan(x), {"c": other}, "none"),
    ]


def _divide() -> list[Row]:
    def left(ops: Any, x: Any, c: Any) -> Any:
        return ops.divide(x, c["c"])

    def right(ops: Any, x: Any, c: Any) -> Any:
        return ops.divide(c["c"], x)

    x, positive = inputs.field(11, 2, 3, 5, 4), inputs.exact(np.abs(inputs.field(12, 2, 3, 5, 4)) + 0.5)
    gram = inputs.field(13, 2, 3, 3)
    return [
        Row("divide/left", left, x, {"c": positive}),
        Row("divide/left-grams", left, gram, {"c": inputs.exact(np.abs(inputs.field(14, 2, 3, 3)) + 0.5)}),
        Row("divide/right", right, positive, {"c": x}),
        Row("divide/right-negative", right, -positive, {"c": x}),
        Row("divide/scalars", lambda ops, x, c: ops.divide(ops.sum(x), ops.sum(ops.square(x))), gram),
        Row("divide/both", lambda ops, x, c: ops.divide(ops.sub(x, c["c"]), x), positive, {"c": x}),
        Row("divide/by-zero", right, np.array([0.0, 0.0, 2.0]), {"c": np.array([1.0, -3.0, 5.0])}, "none"),
        Row("divide/nan", left, with_nan(x), {"c": positive}, "none"),
        Row("divide/nan-below", right, with_nan(positive), {"c": x}, "none"),
    ]


def _scale_by() -> list[Row]:
    x, grams = inputs.field(11, 2, 3, 5, 4), inputs.field(13, 2, 3, 3)

    def left(ops: Any, x: Any, c: Any) -> Any:
        return ops.scale_by(x, c["c"])

    def right(ops: Any, x: Any, c: Any) -> Any:
        return ops.scale_by(c["c"], x)

    number = np.array(-0.75)
    shifted = inputs.exact(x + 3)  # a sum near 0 would measure the order of summation
    return [
        Row("scale_by/left", left, x, {"c": number}, exact=True),
        Row("scale_by/left-grams", left, grams, {"c": number}, exact=True),
        Row("scale_by/left-zero", left, x, {"c": np.array(0.0)}, exact=True),
        Row("scale_by/factor", right, number, {"c": shifted}, exact=True),
        Row("scale_by/factor-grams", right, number, {"c": inputs.exact(grams + 3)}, exact=True),
        Row("scale_by/both", lambda ops, x, c: ops.scale_by(x, ops.sum(ops.square(x))), x),
        Row("scale_by/nan", left, with_nan(x), {"c": number}, "none", exact=True),
        Row("scale_by/nan-factor", right, np.array(np.nan), {"c": x}, "none", exact=True),
    ]


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
            f"{name}/nan", lambda ops, x, k: apply(ops, x, k["c"]), with_nan(x), {"c": c}, "none", exact=True
        ),
    ]


ODD, BATCH = inputs.field(1, 1, 3, 5, 7), inputs.field(2, 2, 3, 6, 9)
ZEROS = np.array([-1.0, -0.0, 0.0, 1.0, 2.0, 0.0]).reshape(1, 1, 2, 3)
EXTREME = np.array([1e30, -1e30, 1e-30, -1e-30, 0.0, 3e38, -3e38, 1.0]).reshape(1, 1, 2, 4)
POSITIVE = inputs.exact(np.abs(ODD) + 0.125)
TIES = np.random.default_rng(3).integers(0, 2, (2, 3, 7, 9)).astype(np.float64)
FEW_CHANNELS, MANY_CHANNELS = inputs.field(4, 1, 3, 6, 5), inputs.field(5, 2, 11, 2, 3)
IMPULSE = np.zeros((1, 1, 5, 6))
IMPULSE[0, 0, 2, 3] = 1.0

ROWS = [
    _affine("odd", ODD),
    _affine("batch", BATCH),
    _affine("nan", with_nan(ODD), gradients="none"),
    _conv("impulse", IMPULSE, 2),
    _conv("constant", np.ones((1, 2, 5, 6)), 3),
    _conv("odd", ODD, 4),
    _conv("batch", BATCH, 5),
    _conv("channels", MANY_CHANNELS, 7),
    _conv("one-pixel", inputs.field(6, 1, 2, 1, 1), 3),
    _conv("one-row", inputs.field(7, 1, 2, 1, 6), 3),
    _conv("one-column", inputs.field(8, 1, 2, 6, 1), 3),
    _conv("nan", with_nan(ODD), 4, gradients="none"),
    *unary(
        "relu", lambda ops, x, c: ops.relu(x), exact=True,
        odd=ODD, batch=BATCH, at_zero=ZEROS, extreme=EXTREME, nan=with_nan(ODD),
    ),
    *unary(
        "max_pool", lambda ops, x, c: ops.max_pool(x), exact=True,
        odd=ODD, even=inputs.field(9, 1, 2, 4, 6), batch=BATCH, ties=TIES, constant=np.ones((1, 2, 5, 4)),
        negative=-np.abs(ODD) - 1, one_window=inputs.field(10, 1, 2, 2, 2), extreme=EXTREME, nan=with_nan(ODD),
    ),
    *unary(
        "avg_pool", lambda ops, x, c: ops.avg_pool(x),
        odd=ODD, even=inputs.field(9, 1, 2, 4, 6), batch=BATCH, constant=np.ones((1, 2, 5, 4)),
        one_window=inputs.field(10, 1, 2, 3, 3), nan=with_nan(ODD),
    ),
    *unary(
        "gram", lambda ops, x, c: ops.gram(x),
        odd=ODD, batch=BATCH, few_channels=FEW_CHANNELS, many_channels=MANY_CHANNELS,
        one_position=inputs.field(15, 2, 4, 1, 1), constant=np.ones((1, 3, 5, 4)), nan=with_nan(ODD),
    ),
    *unary(
        "channel_sum", lambda ops, x, c: ops.channel_sum(x),
        odd=ODD, batch=BATCH, one_position=inputs.field(15, 2, 4, 1, 1), nan=with_nan(ODD),
    ),
    *unary("channel_sum/outer-product", lambda ops, x, c: ops.gram(ops.channel_sum(x)), odd=ODD, batch=BATCH),
    _modulate("odd", ODD, inputs.field(16, 1, 1, 5, 7)),
    _modulate("batch", BATCH, inputs.field(17, 2, 1, 6, 9)),
    _modulate("one-for-all", BATCH, inputs.field(18, 1, 1, 6, 9)),
    _modulate("window", BATCH, np.pad(np.ones((1, 1, 3, 4)), ((0, 0), (0, 0), (1, 2), (4, 1)))),
    _modulate("one-pixel", inputs.field(15, 2, 4, 1, 1), inputs.field(19, 2, 1, 1, 1)),
    _modulate("nan", with_nan(ODD), inputs.field(16, 1, 1, 5, 7), gradients="none"),
    *_pad("replicate", 0, odd=ODD),
    *_pad("circular", 0, odd=ODD),
    *_pad("replicate", 1, odd=ODD, batch=BATCH, one_pixel=IMPULSE[..., 2:3, 3:4], nan=with_nan(ODD)),
    *_pad("replicate", 6, odd=ODD, batch=BATCH, one_row=ODD[:, :, :1], one_column=ODD[..., :1]),
    *_pad("circular", 1, odd=ODD, batch=BATCH, one_pixel=inputs.field(15, 2, 4, 1, 1), nan=with_nan(ODD)),
    *_pad("circular", 5, odd=ODD, batch=BATCH),
    *_product(
        "matmul/left", lambda ops, x, c: ops.matmul(x, c["c"]),
        inputs.field(20, 2, 3, 5), inputs.field(21, 2, 5, 4),
    ),
    *_product(
        "matmul/right", lambda ops, x, c: ops.matmul(c["c"], x),
        inputs.field(21, 2, 5, 4), inputs.field(20, 2, 3, 5),
    ),
    *unary(
        "matmul/both", lambda ops, x, c: ops.matmul(x, x),
        square=inputs.field(13, 2, 3, 3), one_number=inputs.field(22, 1, 1, 1),
    ),
    *unary("matmul/transposed", lambda ops, x, c: ops.matmul(ops.transpose(x), x), odd=inputs.field(20, 2, 3, 5)),
    *unary(
        "transpose", lambda ops, x, c: ops.transpose(x), exact=True,
        odd=inputs.field(20, 2, 3, 5), square=inputs.field(13, 2, 3, 3), one_row=inputs.field(22, 2, 1, 4),
        nan=with_nan(inputs.field(20, 2, 3, 5)),
    ),
    *unary(
        "diff/height", lambda ops, x, c: ops.diff(x, "height"), exact=True,
        odd=ODD, batch=BATCH, constant=np.ones((1, 3, 4, 5)), two_rows=ODD[:, :, :2],
        one_row=ODD[:, :, :1], nan=with_nan(ODD),
    ),
    *unary(
        "diff/width", lambda ops, x, c: ops.diff(x, "width"), exact=True,
        odd=ODD, batch=BATCH, constant=np.ones((1, 3, 4, 5)), two_columns=ODD[..., :2],
        one_column=ODD[..., :1], nan=with_nan(ODD),
    ),
    *_binary("add", lambda ops, a, b: ops.add(a, b)),
    *_binary("sub", lambda ops, a, b: ops.sub(a, b)),
    *_binary("multiply", lambda ops, a, b: ops.multiply(a, b)),
    *_divide(),
    *unary("scale/negative", lambda ops, x, c: ops.scale(x, -2.5), exact=True, odd=ODD, nan=with_nan(ODD)),
    *unary("scale/zero", lambda ops, x, c: ops.scale(x, 0.0), exact=True, odd=ODD),
    *unary("scale/tiny", lambda ops, x, c: ops.scale(x, 3e-20), odd=ODD),
    *unary("scale/third", lambda ops, x, c: ops.scale(x, 1 / 3), odd=ODD, grams=inputs.field(13, 2, 3, 3)),
    *_scale_by(),
    *unary("square", lambda ops, x, c: ops.square(x), odd=ODD, batch=BATCH, nan=with_nan(ODD)),
    *unary(
        "sqrt", lambda ops, x, c: ops.sqrt(x),
        odd=POSITIVE, batch=np.abs(BATCH), large=2.0**90 * POSITIVE, small=2.0**-70 * POSITIVE, nan=with_nan(POSITIVE),
    ),
    Row("sqrt/zero", lambda ops, x, c: ops.sqrt(x), np.array([0.0, 4.0]), gradients="none"),
    *unary(
        "exp", lambda ops, x, c: ops.exp(x),
        odd=ODD, batch=BATCH, large=inputs.exact(ODD + 60), small=inputs.exact(ODD - 60),
        wide=np.array([-200.0, -1.0, 0.0, 2.0]), grams=inputs.field(13, 2, 3, 3), nan=with_nan(ODD),
    ),
    *unary(
        "abs", lambda ops, x, c: ops.abs(x), exact=True,
        odd=ODD, batch=BATCH, at_zero=ZEROS, extreme=EXTREME, nan=with_nan(ODD),
    ),
    *unary(
        "sum", lambda ops, x, c: ops.sum(x),
        odd=ODD + 1, batch=BATCH + 1, grams=inputs.field(13, 2, 3, 3), scalar=np.array(2.5), nan=with_nan(ODD),
    ),
]  # fmt: skip

CASES = [
    *(Case(f"primitive/{row.name}", 1, row.forward) for row in ROWS),
    *(Case(f"primitive-gradient/{row.name}", 4, row.gradient) for row in ROWS if row.gradients == "compare"),
]
