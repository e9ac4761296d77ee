"""Level 7: VGG19 at full width. Seeded weights against committed values, a file's against the reference."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.conformance.case import Case, Need, Side, Subject
from nst.conformance.cases import inputs
from nst.conformance.cases.l2_features import maps_and_grams
from nst.conformance.cases.objectives import PAPER_STYLE, Problem, make_targets
from nst.conformance.compare import Measurement
from nst.models import vgg
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Evaluation

Array = NDArray[np.float64]
Run = Callable[[Subject], Iterator[Measurement]]

SIZE = (40, 51)
PROBLEM = Problem(("conv4_2",), PAPER_STYLE, (2,), (1.0, 1e4, 1.0), size=SIZE, style_size=(33, 46))
SAMPLES = 9


def golden_values(side: Side) -> dict[str, Any]:
    """The part "seeded" of `golden.json`, worked out on a backend."""
    weights = inputs.full_network()
    values: dict[str, Any] = {"weights": weights.sha256}
    for pooling in POOLINGS:
        outputs = maps_and_grams(side, inputs.picture(81, *SIZE), vgg.LAYER_NAMES, pooling, weights)
        values[pooling] = {name: summary(array) for name, array in outputs.items()}
    evaluation = _objective(side, weights)
    values["terms"] = {name: float(value) for name, value in evaluation.terms.items()}
    values["total"] = float(evaluation.total)
    values["gradient"] = summary(evaluation.gradient)
    return values


def summary(array: Array) -> dict[str, Any]:
    """Norm, mean and a few elements evenly spread over the array in row order."""
    chosen = array.ravel()[np.linspace(0, array.size - 1, SAMPLES).astype(int)]
    return {"norm": float(np.linalg.norm(array)), "mean": float(array.mean()), "samples": chosen.tolist()}


def _objective(side: Side, weights: NetworkWeights) -> Evaluation[Array]:
    """The whole objective, its targets worked out on the same backend as in a transfer."""
    style = inputs.picture(82, *PROBLEM.style_size) ** 2
    constants = make_targets(side, PROBLEM, inputs.picture(83, *SIZE), style, weights)
    return side.differentiate(PROBLEM.function(side, weights), PROBLEM.start(), constants)


@cache
def golden(network: str) -> dict[str, Any]:
    """The committed values, the float64 reference's, of a network: "seeded" or "embedded"."""
    values: dict[str, Any] = json.loads((files("nst.conformance.cases") / "golden.json").read_text())[network]
    return values


def compare_summary(
    subject: Subject, what: str, array: Array, want: dict[str, Any], quantity: str
) -> Iterator[Measurement]:
    """An array against the `summary` of what it should be."""
    got = summary(array)
    rms = want["norm"] / np.sqrt(array.size)
    yield subject.compare(f"norm of {what}", got["norm"], want["norm"], quantity)
    yield subject.compare(f"mean of {what}", got["mean"], want["mean"], quantity, scale=rms)
    largest = max(rms, float(np.max(np.abs(want["samples"]))))
    yield subject.compare(f"samples of {what}", got["samples"], want["samples"], quantity, scale=largest)


def _seeded_weights(subject: Subject) -> Iterator[Measurement]:
    same = float(inputs.full_network().sha256 == golden("seeded")["weights"])
    yield subject.compare("hash of the seeded weights", same, 1, "exact")


def _seeded_features(pooling: Pooling) -> Run:
    def run(subject: Subject) -> Iterator[Measurement]:
        x, weights = inputs.picture(81, *SIZE), inputs.full_network()
        got = maps_and_grams(subject.tested, x, vgg.LAYER_NAMES, pooling, weights)
        for name, want in golden("seeded")[pooling].items():
            quantity = "full gram" if name.startswith("gram") else "full features"
            yield from compare_summary(subject, name, got[name], want, quantity)

    return run


def _seeded_objective(subject: Subject) -> Iterator[Measurement]:
    got, want = _objective(subject.tested, inputs.full_network()), golden("seeded")
    for term, value in want["terms"].items():
        yield subject.compare(f"term {term}", got.terms[term], value, "full loss")
    yield subject.compare("total", got.total, want["total"], "full loss")
    yield from compare_summary(subject, "gradient", got.gradient, want["gradient"], "full gradient")


def _real_features(subject: Subject) -> Iterator[Measurement]:
    assert subject.weights is not None
    layers, x = PROBLEM.layers, inputs.picture(81, *SIZE)
    got, want = (
        maps_and_grams(s, x, layers, weights=subject.weights) for s in (subject.tested, subject.reference)
    )
    for name in want:
        quantity = "full gram" if name.startswith("gram") else "full features"
        yield subject.compare(name, got[name], want[name], quantity)


def _real_objective(subject: Subject) -> Iterator[Measurement]:
    assert subject.weights is not None
    got, want = (_objective(side, subject.weights) for side in (subject.tested, subject.reference))
    yield subject.compare("total", got.total, want.total, "full loss")
    unit = float(np.max(np.abs(want.gradient)))
    yield subject.compare("gradient", got.gradient, want.gradient, "full gradient", scale=unit)


POOLINGS: tuple[Pooling, ...] = ("avg", "max")
REAL = Need(weights=True)
CASES = [
    Case("full/seeded/weights", 7, _seeded_weights),
    *(Case(f"full/seeded/features/{pooling}", 7, _seeded_features(pooling)) for pooling in POOLINGS),
    Case("full/seeded/objective", 7, _seeded_objective),
    Case("full/real/features", 7, _real_features, REAL),
    Case("full/real/objective", 7, _real_objective, REAL),
]
