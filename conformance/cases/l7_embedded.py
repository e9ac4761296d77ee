"""Level 7: the trained VGG19 of the package, on two drawn pictures, against committed values.

The objectives are set up as a transfer does, targets and open weights included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.conformance.case import Case, Side, Subject
from nst.conformance.cases import inputs
from nst.conformance.cases.l2_features import maps_and_grams
from nst.conformance.cases.l7_full_width import POOLINGS, compare_summary, golden, summary
from nst.conformance.compare import Measurement
from nst.engine.cache import Context
from nst.engine.stage import Stage
from nst.engine.weighting import losses_of
from nst.models.vgg import Pooling
from nst.pictures.picture import Picture
from nst.pictures.scene import make_scene
from nst.protocol import Evaluation
from nst.settings import Settings

Array = NDArray[np.float64]
Run = Callable[[Subject], Iterator[Measurement]]

SIZE, STYLE_SIZE = (48, 61), (43, 56)
OPEN = Settings(padding="zero")  # as VGG19 was trained
OBJECTIVES = {
    "open": OPEN,  # as by default, relative per layer
    "paper": replace(OPEN, content_weight=1.0, style_weight=1.0, tv_weight=4e6),
    "covariance": replace(OPEN, style_loss="covariance", pooling="max", tv_weight=0.1),
    "swapped": replace(OPEN, content_swap=1.0),
}
"""In "paper" alpha, beta and gamma make the terms pull about equally; open weights favour the style."""


def golden_values(side: Side) -> dict[str, Any]:
    """The part "embedded" of `golden.json`, worked out on a backend."""
    values: dict[str, Any] = {"weights": inputs.embedded_network().sha256}
    for pooling in POOLINGS:
        values[pooling] = {name: summary(array) for name, array in _features(side, pooling).items()}
    for name, settings in OBJECTIVES.items():
        evaluation = _objective(side, settings)
        values[name] = {
            "terms": {term: float(value) for term, value in evaluation.terms.items()},
            "total": float(evaluation.total),
            "gradient": summary(evaluation.gradient),
        }
    return values


def embedded_outputs(side: Side) -> dict[str, Array]:
    """Arrays named `quantity/...` for the comparison of backends: feature maps, Gram matrices, losses, gradients."""
    outputs = {}
    for pooling in POOLINGS:
        for name, array in _features(side, pooling).items():
            layer = name.removeprefix("gram ")
            outputs[f"{'gram' if layer != name else 'features'}/{layer}/{pooling}"] = array
    for name, settings in OBJECTIVES.items():
        evaluation = _objective(side, settings)
        outputs[f"loss/{name}"] = evaluation.total
        outputs[f"gradient/{name}"] = evaluation.gradient
    return outputs


def _features(side: Side, pooling: Pooling) -> dict[str, Array]:
    weights = inputs.embedded_network()
    return maps_and_grams(side, inputs.scene(*SIZE), weights.layer_names, pooling, weights)


def _objective(side: Side, settings: Settings) -> Evaluation[Array]:
    """Losses and gradient on the way from the scene to the strokes: the scene under noise."""
    content, style = inputs.scene(*SIZE), inputs.strokes(*STYLE_SIZE)
    pictures = [Picture(p[0].transpose(1, 2, 0).astype(np.float32)) for p in (content, style)]
    network = inputs.embedded_network()
    scene = make_scene(pictures[0], pictures[1:], [1.0])
    stage = Stage(scene, losses_of(settings, network), Context(settings, network, side.backend))
    x = side.backend.from_numpy(inputs.exact(0.75 * content + 0.25 * inputs.picture(91, *SIZE)))
    return side.read(stage.evaluate(x))


def _same_weights(subject: Subject) -> Iterator[Measurement]:
    same = float(inputs.embedded_network().sha256 == golden("embedded")["weights"])
    yield subject.compare("hash of the embedded weights", same, 1, "exact")


def _compare_features(pooling: Pooling) -> Run:
    def run(subject: Subject) -> Iterator[Measurement]:
        got = _features(subject.tested, pooling)
        for name, want in golden("embedded")[pooling].items():
            quantity = "full gram" if name.startswith("gram") else "full features"
            yield from compare_summary(subject, name, got[name], want, quantity)

    return run


def _compare_objective(name: str) -> Run:
    def run(subject: Subject) -> Iterator[Measurement]:
        got, want = _objective(subject.tested, OBJECTIVES[name]), golden("embedded")[name]
        for term, value in want["terms"].items():
            yield subject.compare(f"term {term}", got.terms[term], value, "full loss")
        yield subject.compare("total", got.total, want["total"], "full loss")
        yield from compare_summary(subject, "gradient", got.gradient, want["gradient"], "full gradient")

    return run


CASES = [
    Case("full/embedded/weights", 7, _same_weights),
    *(Case(f"full/embedded/features/{pooling}", 7, _compare_features(pooling)) for pooling in POOLINGS),
    *(Case(f"full/embedded/objective/{name}", 7, _compare_objective(name)) for name in OBJECTIVES),
]
