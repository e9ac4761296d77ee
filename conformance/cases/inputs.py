"""Fixed inputs: closed-form or from a seeded generator, and exact in float32 so that all dtypes see the same."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from nst.models import vgg
from nst.models.random import random_weights
from nst.models.weights import NetworkWeights

__all__ = [
    "HEIGHT",
    "WIDTH",
    "checkerboard",
    "constant",
    "exact",
    "field",
    "full_network",
    "picture",
    "ramp",
    "small_network",
    "small_vgg16",
]

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


def exact(array: Array) -> Array:
    """Rounded to float32."""
    return array.astype(np.float32).astype(np.float64)
