"""How much of the style is missing, how much of the content is lost: by VGG19 in plain numpy, apart from the engine."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nst.models.forward import activations
from nst.models.weights import NetworkWeights

__all__ = ["STYLE_LAYERS", "Judge"]

STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
CONTENT_LAYER = "conv4_2"

Array = NDArray[np.float64]


class Judge:
    """A network that looks at pictures: average pooling, zero padding, float64 sums.

    Args:
        weights: a VGG to conv5_1 at least.
    """

    def __init__(self, weights: NetworkWeights) -> None:
        self._weights = weights
        self._look = cache(self._look_at)

    def style_left(self, result: Image.Image, content: Image.Image, style: Image.Image) -> float:
        """Mean over five layers of |G/M - A/M|^2 / |A/M|^2, of the result over that of the content picture."""
        return self.style_distance(result, style) / self.style_distance(content, style)

    def style_distance(self, picture: Image.Image, style: Image.Image) -> float:
        """Mean over five layers of |G/M - A/M|^2 / |A/M|^2."""
        grams, targets = self._seen(picture)[0], self._seen(style)[0]
        relative = [np.square(grams[name] - a).sum() / np.square(a).sum() for name, a in targets.items()]
        return float(np.mean(relative))

    def content_off(self, result: Image.Image, content: Image.Image) -> float:
        """|F - P|^2 / |P|^2 at conv4_2; two pictures that have nothing to do with each other: about 2."""
        features, target = self._seen(result)[1], self._seen(content)[1]
        return float(np.square(features - target).sum() / np.square(target).sum())

    def _seen(self, picture: Image.Image) -> tuple[dict[str, Array], Array]:
        return self._look(picture.convert("RGB").tobytes(), picture.size)

    def _look_at(self, pixels: bytes, size: tuple[int, int]) -> tuple[dict[str, Array], Array]:
        """(G / M by layer, maps of the content layer)."""
        picture = np.frombuffer(pixels, np.uint8).reshape(size[1], size[0], 3) / 255
        grams, content = {}, np.zeros(0)
        for layer, maps in activations(self._weights, picture):
            flat = maps.reshape(len(maps), -1)
            if layer in STYLE_LAYERS:
                grams[layer] = (flat @ flat.T).astype(np.float64) / flat.shape[1]
            if layer == CONTENT_LAYER:
                content = flat.astype(np.float64)
        return grams, content
