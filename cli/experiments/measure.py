"""How far a result is from content and style, layer by layer, as a given network sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.models import vgg
from nst.models.weights import NetworkWeights
from nst.pictures.picture import Picture, planar
from nst.protocol import Backend
from nst.settings import STYLE_LAYERS

CONTENT_LAYERS = ("conv2_2", "conv4_2")  # those that the paper compares in Fig. 5.

Maps = Mapping[str, NDArray[np.float64]]


def distances(
    backend: Backend[Any],
    weights: NetworkWeights,
    pooling: vgg.Pooling,
    result: Picture,
    content: Picture,
    styles: Sequence[tuple[Picture, float]],
    more: Sequence[str] = (),
) -> dict[str, dict[str, float]]:
    """The paper's losses of x by layer as `weights` see them, each relative to its value at a picture without features.

    "gram": |G/M - A/M|^2 / |A/M|^2 for each of the paper's style layers, A/M being the blend of the styles with their
    shares; "content": |F - P|^2 / |P|^2 for conv2_2, conv4_2 and `more`, p being of the same size. Layers that the
    network or the pictures lack are left out.
    """
    side = min(min(picture.size) for picture in (result, content, *(picture for picture, _ in styles)))

    def there(layers: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            layer
            for layer in vgg.LAYER_NAMES
            if layer in layers and layer in weights.convolutions and vgg.minimum_size([layer]) <= side
        )

    style_layers, content_layers = there(STYLE_LAYERS), there([*CONTENT_LAYERS, *more])
    network: Any = backend.network(weights, there([*style_layers, *content_layers]), pooling)

    def features(picture: Picture) -> Maps:
        tensors = backend.evaluate(lambda ops, x, _: network(ops, x), backend.from_numpy(planar(picture)), {})
        arrays = {layer: np.asarray(backend.to_numpy(tensors[layer]), np.float64)[0] for layer in tensors}
        return {layer: array.reshape(len(array), -1) for layer, array in arrays.items()}

    found, wanted = features(result), features(content)
    blend = {layer: np.zeros((weights.channels(layer),) * 2) for layer in style_layers}
    for picture, share in styles:
        maps = features(picture)
        for layer in style_layers:
            blend[layer] += share * _gram(maps[layer])
    return {
        "gram": {layer: _relative(_gram(found[layer]), blend[layer]) for layer in style_layers},
        "content": {layer: _relative(found[layer], wanted[layer]) for layer in content_layers},
    }


def _gram(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """G / M, (N, N), of maps (N, M)."""
    gram: NDArray[np.float64] = maps @ maps.T / maps.shape[1]
    return gram


def _relative(value: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    size = float(np.square(target).sum())
    return float(np.square(value - target).sum()) / size if size else 0.0
