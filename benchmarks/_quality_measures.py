"""How much of the style is missing, how much of the content is lost, how woven a picture is: apart from the engine."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nst.models.forward import activations
from nst.models.weights import NetworkWeights

__all__ = ["STYLE_LAYERS", "Judge", "weave"]

STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
CONTENT_LAYER = "conv4_2"
MARGIN = 96
"""Of edge pixels that are repeated around a picture; more than the network sees, and whole positions of its layers."""

RELATED_LAYER, POSITIONS, SHARPNESS = "conv3_1", 2048, 10.0
DIRECTIONS, QUANTILES = 64, np.linspace(0.005, 0.995, 100)

PERIODS = ((2.0, 2.8), (2.8, 4.0))
"""In pixels: two bands in which a weave is seen."""
TILE = 48

Array = NDArray[np.float64]


class Seen(NamedTuple):
    """What a network says of a picture."""

    grams: dict[str, Array]  # G / M by layer
    content: Array  # maps of the content layer
    spreads: dict[str, Array]  # by style layer: the quantiles along each of the random directions
    related: Array  # how alike each place of a picture is to all others: rows of sum 1


class Judge:
    """A network that looks at pictures: average pooling, the edge repeated past the border, float64 sums.

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
        grams, targets = self._seen(picture).grams, self._seen(style).grams
        relative = [np.square(grams[name] - a).sum() / np.square(a).sum() for name, a in targets.items()]
        return float(np.mean(relative))

    def content_off(self, result: Image.Image, content: Image.Image) -> float:
        """|F - P|^2 / |P|^2 at conv4_2; two pictures that have nothing to do with each other: about 2."""
        features, target = self._seen(result).content, self._seen(content).content
        return float(np.square(features - target).sum() / np.square(target).sum())

    def spread_left(self, result: Image.Image, content: Image.Image, style: Image.Image) -> float:
        """What Gram matrices do not see: distances of whole distributions, of the result over that of the content.

        Mean over five layers and 64 random directions of the 1-D Wasserstein distance, in deviations of the style
        (sliced Wasserstein; Heitz et al. 2021).
        """
        aims = self._seen(style).spreads
        found, before = (
            np.mean([(np.abs(own[layer] - a).mean(1) / a.std(1)).mean() for layer, a in aims.items()])
            for own in (self._seen(result).spreads, self._seen(content).spreads)
        )
        return float(found / before)

    def relations_off(self, result: Image.Image, content: Image.Image) -> float:
        """Kullback-Leibler divergence of the self-similarities: layout, whatever the colours and strokes are.

        Between softmax(10 x centred cosine) of each place with all others at conv3_1; after CFSD (Chung, Hyun, Heo
        2024), whose products of features depend on how a network is scaled.
        """
        found, wanted = self._seen(result).related, self._seen(content).related
        return float((wanted * np.log(wanted / found)).sum(1).mean())

    def _seen(self, picture: Image.Image) -> Seen:
        return self._look(picture.convert("RGB").tobytes(), picture.size)

    def _look_at(self, pixels: bytes, size: tuple[int, int]) -> Seen:
        width, height = size
        picture = np.frombuffer(pixels, np.uint8).reshape(height, width, 3) / 255
        grams, spreads, content, related = {}, {}, np.zeros(0), np.zeros(0)
        padded = np.pad(picture, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")
        for layer, maps in activations(self._weights, padded):
            step = 2 ** (int(layer[4]) - 1)
            margin = MARGIN // step
            inside = maps[:, margin : margin + height // step, margin : margin + width // step]
            flat = inside.reshape(len(maps), -1)
            if layer in STYLE_LAYERS:
                grams[layer] = (flat @ flat.T).astype(np.float64) / flat.shape[1]
                directions = np.random.default_rng(0).standard_normal((DIRECTIONS, len(flat)))
                spreads[layer] = np.quantile(directions @ flat, QUANTILES, axis=1).T
            if layer == RELATED_LAYER:
                related = _related(flat[:, :: -(-flat.shape[1] // POSITIONS)].astype(np.float64))
            if layer == CONTENT_LAYER:
                content = flat.astype(np.float64)
        return Seen(grams, content, spreads, related)


def _related(maps: Array) -> Array:
    """Of maps (channels, positions): softmax of the centred cosines, row by row."""
    centred = maps - maps.mean(1, keepdims=True)
    centred /= np.linalg.norm(centred, axis=0) + 1e-12
    powers = np.exp(SHARPNESS * (centred.T @ centred))
    related: Array = powers / powers.sum(1, keepdims=True)
    return related


def weave(picture: Image.Image) -> tuple[float, ...]:
    """Power along the axes over power along the diagonals, in dB, in each band of `PERIODS`.

    Paintings have about -2 to 0, scaffolding and windows more. The luminance in tiles under a Hann window that overlap
    by half, and the median of all, since one part of a picture may make up for another.
    """
    luminance = np.asarray(picture.convert("RGB"), np.float64) @ [0.299, 0.587, 0.114] / 255
    frequency = np.abs(np.fft.fftfreq(TILE))
    radius, angle = (
        np.hypot(frequency[:, None], frequency),
        np.degrees(np.arctan2(frequency[:, None], frequency)),
    )
    axes, diagonals = (angle < 9) | (angle > 81), (angle > 25) & (angle < 65)
    tiles = np.lib.stride_tricks.sliding_window_view(luminance, (TILE, TILE))[:: TILE // 2, :: TILE // 2]
    tiles = (tiles - tiles.mean(axis=(2, 3), keepdims=True)) * np.outer(np.hanning(TILE), np.hanning(TILE))
    power = np.abs(np.fft.fft2(tiles)) ** 2 + 1e-9
    figures = []
    for shortest, longest in PERIODS:
        ring = (radius >= 1 / longest) & (radius < 1 / shortest)
        figures.append(
            np.median(10 * np.log10(power[..., ring & axes].mean(-1) / power[..., ring & diagonals].mean(-1)))
        )
    return tuple(float(figure) for figure in figures)
