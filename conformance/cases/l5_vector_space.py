"""Level 5: the arithmetic of the optimisers and the laws of a vector space."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nst.conformance.case import Case, Subject
from nst.conformance.cases import inputs
from nst.conformance.compare import Measurement

SHAPE = (2, 3, 5, 7)
HOST = [inputs.field(seed, *SHAPE) for seed in (71, 72, 73)]


def _vectors(subject: Subject) -> list[Any]:
    return [subject.tested.backend.from_numpy(array) for array in HOST]


def _norms(*arrays: np.ndarray) -> float:
    return float(np.prod([np.linalg.norm(array) for array in arrays]))


def _dots(subject: Subject) -> Iterator[Measurement]:
    v, indices = _vectors(subject), [(0, 0), (0, 1), (2, 1), (1, 0), (1, 1)]
    got = subject.tested.backend.space.dots([(v[i], v[j]) for i, j in indices])
    want = np.array([np.sum(HOST[i] * HOST[j]) for i, j in indices])
    yield subject.compare("inner products", got, want, "vector", scale=_norms(HOST[0], HOST[0]))
    yield subject.check("the numbers are float64 on the host", got.dtype == np.float64)
    symmetric = subject.tested.backend.space.dots([(v[0], v[1]), (v[1], v[0])])
    yield subject.compare("<a, b> and <b, a>", symmetric[0], symmetric[1], "vector")


def _bilinear(subject: Subject) -> Iterator[Measurement]:
    space, (a, b, c) = subject.tested.backend.space, _vectors(subject)
    got = space.dots([(space.lincomb([2.0, -3.0], [a, b]), c)])[0]
    ac, bc = space.dots([(a, c), (b, c)])
    yield subject.compare("<2a - 3b, c>", got, 2 * ac - 3 * bc, "vector", scale=5 * _norms(HOST[0], HOST[2]))


def _scalars(subject: Subject) -> Iterator[Measurement]:
    backend, numbers = subject.tested.backend, np.array([1.5, -2.25, 0.0, 1e-30, 1e30, np.inf, np.nan])
    got = backend.space.scalars([backend.from_numpy(np.array(number)) for number in numbers])
    yield subject.compare("scalars", got, numbers, "exact")
    yield subject.check("the numbers are float64 on the host", got.dtype == np.float64)


def _lincomb(subject: Subject) -> Iterator[Measurement]:
    v = _vectors(subject)
    sums: list[tuple[list[float], list[int]]] = [
        ([1.0], [0]),
        ([-0.3], [1]),
        ([2.0, -3.0], [0, 1]),
        ([0.0, 1.0, 0.5], [0, 1, 2]),
        ([1.0, 1.0, -2.0], [1, 1, 1]),
        ([0.1 * (i + 1) for i in range(21)], [i % 3 for i in range(21)]),
    ]
    for coefficients, indices in sums:
        tensor = subject.tested.backend.space.lincomb(coefficients, [v[i] for i in indices])
        got = subject.tested.host({"y": tensor})["y"]
        want = sum(c * HOST[i] for c, i in zip(coefficients, indices, strict=True))
        scale = max(np.abs(coefficients)) * 4
        yield subject.compare(f"sum of {len(indices)} vectors {indices[:3]}", got, want, "vector", scale)


def _lincomb_of_grams(subject: Subject) -> Iterator[Measurement]:
    """Targets are blended with it too: any shape, among them (N, C, C)."""
    backend, a, b = subject.tested.backend, inputs.field(74, 1, 5, 5), inputs.field(75, 1, 5, 5)
    tensor = backend.space.lincomb([0.25, 0.75], [backend.from_numpy(a), backend.from_numpy(b)])
    yield subject.compare("blend", subject.tested.host({"y": tensor})["y"], 0.25 * a + 0.75 * b, "vector")


def _same_sum_of_other_coefficients(subject: Subject) -> Iterator[Measurement]:
    """A backend may keep a program for a sum; the coefficients are not part of it."""
    v, space = _vectors(subject), subject.tested.backend.space
    for a, b in ((1.0, 2.0), (-4.0, 0.5), (1.0, 2.0)):
        got = subject.tested.host({"y": space.lincomb([a, b], v[:2])})["y"]
        yield subject.compare(f"{a} a + {b} b", got, a * HOST[0] + b * HOST[1], "vector")


def _laws(subject: Subject) -> Iterator[Measurement]:
    space, (a, b, c) = subject.tested.backend.space, _vectors(subject)

    def total(x: Any, y: Any) -> Any:
        return space.lincomb([1.0, 1.0], [x, y])

    pairs = {
        "a + b = b + a": (total(a, b), total(b, a)),
        "(a + b) + c = a + (b + c)": (total(total(a, b), c), total(a, total(b, c))),
        "2 (a + b) = 2 a + 2 b": (space.lincomb([2.0], [total(a, b)]), space.lincomb([2.0, 2.0], [a, b])),
        "1 a = a": (space.lincomb([1.0], [a]), a),
    }
    for law, (left, right) in pairs.items():
        host = subject.tested.host({"left": left, "right": right})
        yield subject.compare(law, host["left"], host["right"], "vector")
    zero = subject.tested.host({"zero": space.lincomb([1.0, -1.0], [a, a])})["zero"]
    yield subject.compare("a - a = 0", zero, np.zeros(SHAPE), "exact")


def _multiply(subject: Subject) -> Iterator[Measurement]:
    space, (a, b, _) = subject.tested.backend.space, _vectors(subject)
    got = subject.tested.host({"ab": space.multiply(a, b), "aa": space.multiply(a, a)})
    yield subject.compare("a b", got["ab"], HOST[0] * HOST[1], "exact")
    yield subject.compare("a a", got["aa"], HOST[0] ** 2, "exact")


def _whiten(subject: Subject) -> Iterator[Measurement]:
    backend, b = subject.tested.backend, HOST[1] ** 2
    b[0, 0] = 0.0
    a = HOST[0].copy()
    a[0, 0, 0] = 0.0
    for epsilon in (1e-8, 0.5):
        got = backend.space.whiten(backend.from_numpy(a), backend.from_numpy(b), epsilon)
        want = a / (np.sqrt(b) + epsilon)
        for what, part in (("where b > 0", np.s_[1:]), ("where b = 0", np.s_[0, 0])):
            y = subject.tested.host({"y": got})["y"]
            yield subject.compare(f"a / (sqrt(b) + {epsilon}) {what}", y[part], want[part], "vector")


def _clip(subject: Subject) -> Iterator[Measurement]:
    backend = subject.tested.backend
    a = np.array([-2.0, 0.0, 0.25, 0.5, 1.0, 3.0, np.inf, -np.inf, np.nan, 1e30, -1e-30, 0.75]).reshape(
        1, 3, 2, 2
    )
    for low, high in ((0.0, 1.0), (-0.5, 0.5)):
        got = subject.tested.host({"y": backend.space.clip(backend.from_numpy(a), low, high)})["y"]
        want = np.where(np.isnan(a), a, np.minimum(np.maximum(a, low), high))
        yield subject.compare(f"clip to [{low}, {high}]", got, want, "exact")


def _smooth(subject: Subject) -> Iterator[Measurement]:
    """The weights of cosines one by one, which no other transform is needed for, and the symmetry."""
    backend, (height, width), power = subject.tested.backend, (12, 16), 0.5
    least, finest = 4 / 16, 0.25
    for i, j in ((0, 0), (1, 0), (0, 3), (2, 5), (5, 1), (6, 0), (3, 8), (11, 15)):
        along = [np.cos(np.pi * k * (np.arange(n) + 0.5) / n) for k, n in ((i, height), (j, width))]
        wave = np.tile(np.multiply.outer(*along), (2, 3, 1, 1))
        inside = i < 2 * height * finest and j < 2 * width * finest
        frequency = min(np.hypot(i / (2 * height), j / (2 * width)), finest) if inside else finest
        gain = ((frequency + least) / (finest + least)) ** -power
        got = subject.tested.host({"y": backend.space.smooth(backend.from_numpy(wave), power)})["y"]
        yield subject.compare(f"wave ({i}, {j})", got, gain * wave, "vector", 4.0)
    space, (a, b, _) = backend.space, _vectors(subject)
    left, right = space.dots([(space.smooth(a, 0.75), b), (a, space.smooth(b, 0.75))])
    yield subject.compare("<F a, b> and <a, F b>", left, right, "vector", 4 * _norms(HOST[0], HOST[1]))


def _crop(subject: Subject) -> Iterator[Measurement]:
    backend, a = subject.tested.backend, inputs.ramp(*SHAPE)
    for top, left, height, width in ((0, 0, 5, 7), (0, 0, 1, 1), (4, 6, 1, 1), (1, 2, 3, 4), (2, 0, 3, 7)):
        tensor = backend.space.crop(backend.from_numpy(a), top, left, height, width)
        want = a[:, :, top : top + height, left : left + width]
        what = f"{height} x {width} from ({top}, {left})"
        yield subject.compare(what, subject.tested.host({"y": tensor})["y"], want, "exact")


def _paste(subject: Subject) -> Iterator[Measurement]:
    """Windows that overlap add up; the tensor that comes back is pasted into again."""
    backend, a = subject.tested.backend, inputs.ramp(*SHAPE)
    want, tile = a.copy(), backend.from_numpy(inputs.ramp(2, 3, 2, 3))
    total = backend.from_numpy(a)
    for top, left in ((0, 0), (1, 2), (3, 4), (0, 0)):
        total = backend.space.paste(total, tile, top, left)
        want[:, :, top : top + 2, left : left + 3] += inputs.ramp(2, 3, 2, 3)
        got = subject.tested.host({"total": total, "tile": tile})
        yield subject.compare(f"added at ({top}, {left})", got["total"], want, "exact")
        yield subject.compare("tile", got["tile"], inputs.ramp(2, 3, 2, 3), "exact")
    whole = backend.space.paste(backend.from_numpy(a), backend.from_numpy(a), 0, 0)
    yield subject.compare("the whole", subject.tested.host({"y": whole})["y"], 2 * a, "exact")


def _stack(subject: Subject) -> Iterator[Measurement]:
    """A ring of vectors: rows are written one by one and again; the rest are zeros."""
    backend, space = subject.tested.backend, subject.tested.backend.space
    for half in (False, True):
        kind = "float16" if half else "full"
        keep = np.float16 if half else np.float64
        # elements that float16 has; sums of their products it has not
        rows = [inputs.exact(200 * field) for field in (inputs.field(80 + i, 1, 3, 5, 7) for i in range(4))]
        rows = [row.astype(np.float16).astype(np.float64) for row in rows]
        written = [backend.from_numpy(row) for row in rows]
        stack = space.stack(5, written[0], half)
        want = np.zeros((5, 3, 5, 7))
        for place, number, factor in ((3, 0, 1.0), (0, 1, 0.5), (4, 2, -2.0), (3, 3, 1.0)):
            stack = space.put(stack, place, written[number], factor)
            want[place] = (factor * rows[number][0]).astype(keep)
        vectors = [inputs.field(90 + i, 1, 3, 5, 7) for i in range(3)]
        flat, columns = want.reshape(5, -1), np.array(vectors).reshape(3, -1)
        own = [backend.from_numpy(vector) for vector in vectors]
        got = space.products(stack, own)
        scale = _norms(flat[3], columns[0])
        yield subject.compare(f"{kind}: products with the rows", got[:5], flat @ columns.T, "vector", scale)
        scale = _norms(columns[0], columns[0])
        yield subject.compare(
            f"{kind}: products of the vectors", got[5:], columns @ columns.T, "vector", scale
        )
        yield subject.check(f"{kind}: the numbers are float64 on the host", got.dtype == np.float64)
        for coefficients in ([0.0, 0.0, 0.0, 1.0, 0.0], [1 / 3, 7.0, -700.0, 0.5, 20.0]):
            tensor = space.combine(coefficients, stack)
            whole = np.tensordot(coefficients, want, 1)[None]
            scale = float(np.abs(coefficients) @ np.abs(want).max((1, 2, 3)))
            label = f"{kind}: sum of the rows, {coefficients[0]:.2f} first"
            yield subject.compare(label, subject.tested.host({"y": tensor})["y"], whole, "vector", scale)
            again = space.products(stack, [tensor])  # what is combined is laid out as any other picture
            yield subject.compare(f"{label}, and its products", again[:5, 0], flat @ whole.ravel(), "vector",
                                  _norms(flat[3], whole))  # fmt: skip
        host = subject.tested.host({f"{i}": tensor for i, tensor in enumerate([*written, *own])})
        for i, vector in enumerate([*rows, *vectors]):
            yield subject.compare(f"{kind}: vector {i}", host[f"{i}"], vector, "exact")
        yield subject.check(
            f"{kind}: kept in {keep.__name__ if half else backend.dtype}",
            str(backend.to_numpy(stack).dtype) == ("float16" if half else backend.dtype),
        )
        yield subject.compare(f"{kind}: the stack on the host", backend.to_numpy(stack), want, "exact")


def _products_of_many(subject: Subject) -> Iterator[Measurement]:
    """Sums over 786,432 numbers: their error must not grow with the number."""
    backend, space = subject.tested.backend, subject.tested.backend.space
    vectors = [np.random.default_rng(seed).standard_normal((1, 3, 512, 512)) for seed in (1, 2)]
    vectors = [vector.astype(np.float32).astype(np.float64) for vector in vectors]
    a, b = (backend.from_numpy(vector) for vector in vectors)
    stack = space.put(space.stack(2, a, False), 1, a, 1.0)
    want = np.array([[np.sum(x * vectors[1])] for x in (0 * vectors[0], *vectors)])
    yield subject.compare(
        "products", space.products(stack, [b]), want, "vector", _norms(vectors[1], vectors[1])
    )


def _inputs_are_unmodified(subject: Subject) -> Iterator[Measurement]:
    space, v = subject.tested.backend.space, _vectors(subject)
    space.lincomb([1.0, 2.0, 3.0], v)
    space.lincomb([2.0], v[:1])
    space.multiply(v[0], v[1])
    squared = space.multiply(v[2], v[2])
    space.whiten(v[0], squared, 1e-8)
    space.clip(v[1], 0.0, 0.5)
    space.dots([(v[0], v[1])])
    space.smooth(v[2], 0.5)
    space.crop(v[0], 0, 0, *SHAPE[2:])
    for i, tensor in enumerate(v):
        yield subject.compare(f"vector {i}", subject.tested.host({"v": tensor})["v"], HOST[i], "exact")
    yield subject.compare("b of whiten", subject.tested.host({"b": squared})["b"], HOST[2] ** 2, "exact")


CASES = [
    Case(f"space/{name}", 5, run)
    for name, run in {
        "dots": _dots,
        "bilinear": _bilinear,
        "scalars": _scalars,
        "lincomb": _lincomb,
        "lincomb-of-grams": _lincomb_of_grams,
        "lincomb-of-other-coefficients": _same_sum_of_other_coefficients,
        "laws": _laws,
        "multiply": _multiply,
        "whiten": _whiten,
        "clip": _clip,
        "smooth": _smooth,
        "crop": _crop,
        "paste": _paste,
        "stack": _stack,
        "products-of-many": _products_of_many,
        "inputs-are-unmodified": _inputs_are_unmodified,
    }.items()
]
