"""Level 6: a run from size to size whose precision changes with them, against the same run of the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.backends.numpy.backend import NumpyBackend
from nst.backends.selection import PRECISIONS
from nst.conformance.case import Case, Skip, Subject
from nst.conformance.cases import inputs
from nst.conformance.compare import Measurement, compare
from nst.errors import BackendError
from nst.protocol import Backend, in_precision
from nst.transfer import StyleTransfer

Array = NDArray[np.float64]

SIZES, STEPS = (36, 50), (4, 4)
WORDS = {name: word for word, name in PRECISIONS.items()}


def _transfer(backend: Backend[Any], precision: Any) -> StyleTransfer[Any]:
    content, style = (inputs.picture(seed)[0].transpose(1, 2, 0) for seed in (43, 42))
    return StyleTransfer(
        content,
        style**2,
        backend=backend,
        weights=inputs.small_network(),
        size="content",
        scales=SIZES,
        steps=STEPS,
        content_layers="conv3_1",
        style_layers="conv1_1,conv2_1",
        optimizer="adam",
        rate=0.02,
        precision=precision,
    )


def _run(transfer: StyleTransfer[Any]) -> Iterator[tuple[int, float, Array]]:
    """Longest side, total and iterate of each record."""
    for record in transfer.iterate():
        x = transfer.backend.to_numpy(record.position.state.x)
        yield max(record.size), record.losses().total, np.asarray(x, np.float64)


@cache
def _reference() -> tuple[StyleTransfer[Any], list[float]]:
    transfer = _transfer(NumpyBackend(dtype="float64"), None)
    return transfer, [total for _, total, _ in _run(transfer)]


def _mixed(half: str) -> Callable[[Subject], Iterator[Measurement]]:
    """A network in half precision below the last size: near the reference there, the data type's own at the last."""

    def run(subject: Subject) -> Iterator[Measurement]:
        backend = subject.tested.backend
        full = WORDS[backend.dtype]
        try:
            in_precision(backend, half)
        except BackendError as error:
            raise Skip(str(error)) from error
        if full != "fp32":
            raise Skip("a list of precisions is for a backend in float32")
        got = list(_run(_transfer(backend, (WORDS[half], full))))
        reference, totals = _reference()
        for step, ((_, total, _), want) in enumerate(zip(got, totals, strict=True)):
            yield compare(
                f"total of record {step}", total, want, "loss over sizes", backend.dtype, None, half
            )
        stage = reference._stage(SIZES[1])
        for step, (size, total, x) in enumerate(got):
            if size == SIZES[1]:
                alike = float(stage.evaluate(x).total)
                yield compare(f"total of record {step} in float64", total, alike, "loss", backend.dtype)

    return run


CASES = [Case(f"precision/sizes/{WORDS[half]}", 6, _mixed(half)) for half in ("bfloat16", "float16")]
