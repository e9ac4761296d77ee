"""VGG19 "normalised" as in the paper: the mean activation of every channel is 1.

Gatys et al. (2016, section 2): "We normalized the network by scaling the weights such that the mean
activation of each convolutional filter over images and positions is equal to one. Such re-scaling can be
done for the VGG network without changing its output, because it contains only rectifying linear
activation functions and no normalization or pooling over feature maps."
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models.forward import activations
from nst.models.weights import NetworkWeights


def normalise(
    weights: NetworkWeights, pictures: Iterable[NDArray[np.floating]] | None = None, name: str | None = None
) -> NetworkWeights:
    """The same network with each channel divided by its mean activation over `pictures`, (H, W, 3) in sRGB [0, 1].

    With m_l the means of layer l: W_l <- W_l * m_(l-1) / m_l and b_l <- b_l / m_l, with m_0 = 1; by the
    homogeneity of the ReLU (and of pooling) each feature map is then divided by its m_l. A channel that is
    dead on the pictures stays as it is. Unless given, the pictures are those of `nst.samples`, no longer than 256
    pixels, and the name has "-normalised" added. WeightsError: no picture.
    """
    if pictures is None:
        from nst.samples import sample_arrays

        pictures = sample_arrays(256)
    means = mean_activations(weights, pictures)
    before = np.ones(3)
    convolutions = {}
    for layer, (weight, bias) in weights.convolutions.items():
        mean = np.where(means[layer] > 0, means[layer], 1)
        factor = before[None, :, None, None] / mean[:, None, None, None]
        convolutions[layer] = ((weight * factor).astype(np.float32), (bias / mean).astype(np.float32))
        before = mean
    return replace(
        weights,
        name=name or f"{weights.name}-normalised",
        convolutions=convolutions,
        source=f"{weights.source}; normalised by nst".removeprefix("; "),
    )


def mean_activations(
    weights: NetworkWeights, pictures: Iterable[NDArray[np.floating]]
) -> dict[str, NDArray[np.float64]]:
    """Layer -> (N_l,) mean over pictures and positions, average pooling; each picture counts the same.

    WeightsError: no picture.
    """
    sums: dict[str, NDArray[np.float64]] = {}
    count = 0
    for picture in pictures:
        for layer, maps in activations(weights, picture):
            sums[layer] = sums.get(layer, 0) + maps.mean(axis=(1, 2), dtype=np.float64)
        count += 1
    if not count:
        raise WeightsError("no picture to normalise over: give at least one")
    return {layer: total / count for layer, total in sums.items()}
