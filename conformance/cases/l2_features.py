"""Level 2: every layer of VGG19 at small size, some of VGG16, its feature map and its Gram matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.conformance.case import Case, Side, Subject
from nst.conformance.cases import inputs
from nst.conformance.compare import Measurement
from nst.errors import SettingsError
from nst.models import vgg
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Ops

Array = NDArray[np.float64]
Run = Callable[[Subject], Iterator[Measurement]]

PICTURES: dict[str, Callable[[], Array]] = {
    "noise": lambda: inputs.picture(21),
    "batch": lambda: inputs.picture(22, 19, 34, batch=2),
    "constant": inputs.constant,
    "checkerboard": inputs.checkerboard,
    "out-of-range": lambda: 6 * inputs.picture(23) - 2.5,
    "smallest": lambda: inputs.picture(24, 16, 17),
}


def caffe_network() -> NetworkWeights:
    """The small network, told to take its input in 0..255 with a mean a channel, as Caffe's VGG19 does."""
    weights = inputs.small_network()
    name, (weight, bias) = next(iter(weights.convolutions.items()))
    convolutions = {**weights.convolutions, name: ((weight / 64).astype(np.float32), bias)}
    return replace(
        weights, convolutions=convolutions, scale=255.0, mean=(123.68, 116.779, 103.939), std=(1.0, 1.0, 1.0)
    )


def maps_and_grams(
    side: Side,
    x: Array,
    layers: Sequence[str],
    pooling: Pooling = "avg",
    weights: NetworkWeights | None = None,
) -> dict[str, Array]:
    """`layer` -> feature map and `gram layer` -> Gram matrix."""
    network = side.network(layers, pooling, weights)

    def function(ops: Ops[Any], x: Any, _: Mapping[str, Any]) -> dict[str, Any]:
        maps = network(ops, x)
        return {**maps, **{f"gram {layer}": ops.gram(maps[layer]) for layer in layers}}

    return side.evaluate(function, x)


def all_layers(side: Side, pooling: Pooling) -> dict[str, Array]:
    """What all layers give for the noise picture; worked out once on a side."""
    return side.once(
        ("all layers", pooling), lambda: maps_and_grams(side, PICTURES["noise"](), vgg.LAYER_NAMES, pooling)
    )


def _layer(layer: str, pooling: Pooling, gram: bool) -> Run:
    def run(subject: Subject) -> Iterator[Measurement]:
        got, want = all_layers(subject.tested, pooling), all_layers(subject.reference, pooling)
        key, quantity = (f"gram {layer}", "gram") if gram else (layer, "features")
        yield subject.compare(key, got[key], want[key], quantity)

    return run


def _picture(label: str, pooling: Pooling) -> Run:
    layers = ("conv1_1", "conv3_2", "conv5_1")

    def run(subject: Subject) -> Iterator[Measurement]:
        x = PICTURES[label]()
        got = maps_and_grams(subject.tested, x, layers, pooling)
        want = maps_and_grams(subject.reference, x, layers, pooling)
        for layer in layers:
            yield subject.compare(layer, got[layer], want[layer], "features")
            yield subject.compare(f"gram {layer}", got[f"gram {layer}"], want[f"gram {layer}"], "gram")

    return run


def _caffe_scale(subject: Subject) -> Iterator[Measurement]:
    layers, weights, x = ("conv2_1", "conv4_2"), caffe_network(), PICTURES["noise"]()
    got = maps_and_grams(subject.tested, x, layers, weights=weights)
    want = maps_and_grams(subject.reference, x, layers, weights=weights)
    for layer in layers:
        yield subject.compare(layer, got[layer], want[layer], "features")


def _vgg16(subject: Subject) -> Iterator[Measurement]:
    """The network's topology is the convolutions that it has: VGG16's third to fifth blocks have one less."""
    layers, weights, x = ("conv3_3", "conv4_1", "conv5_3"), inputs.small_vgg16(), PICTURES["noise"]()
    got = maps_and_grams(subject.tested, x, layers, weights=weights)
    want = maps_and_grams(subject.reference, x, layers, weights=weights)
    for layer in layers:
        yield subject.compare(layer, got[layer], want[layer], "features")


def _primary_colours(subject: Subject) -> Iterator[Measurement]:
    for i, colour in enumerate(("red", "green", "blue")):
        x = np.zeros((1, 3, 5, 6))
        x[:, i] = 1.0
        got = maps_and_grams(subject.tested, x, ["conv1_1"])
        want = maps_and_grams(subject.reference, x, ["conv1_1"])
        yield subject.compare(f"conv1_1 of a {colour} picture", got["conv1_1"], want["conv1_1"], "features")


def _just_these_layers(subject: Subject) -> Iterator[Measurement]:
    network = subject.tested.network(("conv3_1", "conv1_2"))
    maps = subject.tested.evaluate(lambda ops, x, c: network(ops, x), inputs.picture(25, 9, 10))
    same = sorted(maps) == ["conv1_2", "conv3_1"]
    yield subject.check(f"the layers are those asked for, got {', '.join(sorted(maps))}", same)
    yield subject.check("the native object is there", network.native is not None)


def _too_deep(subject: Subject) -> Iterator[Measurement]:
    weights = inputs.small_network()
    shallow = replace(weights, convolutions=dict(list(weights.convolutions.items())[:3]))
    refused = False
    try:
        subject.tested.backend.network(shallow, ["conv5_1"], "avg")
    except SettingsError:
        refused = True
    yield subject.check("SettingsError for a layer deeper than the weights", refused)


def _nan(pooling: Pooling) -> Run:
    """A NaN in the second of two pictures reaches that picture's maps; how far it spreads there is open."""

    def run(subject: Subject) -> Iterator[Measurement]:
        x = PICTURES["batch"]()
        x[1, 1, 9, 20] = np.nan
        layers = ("conv1_1", "conv2_2", "conv5_1")
        got = maps_and_grams(subject.tested, x, layers, pooling)
        for layer in layers:
            nan = np.isnan(got[layer]).any(axis=(1, 2, 3))
            yield subject.compare(f"NaN in {layer}", nan, [False, True], "exact")

    return run


def _gram_of(subject: Subject, features: Array) -> Array:
    return subject.tested.evaluate(lambda ops, x, c: {"gram": ops.gram(x)}, features)["gram"]


def _symmetric(subject: Subject) -> Iterator[Measurement]:
    gram = _gram_of(subject, inputs.field(26, 2, 9, 7, 5))
    yield subject.compare("the transposed Gram matrix", gram, gram.transpose(0, 2, 1), "primitive")


def _permuted(subject: Subject) -> Iterator[Measurement]:
    features = inputs.field(27, 1, 6, 7, 5)
    order = np.random.default_rng(28).permutation(35)
    permuted = features.reshape(1, 6, 35)[..., order].reshape(1, 6, 5, 7)
    got, want = _gram_of(subject, permuted), _gram_of(subject, features)
    yield subject.compare("the Gram matrix of permuted positions", got, want, "primitive")


POOLINGS: tuple[Pooling, ...] = ("avg", "max")
CASES = [
    *(
        Case(f"{group}/{pooling}/{layer}", 2, _layer(layer, pooling, group == "gram"))
        for group in ("features", "gram")
        for pooling in POOLINGS
        for layer in vgg.LAYER_NAMES
    ),
    *(
        Case(f"features/{pooling}/{label}", 2, _picture(label, pooling))
        for pooling in POOLINGS
        for label in PICTURES
        if label != "noise" and (pooling, label) != ("max", "constant")
    ),
    *(Case(f"features/{pooling}/nan", 2, _nan(pooling)) for pooling in POOLINGS),
    Case("features/caffe-scale", 2, _caffe_scale),
    Case("features/vgg16", 2, _vgg16),
    Case("features/primary-colours", 2, _primary_colours),
    Case("features/just-these-layers", 2, _just_these_layers),
    Case("features/too-deep", 2, _too_deep),
    Case("gram/symmetric", 2, _symmetric),
    Case("gram/permuted-positions", 2, _permuted),
]
