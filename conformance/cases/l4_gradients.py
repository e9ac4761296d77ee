"""Level 4: gradients of the losses against the reference, what must hold of any gradient, and half precision.

What stays in full precision while the network computes in less has the limits of the data type, however coarse the
network is: its feature maps are taken as they come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.conformance.case import Case, Side, Subject
from nst.conformance.cases import inputs
from nst.conformance.cases.l2_features import maps_and_grams
from nst.conformance.cases.l3_losses import evaluations
from nst.conformance.cases.objectives import OTHERS, PROBLEMS, targets
from nst.conformance.compare import Measurement
from nst.engine.loss_scaling import compile_objective
from nst.losses.objective import loss_function
from nst.models import vgg
from nst.protocol import Ops

DEEP = vgg.LAYER_NAMES.index("conv4_1")
STEP = 1e-5
"""Of the central differences, for pictures in [0, 1] and float64: rounding and curvature are about equal here."""
LAYERS = ("conv1_1", "conv3_1", "conv5_1")
PROBLEM = "whole/avg"

Run = Callable[[Subject], Iterator[Measurement]]

Array = NDArray[np.float64]


def _gradient(name: str) -> Run:
    def run(subject: Subject) -> Iterator[Measurement]:
        got, want = evaluations(subject, name)
        yield subject.compare("gradient", got.gradient, want.gradient, _quantity(name, "gradient"))

    return run


def _quantity(name: str, what: str) -> str:
    """The row of the table: a network in half precision is the less exact the deeper it is."""
    layers = PROBLEMS[name].layers
    if not layers:
        return f"primitive {what}" if what == "gradient" else what
    return f"deep {what}" if vgg.LAYER_NAMES.index(layers[-1]) >= DEEP else what


def _slope(name: str) -> Run:
    """<gradient, d> against the central difference of the loss along d, which needs no derivative.

    The loss is the reference's: differences of a float32 loss would drown in rounding.
    """

    def run(subject: Subject) -> Iterator[Measurement]:
        problem, side = PROBLEMS[name], subject.reference
        got, want = evaluations(subject, name)
        function = problem.function(side)

        def total(ops: Ops[Any], x: Any, c: Mapping[str, Any]) -> dict[str, Any]:
            return {"y": function(ops, x, c)[0]}

        x, length = problem.start(), np.linalg.norm(want.gradient)
        noise = inputs.field(51, *x.shape)
        for what, direction in (("its own direction", want.gradient), ("a random direction", noise)):
            d = direction / np.linalg.norm(direction)
            above, below = (
                side.evaluate(total, x + step * d, targets(problem))["y"] for step in (STEP, -STEP)
            )
            slope = np.sum(got.gradient * d)
            difference = (above - below) / (2 * STEP)
            yield subject.compare(
                f"slope along {what}", slope, difference, _quantity(name, "slope"), scale=float(length)
            )

    return run


def _vgg16(subject: Subject) -> Iterator[Measurement]:
    """1/2 sum F^2 of two layers of a VGG16, the deeper one past a block in which it has one convolution less."""
    x, layers = inputs.picture(55), ("conv2_1", "conv4_2")

    def gradient(side: Side) -> np.ndarray:
        network = side.network(layers, weights=inputs.small_vgg16())

        def function(ops: Ops[Any], x: Any, _: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
            maps = network(ops, x)
            sums = [ops.scale(ops.sum(ops.square(maps[layer])), 0.5) for layer in layers]
            total = ops.add(*sums)
            return total, {"total": total}

        return side.differentiate(function, x).gradient

    got, want = gradient(subject.tested), gradient(subject.reference)
    yield subject.compare("gradient", got, want, "deep gradient")


def _linear_in_weights(subject: Subject) -> Iterator[Measurement]:
    side, problem = subject.tested, PROBLEMS["whole/avg"]
    x, constants = problem.start(), targets(problem)

    def gradient(*weights: float) -> np.ndarray:
        weighted = replace(problem, weights=weights)
        return side.differentiate(weighted.function(side), x, constants).gradient

    a, b = (1.0, 300.0, 3.0, 2.0), (2.0, -150.0, 1.0, 0.0)
    got = gradient(*(2 * p - 3 * q for p, q in zip(a, b, strict=True)))
    want = 2 * gradient(*a) - 3 * gradient(*b)
    yield subject.compare("gradient at 2 a - 3 b", got, want, "gradient")


def _fan_out(subject: Subject) -> Iterator[Measurement]:
    """A relu y of x is used three times: sum(y y + 2 y + (y - x)); contributions must add up."""
    x = inputs.field(52, 1, 3, 4, 5)

    def function(ops: Ops[Any], x: Any, c: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        y = ops.relu(x)
        total = ops.sum(ops.add(ops.add(ops.multiply(y, y), ops.scale(y, 2.0)), ops.sub(y, x)))
        return total, {"total": total}

    got = subject.tested.differentiate(function, x)
    want = np.where(x > 0, 2 * x + 2, -1.0)
    yield subject.compare("gradient", got.gradient, want, "primitive gradient")


def _term_without_picture(subject: Subject) -> Iterator[Measurement]:
    """A term made of constants alone adds to the value and nothing to the gradient."""
    x, c = inputs.field(53, 1, 3, 4, 5), {"c": inputs.field(54, 1, 3, 4, 5)}

    def function(ops: Ops[Any], x: Any, c: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        picture, constant = ops.sum(ops.square(x)), ops.sum(ops.square(c["c"]))
        return ops.add(picture, constant), {"picture": picture, "constant": constant}

    got = subject.tested.differentiate(function, x, c)
    yield subject.compare("total", got.total, np.sum(x**2) + np.sum(c["c"] ** 2), "primitive")
    yield subject.compare("constant term", got.terms["constant"], np.sum(c["c"] ** 2), "primitive")
    yield subject.compare("gradient", got.gradient, 2 * x, "primitive gradient")


def _missing_gradient(subject: Subject) -> Iterator[Measurement]:
    """A loss that does not read the picture is a mistake of its author: an error, not zeros."""
    refused = False
    try:
        subject.tested.differentiate(
            lambda ops, x, c: (ops.sum(ops.square(c["c"])), {}), np.ones((1, 3, 2, 2)), {"c": np.ones((2, 2))}
        )
    except Exception:
        refused = True
    yield subject.check("an error for a loss that does not depend on the picture", refused)


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


SLOPES = (
    *("style/all", *(f"style/{name}" for name in OTHERS)),
    # masks and temperatures act on the sums, which all style losses share: two of them stand for the rest
    *("guided/gram", "guided/w2", "guided/content"),
    *("smoothed/gram", "smoothed/w2", "smoothed/content", "smoothed/guided"),
    *("content/conv4_2", "tv/squares", "whole/avg", "whole/max"),
)
CASES = [
    *(Case(f"gradient/{name}", 4, _gradient(name)) for name in PROBLEMS),
    *(Case(f"gradient/slope/{name}", 4, _slope(name)) for name in SLOPES),
    Case("gradient/linear-in-weights", 4, _linear_in_weights),
    Case("gradient/vgg16", 4, _vgg16),
    Case("gradient/fan-out", 4, _fan_out),
    Case("gradient/term-without-picture", 4, _term_without_picture),
    Case("gradient/missing", 4, _missing_gradient),
    Case("precision/types", 4, _types),
    Case("precision/gram", 4, _grams),
    Case("precision/loss", 4, _losses),
]
