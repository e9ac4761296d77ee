"""Backends against each other on the same fixed inputs, without the reference between them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.conformance.case import Side
from nst.conformance.cases import inputs, l7_embedded
from nst.conformance.cases.l2_features import maps_and_grams
from nst.conformance.cases.objectives import PROBLEMS, targets
from nst.models import vgg

Array = NDArray[np.float64]

QUANTITIES = ("features", "gram", "loss", "gradient")
EMBEDDED = "embedded/"  # starts the names of what the trained network of the package gives


def fixed_outputs(side: Side, full: bool = True) -> dict[str, Array]:
    """Arrays named `quantity/...`: all feature maps and Gram matrices of the small network, losses, gradients.

    With `full` those of the embedded network as well, named `embedded/quantity/...`.
    """
    outputs = {}
    for name, array in maps_and_grams(side, inputs.picture(21), vgg.LAYER_NAMES).items():
        layer = name.removeprefix("gram ")
        outputs[f"{'gram' if layer != name else 'features'}/{layer}"] = array
    for name in ("whole/avg", "whole/max"):
        problem = PROBLEMS[name]
        evaluation = side.differentiate(problem.function(side), problem.start(), targets(problem))
        outputs[f"loss/{name}"] = evaluation.total
        outputs[f"gradient/{name}"] = evaluation.gradient
    if full:
        outputs |= {EMBEDDED + name: array for name, array in l7_embedded.embedded_outputs(side).items()}
    return outputs


def pair_differences(outputs: Mapping[str, Mapping[str, Array]], prefix: str = "") -> list[dict[str, Any]]:
    """For each pair of backends the worst difference of each quantity: rows with the keys `pair` and `QUANTITIES`.

    `outputs` are `fixed_outputs` by backend; `prefix` is "" for the small network, `EMBEDDED` for the embedded one. A
    gradient differs by the norm of the difference over the norm, anything else by the largest difference over the
    largest magnitude.
    """
    rows = []
    outputs = {name: own for name, own in outputs.items() if any(key.startswith(prefix) for key in own)}
    for first, second in combinations(outputs, 2):
        row: dict[str, Any] = {"pair": [first, second]}
        for quantity in QUANTITIES:
            keys = [key for key in outputs[first] if key.startswith(f"{prefix}{quantity}/")]
            measure = np.linalg.norm if quantity == "gradient" else np.max
            pairs = [(outputs[first][key], outputs[second][key]) for key in keys]
            row[quantity] = max(float(measure(np.abs(a - b)) / measure(np.abs(b))) for a, b in pairs)
        rows.append(row)
    return rows
