"""The network written in the primitives, for backends whose native object is not a framework's module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nst.models import vgg
from nst.models.weights import NetworkWeights
from nst.protocol import Ops

T = TypeVar("T")


def vgg_features(
    ops: Ops[T],
    x: T,
    weights: NetworkWeights,
    layers: Sequence[str],
    pooling: vgg.Pooling,
    constant: Callable[[str, NDArray[np.float32]], T],
    enter: Callable[[T], T] = lambda x: x,
    leave: Callable[[T], T] = lambda x: x,
) -> dict[str, T]:
    """Feature maps (N, N_l, H_l, W_l) of x (N, 3, H, W) in sRGB [0, 1] at `layers`.

    `constant` makes a tensor of a named weight. `enter` changes the first feature map to the type of the others, see
    `nst.backends.rounding.layer_precision`, and `leave` one that is returned back again.
    """
    factor, shift = weights.input_affine
    x = ops.affine(x, constant("input.factor", factor), constant("input.shift", shift))
    pool = ops.avg_pool if pooling == "avg" else ops.max_pool
    features = {}
    for layer in vgg.layers_up_to(layers, weights.layer_names):
        if isinstance(layer, vgg.Pool):
            x = pool(x)
            continue
        weight, bias = weights.convolutions[layer.name]
        x = ops.conv2d(x, constant(f"{layer.name}.weight", weight), constant(f"{layer.name}.bias", bias))
        x = ops.relu(x)
        if layer.name == vgg.LAYER_NAMES[0]:
            x = enter(x)
        if layer.name in layers:
            features[layer.name] = leave(x)
    return features
