"""Level 7: VGG19 at full width, seeded or trained, against committed values; a file's against the reference.

The objectives of the trained network of the package are set up as a transfer does, targets and open weights included,
on two drawn pictures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
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
from nst.engine.cache import Context
from nst.engine.stage import Stage
from nst.engine.weighting import losses_of
from nst.models import vgg
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.pictures.picture import Picture
from nst.pictures.scene import make_scene
from nst.protocol import Evaluation
from nst.settings import Settings

Array = NDArray[np.float64]
Run = Callable[[Subject], Iterator[Measurement]]

SIZE = (40, 51)
PROBLEM = Problem(("conv4_2",), PAPER_STYLE, (2,), (1.0, 1e4, 1.0), size=SIZE, style_size=(33, 46))
SCENE_SIZE, STROKES_SIZE = (48, 61), (43, 56)  # of what the trained network sees
OPEN = Settings(padding="zero")  # as VGG19 was trained
OBJECTIVES = {
    "open": OPEN,  # as by default, relative per layer
    "paper": replace(OPEN, content_weight=1.0, style_weight=1.0, tv_weight=4e6),
    "covariance": replace(OPEN, style_loss="covariance", pooling="max", tv_weight=0.1),
    "swapped": replace(OPEN, content_swap=1.0),
}
"""In "paper" alpha, beta and gamma make the terms pull about equally; open weights favour the style."""
POOLINGS: tuple[Pooling, ...] = ("avg", "max")
SAMPLES = 9


def golden_values(side: Side) -> dict[str, Any]:
    """The two networks of `golden.json`, worked out on a backend."""
    seeded: dict[str, Any] = {"weights": inputs.full_network().sha256}
    trained: dict[str, Any] = {"weights": inputs.embedded_network().sha256}
    for pooling in POOLINGS:
        for values, features in ((seeded, seeded_features), (trained, trained_features)):
            values[pooling] = {name: summary(array) for name, array in features(side, pooling).items()}
    seeded |= _summary_of(seeded_objective(side, inputs.full_network()))
    trained |= {name: _summary_of(trained_objective(side, name)) for name in OBJECTIVES}
    return {"seeded": seeded, "embedded": trained}


def summary(array: Array) -> dict[str, Any]:
    """Norm, mean and a few elements evenly spread over the array in row order."""
    chosen = array.ravel()[np.linspace(0, array.size - 1, SAMPLES).astype(int)]
    return {"norm": float(np.linalg.norm(array)), "mean": float(array.mean()), "samples": chosen.tolist()}


def _summary_of(evaluation: Evaluation[Array]) -> dict[str, Any]:
    terms = {name: float(value) for name, value in evaluation.terms.items()}
    return {"terms": terms, "total": float(evaluation.total), "gradient": summary(evaluation.gradient)}


def trained_outputs(side: Side) -> dict[str, Array]:
    """Arrays named `quantity/...` for the comparison of backends: feature maps, Gram matrices, losses, gradients."""
    outputs = {}
    for pooling in POOLINGS:
        for name, array in trained_features(side, pooling).items():
            layer = name.removeprefix("gram ")
            outputs[f"{'gram' if layer != name else 'features'}/{layer}/{pooling}"] = array
    for name in OBJECTIVES:
        evaluation = trained_objective(side, name)
        outputs[f"loss/{name}"] = evaluation.total
        outputs[f"gradient/{name}"] = evaluation.gradient
    return outputs


def seeded_features(side: Side, pooling: Pooling) -> dict[str, Array]:
    """Maps and Gram matrices of every layer."""
    return maps_and_grams(side, inputs.picture(81, *SIZE), vgg.LAYER_NAMES, pooling, inputs.full_network())


def trained_features(side: Side, pooling: Pooling) -> dict[str, Array]:
    """The same of the network of the package; worked out once on a side."""
    weights, x = inputs.embedded_network(), inputs.scene(*SCENE_SIZE)
    return side.once(
        ("trained features", pooling), lambda: maps_and_grams(side, x, weights.layer_names, pooling, weights)
    )


def seeded_objective(side: Side, weights: NetworkWeights) -> Evaluation[Array]:
    """The whole objective, its targets worked out on the same backend as in a transfer."""
    style = inputs.picture(82, *PROBLEM.style_size) ** 2
    constants = make_targets(side, PROBLEM, inputs.picture(83, *SIZE), style, weights)
    return side.differentiate(PROBLEM.function(side, weights), PROBLEM.start(), constants)


def trained_objective(side: Side, name: str) -> Evaluation[Array]:
    """Of `OBJECTIVES`, on the way from the scene to the strokes: the scene under noise; worked out once on a side."""
    return side.once(("trained objective", name), lambda: _trained_evaluation(side, OBJECTIVES[name]))


def _trained_evaluation(side: Side, settings: Settings) -> Evaluation[Array]:
    content, style = inputs.scene(*SCENE_SIZE), inputs.strokes(*STROKES_SIZE)
    pictures = [Picture(p[0].transpose(1, 2, 0).astype(np.float32)) for p in (content, style)]
    network = inputs.embedded_network()
    scene = make_scene(pictures[0], pictures[1:], [1.0])
    stage = Stage(scene, losses_of(settings, network), Context(settings, network, side.backend))
    x = side.backend.from_numpy(inputs.exact(0.75 * content + 0.25 * inputs.picture(91, *SCENE_SIZE)))
    return side.read(stage.evaluate(x))


@cache
def golden(network: str) -> dict[str, Any]:
    """The committed values, the float64 reference's, of a network: "seeded" or "embedded"."""
    values: dict[str, Any] = json.loads((files("nst.conformance.cases") / "golden.json").read_text())[network]
    return values


def _compare_summary(
    subject: Subject, what: str, array: Array, want: dict[str, Any], quantity: str
) -> Iterator[Measurement]:
    """An array against the `summary` of what it should be."""
    got = summary(array)
    rms = want["norm"] / np.sqrt(array.size)
    yield subject.compare(f"norm of {what}", got["norm"], want["norm"], quantity)
    yield subject.compare(f"mean of {what}", got["mean"], want["mean"], quantity, scale=rms)
    largest = max(rms, float(np.max(np.abs(want["samples"]))))
    yield subject.compare(f"samples of {what}", got["samples"], want["samples"], quantity, scale=largest)


def _weights(network: str, made: Callable[[], NetworkWeights]) -> Run:
    def run(subject: Subject) -> Iterator[Measurement]:
        same = float(made().sha256 == golden(network)["weights"])
        yield subject.compare(f"hash of the {network} weights", same, 1, "exact")

    return run


def _features(network: str, features: Callable[[Side, Pooling], dict[str, Array]], pooling: Pooling) -> Run:
    def run(subject: Subject) -> Iterator[Measurement]:
        got = features(subject.tested, pooling)
        for name, want in golden(network)[pooling].items():
            quantity = "full gram" if name.startswith("gram") else "full features"
            yield from _compare_summary(subject, name, got[name], want, quantity)

    return run


def _compare_objective(
    subject: Subject, got: Evaluation[Array], want: dict[str, Any]
) -> Iterator[Measurement]:
    for term, value in want["terms"].items():
        yield subject.compare(f"term {term}", got.terms[term], value, "full loss")
    yield subject.compare("total", got.total, want["total"], "full loss")
    yield from _compare_summary(subject, "gradient", got.gradient, want["gradient"], "full gradient")


def _trained_objective(name: str) -> Run:
    def run(subject: Subject) -> Iterator[Measurement]:
        got = trained_objective(subject.tested, name)
        yield from _compare_objective(subject, got, golden("embedded")[name])

    return run


def _seeded_objective(subject: Subject) -> Iterator[Measurement]:
    got = seeded_objective(subject.tested, inputs.full_network())
    yield from _compare_objective(subject, got, golden("seeded"))


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
    got, want = (seeded_objective(side, subject.weights) for side in (subject.tested, subject.reference))
    yield subject.compare("total", got.total, want.total, "full loss")
    unit = float(np.max(np.abs(want.gradient)))
    yield subject.compare("gradient", got.gradient, want.gradient, "full gradient", scale=unit)


REAL = Need(weights=True)
CASES = [
    Case("full/embedded/weights", 7, _weights("embedded", inputs.embedded_network)),
    *(Case(f"full/embedded/features/{p}", 7, _features("embedded", trained_features, p)) for p in POOLINGS),
    *(Case(f"full/embedded/objective/{name}", 7, _trained_objective(name)) for name in OBJECTIVES),
    Case("full/seeded/weights", 7, _weights("seeded", inputs.full_network)),
    *(Case(f"full/seeded/features/{p}", 7, _features("seeded", seeded_features, p)) for p in POOLINGS),
    Case("full/seeded/objective", 7, _seeded_objective),
    Case("full/real/features", 7, _real_features, REAL),
    Case("full/real/objective", 7, _real_objective, REAL),
]
