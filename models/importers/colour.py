"""The first layer of AdaIN's normalised VGG19, which turns a picture into the input of conv1_1.

Huang and Belongie, *Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization*, ICCV 2017. It is a 1x1
convolution of three colours to three: sRGB in [0, 1] times 255 in the order B, G, R, minus the ImageNet mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models.importers.layout import Convention


def convention_of(weight: NDArray[np.float32], bias: NDArray[np.float32]) -> Convention:
    """The input convention that a convolution (3, 3, 1, 1) and (3,) of the picture amounts to, without any rounding.

    Channel c of the result is gain_c x_k + bias_c, k being its one colour; (255 x_k - mean_k) / std_k is the same for
    std_k = 255 / gain_c and mean_k = -bias_c std_k. A mixture of colours is no such convention; folded into conv1_1 it
    would differ along the border, where conv1_1 sees zeros. WeightsError: another shape, or a channel that is not one
    colour times a positive number.
    """
    if weight.shape != (3, 3, 1, 1) or bias.shape != (3,):
        raise WeightsError(
            f"its first layer has shapes {weight.shape} and {bias.shape}, not (3, 3, 1, 1) and (3,)"
        )
    gains = weight[:, :, 0, 0].astype(np.float64)
    colours, largest = gains.argmax(axis=1), gains.max(axis=1)
    finite = np.isfinite([*gains.flat, *bias]).all()
    if not finite or np.count_nonzero(gains) != 3 or set(colours) != {0, 1, 2} or largest.min() <= 0:
        raise WeightsError(
            "its first layer mixes colours, which cannot be kept: only a factor, an order of channels and a mean can"
        )
    channels = colours.argsort()  # where R, G, B went
    std = 255.0 / largest[channels]
    mean = -bias.astype(np.float64)[channels] * std
    order = "".join("RGB"[colour] for colour in colours)
    return Convention(order, 255.0, _triple(mean), _triple(std))


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    first, second, third = values.tolist()
    return first, second, third
