"""Level 4: what stays in full precision while the network computes in less.

The limits here are those of the data type, however coarse the network is: its feature maps are taken as they come.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.conformance.case import Case, Subject
from nst.conformance.cases import inputs
from nst.conformance.cases.l2_features import maps_and_grams
from nst.conformance.cases.objectives import PROBLEMS, targets
from nst.conformance.compare import Measurement
from nst.engine.loss_scaling import compile_objective
from nst.losses.objective import loss_function
from nst.protocol import Ops

Array = NDArray[np.float64]

LAYERS = ("conv1_1", "conv3_1", "conv5_1")
PROBLEM = "whole/avg"


def _types(subject: Subject) -> Iterator[Measurement]:
    """Feature maps, losses and gradient come back in the data type."""
    side, problem = subject.tested, PROBLEMS[PROBLEM]
    backend, network = side.backend, side.network(problem.layers, problem.pooling)
    x, constants = backend.from_numpy(problem.start()), side.tensors(targets(problem))
    maps = backend.evaluate(lambda ops, x, c: network(ops, x), x, {})
    evaluation = compile_objective(backend, problem.function(side), x, constants)(x, constants)
    tensors = {**maps, **evaluation.terms, "total": evaluation.total, "gradient": evaluation.gradient}
    for name, tensor in tensors.items():
        dtype = backend.to_numpy(tensor).dtype.name
        yield subject.compare(
            f"{name} is in {backend.dtype}, got {dtype}", dtype == backend.dtype, 1, "exact"
        )


def _grams(subject: Subject) -> Iterator[Measurement]:
    """The Gram matrix is that of the feature maps which the same call returns."""
    got = maps_and_grams(subject.tested, inputs.picture(25), LAYERS)
    for layer in LAYERS:
        flat = got[layer].reshape(*got[layer].shape[:2], -1)
        want = flat @ flat.transpose(0, 2, 1)
        yield subject.compare(f"Gram matrix of {layer}", got[f"gram {layer}"], want, "given features")


def _losses(subject: Subject) -> Iterator[Measurement]:
    """The losses are those of the feature maps which the same call returns."""
    side, problem, reference = subject.tested, PROBLEMS[PROBLEM], subject.reference
    terms, constants = problem.terms(inputs.small_network()), targets(problem)
    network = side.network(problem.layers, problem.pooling)

    def losses(ops: Ops[Any], x: Any, c: Mapping[str, Any], maps: Mapping[str, Any]) -> dict[str, Any]:
        function = loss_function(terms, lambda ops, x: maps, *problem.size)  # type: ignore[arg-type]  # no native
        total, values = function(ops, x, c)
        return {"total": total, **values}

    def tested(ops: Ops[Any], x: Any, c: Mapping[str, Any]) -> dict[str, Any]:
        maps = network(ops, x)
        return {**maps, **losses(ops, x, c, maps)}

    got = side.evaluate(tested, problem.start(), constants)
    given = {**constants, **{layer: got[layer] for layer in problem.layers}}
    want = reference.evaluate(lambda ops, x, c: losses(ops, x, c, c), problem.start(), given)
    for name, value in want.items():
        yield subject.compare(name, got[name], value, "given features")


CASES = [
    Case("precision/types", 4, _types),
    Case("precision/gram", 4, _grams),
    Case("precision/loss", 4, _losses),
]
