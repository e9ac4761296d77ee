"""A network in bfloat16 or float16: which convolutions are, and filters that answer an even surface as float32's do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nst.models import vgg

PATH = ((0, 0), (0, 1), (0, 2), (1, 2), (1, 1), (1, 0), (2, 0), (2, 1), (2, 2))
"""The nine taps, each beside the one before."""

Float32 = NDArray[np.float32]


def layer_precision(layer: str, dtype: str, precision: str) -> str:
    """Data type that a convolution computes in: the first one in `dtype`, as the picture is, all others in `precision`.

    Numbers of bfloat16 between 0.5 and 1 lie a level of 8 bits apart, so that a picture in it hardly moves at the last
    steps of an optimisation, or jumps. Most of the gradient's error came from there, see docs/history/benchmarks.md.
    The filters are numbers of `precision` in every layer.
    """
    return dtype if layer == vgg.LAYER_NAMES[0] else precision


def round_filters(weight: Float32, precision: str) -> Float32:
    """Round a convolution's weight (O, C, 3, 3) to `precision`; the numbers come back as float32.

    The rounding error of each tap is carried to the next (error diffusion: Floyd and Steinberg 1976), so that the taps
    of one channel still sum to nearly the same number. Rounding each tap by itself makes all answers to the smooth
    parts of a picture wrong in the same direction: in bfloat16 the loss of a random VGG19 was off by 2.0 % on a
    photograph, and is by 0.6 % this way; the error in fine noise is no larger.
    """
    if precision not in ("bfloat16", "float16"):
        return weight
    result = np.empty_like(weight)
    carry = np.zeros(weight.shape[:2], np.float32)
    for row, column in PATH:
        wanted = weight[:, :, row, column] + carry
        rounded = _round(wanted, precision)
        result[:, :, row, column] = rounded
        carry = wanted - rounded
    return result


def _round(array: Float32, precision: str) -> Float32:
    """To the nearest, ties to even."""
    if precision == "float16":
        return array.astype(np.float16).astype(np.float32)
    bits = array.view(np.uint32)  # bfloat16 is the upper half of float32
    nearest = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (nearest & np.uint32(0xFFFF0000)).view(np.float32)
