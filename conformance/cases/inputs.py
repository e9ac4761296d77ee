"""Fixed inputs: closed-form or from a seeded generator, and exact in float32 so that all dtypes see the same."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from nst.models import vgg
from nst.models.embedded import load_embedded
from nst.models.random import random_weights
from nst.models.weights import NetworkWeights

Array = NDArray[np.float64]

HEIGHT, WIDTH = 37, 50
"""A size whose rows are odd at every pooling but one and whose columns are odd at some; H != W."""


def field(seed: int, *shape: int) -> Array:
    """Standard normal numbers."""
    return exact(np.random.default_rng(seed).standard_normal(shape))


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH, batch: int = 1) -> Array:
    """White noise in [0, 1], (N, 3, H, W)."""
    return exact(np.random.default_rng(seed).random((batch, 3, height, width)))


def constant(height: int = HEIGHT, width: int = WIDTH) -> Array:
    """One colour, (1, 3, H, W): every comparison of neighbours is a tie."""
    return np.broadcast_to(exact(np.array([0.25, 0.5, 0.8]))[:, None, None], (1, 3, height, width)).copy()


def checkerboard(height: int = HEIGHT, width: int = WIDTH) -> Array:
    """Black and white pixels in turn, (1, 3, H, W): the steepest picture there is."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.broadcast_to(((rows + columns) % 2).astype(np.float64), (1, 3, height, width)).copy()


def ramp(*shape: int) -> Array:
    """1, 2, 3, ... in row order: a wrong order of axes shows."""
    return np.arange(1.0, np.prod(shape) + 1).reshape(shape)


def scene(height: int, width: int) -> Array:
    """A drawn content picture, (1, 3, H, W): a sun in a sky that darkens upwards, over a ground in stripes.

    Flat, shaded and hard-edged parts, of which noise has none; only + - * / and comparisons, so that every machine
    draws the same.
    """
    y, x = (np.mgrid[0:height, 0:width] + 0.5) / np.reshape((height, width), (2, 1, 1))
    shade = y[None] * np.reshape((0.75, 0.5, 0.125), (3, 1, 1))
    picture = np.reshape((0.125, 0.25, 0.625), (3, 1, 1)) + shade
    sun = (x - 0.6875) ** 2 + (y - 0.375) ** 2 < 0.0325
    picture[:, sun] = np.reshape((1.0, 0.875, 0.5), (3, 1))
    stripes = np.where((8 * x + 4 * y) % 1 < 0.5, 0.5, 0.25)
    ground = np.reshape((0.5, 1.0, 0.375), (3, 1, 1)) * stripes
    return exact(np.where(y > 0.6875, ground, picture)[None])


def strokes(height: int, width: int) -> Array:
    """A drawn style picture, (1, 3, H, W): slanting strokes of four colours, each lighter in its middle."""
    y, x = np.mgrid[0:height, 0:width] + 0.5
    across = (x + 0.75 * y + 3 * (2 * np.abs((y / 11) % 1 - 0.5))) / 6
    colours = np.array(
        [(0.875, 0.6875, 0.125), (0.0625, 0.1875, 0.5), (0.25, 0.5625, 0.75), (0.5, 0.125, 0.0625)]
    )
    light = 1 - 0.75 * np.abs(across % 1 - 0.5)
    return exact((colours[np.floor(across).astype(int) % 4] * light[..., None]).transpose(2, 0, 1)[None])


@cache
def small_network() -> NetworkWeights:
    """The whole VGG19 topology, an eighth of its width, seeded; biases are not 0, unlike those of `random_weights`."""
    weights = random_weights(0, 0.125)
    generator = np.random.default_rng(5)
    biased = {
        layer: (weight, (0.2 * generator.standard_normal(bias.shape)).astype(np.float32))
        for layer, (weight, bias) in weights.convolutions.items()
    }
    return replace(weights, name="small", convolutions=biased)


@cache
def small_vgg16() -> NetworkWeights:
    """`small_network` without the convolutions that VGG16 lacks."""
    weights = small_network()
    kept = {layer: weights.convolutions[layer] for layer in vgg.VGG16_LAYER_NAMES}
    return replace(weights, name="small VGG16", convolutions=kept)


@cache
def full_network() -> NetworkWeights:
    """VGG19 at full width, seeded."""
    return random_weights(0)


@cache
def embedded_network() -> NetworkWeights:
    """The trained VGG19 of the package, to conv5_1."""
    return load_embedded()


def exact(array: Array) -> Array:
    """Rounded to float32."""
    return array.astype(np.float32).astype(np.float64)
