"""VGG19 with random filters, "normalised" as the paper normalises the trained network.

Gatys et al. (2016, section 2) rescale each filter so that its mean activation over pictures and
positions is 1. Here the pictures are one fixed probe, and the filters are He normal (He et al.,
2015). The same numbers come out in every framework and on every machine: the filters come from
numpy's PCG64, the probe runs in float64, and each scale factor is rounded to 8 bits, so the last bits of
a BLAS have no say.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nst.errors import SettingsError
from nst.models import vgg
from nst.models.forward import activations, average_pool, convolve
from nst.models.weights import NetworkWeights

MEAN = (0.485, 0.456, 0.406)
"""Mean of sRGB [0, 1] over ImageNet: the random network sees its input as torchvision's VGG19 does."""
STD = (0.229, 0.224, 0.225)  # standard deviation of sRGB [0, 1] over ImageNet

_CHANNELS = {"1": 64, "2": 128, "3": 256, "4": 512, "5": 512}
_PROBE_SIDE = 64
_DEAD = 0.1
_SCALE_BITS = 8

Float64 = NDArray[np.float64]


def random_weights(seed: int = 0, width: float = 1.0, depth: str = "conv5_4") -> NetworkWeights:
    """A VGG19 that has never seen a picture, down to the layer `depth`.

    A deeper network starts with the same numbers as a shallower one of the same seed (of numpy's PCG64) and width, the
    factor on the channel counts 64, 128, 256, 512, 512. Biases are 0. A filter whose positive part carries less than a
    tenth of its response on the probe is (nearly) dead: its sign is flipped before it is scaled. SettingsError: an
    unknown layer, a negative seed, a width that is not positive.
    """
    if seed < 0:
        raise SettingsError(f"seed is {seed}, expected 0 or more")
    if not 0 < width <= 4:
        raise SettingsError(f"width is {width:g}, expected more than 0 and at most 4")
    generator = np.random.Generator(np.random.PCG64(seed))
    maps = (probe() - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1))
    convolutions = {}
    for layer in vgg.layers_up_to([depth]):
        if isinstance(layer, vgg.Pool):
            maps = average_pool(maps)
            continue
        out = max(1, round(_CHANNELS[layer.name[4]] * width))
        filters = _he_normal(generator, out, maps.shape[0])
        response = convolve(maps, filters.astype(np.float64))
        scale = _scales(response)
        maps = np.maximum(response * scale[:, None, None], 0)
        factors = scale.astype(np.float32)[:, None, None, None]
        weight = np.ascontiguousarray(filters.transpose(2, 3, 0, 1)) * factors
        convolutions[layer.name] = (weight, np.zeros(out, np.float32))
    return NetworkWeights(
        name=f"random-{seed}",
        convolutions=convolutions,
        mean=MEAN,
        std=STD,
        license="none needed: random numbers",
        source=f"nst.models.random_weights(seed={seed}, width={width:g})",
    )


def _he_normal(generator: np.random.Generator, out: int, channels: int) -> NDArray[np.float32]:
    """Filters (3, 3, out, in), one matrix a tap, of variance 2 / fan-in."""
    values = generator.standard_normal((3, 3, out, channels))
    values *= np.sqrt(2 / (9 * channels))
    return values.astype(np.float32)


def _scales(response: Float64) -> Float64:
    """(out,) signed factors that give each map of relu(scale * response) a mean of 1, to 8 bits."""
    positive = np.maximum(response, 0).mean(axis=(1, 2))
    negative = np.maximum(-response, 0).mean(axis=(1, 2))
    flipped = positive < _DEAD * (positive + negative)
    mean = np.where(flipped, negative, positive)
    mantissa, exponent = np.frexp(1 / np.maximum(mean, 1e-12))
    rounded = np.ldexp(np.round(mantissa * 2**_SCALE_BITS), exponent - _SCALE_BITS)
    signed: Float64 = np.where(flipped, -rounded, rounded)
    return signed


def probe() -> Float64:
    """The fixed picture (3, 64, 64) in [0, 1]: waves of falling amplitude under coloured rectangles.

    A natural picture's two main properties, an energy that falls with frequency and hard edges, in a
    few lines; it does not depend on the seed.
    """
    generator = np.random.Generator(np.random.PCG64(1409_1556))
    y, x = np.mgrid[0:_PROBE_SIDE, 0:_PROBE_SIDE] / _PROBE_SIDE
    picture = np.full((3, _PROBE_SIDE, _PROBE_SIDE), 0.5)
    for _ in range(48):
        frequency = 2 ** generator.uniform(0, 4.5)
        angle, phase = generator.uniform(0, 2 * np.pi, 2)
        wave = np.sin(2 * np.pi * frequency * (x * np.cos(angle) + y * np.sin(angle)) + phase)
        colour = generator.uniform(-1, 1) + generator.uniform(-0.5, 0.5, 3)
        picture += 0.18 / np.sqrt(frequency) * colour[:, None, None] * wave
    for _ in range(12):
        top, left = generator.integers(0, _PROBE_SIDE - 8, 2)
        rows, columns = generator.integers(4, 24, 2)
        colour = generator.uniform(0, 1, 3)
        region = picture[:, top : top + rows, left : left + columns]
        region[...] = 0.4 * region + 0.6 * colour[:, None, None]
    clipped: Float64 = np.clip(picture, 0, 1)
    return clipped


def probe_features(weights: NetworkWeights) -> dict[str, NDArray[np.float32]]:
    """Layer -> maps (N, H, W) of the probe."""
    return dict(activations(weights, probe().transpose(1, 2, 0)))
