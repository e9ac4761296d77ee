"""Activation smoothing: softmax of the features before any loss looks at them.

Wang, Li, Vasconcelos, *Rethinking and Improving the Robustness of Image Style Transfer*, CVPR 2021 (SWAG), eq. 9:

    sigma(F)_ik = exp(F_ik) / sum_mn exp(F_mn)

over all channels m and positions n of a layer, for the content loss as well as for the style. Networks other than a
trained VGG19 have a few large activations which decide a Gram matrix alone; the softmax makes the rest count.

Three things differ from the paper. sigma is multiplied by N_l M_l, so that its mean is 1 and pictures of different
sizes compare. The sum is an additive statistic like any other: the terms see E = exp(F / T) and divide its sums
by the mean of E, so that the loss of a picture is that of its tiles. And F is divided by a temperature

    T_l = sqrt(sum F^4 / sum F^2)    over the style pictures,

the size of the activations that make up the Gram matrix (a mean weighted by F^2), itself made of additive sums.
The paper has T = 1 for networks with batch normalisation; VGG19's activations are not normalised and exp would
overflow. The largest activations are 2 to 5 T (measured on layers of the embedded and of a random VGG19, three
pictures): exp reaches e^5, and its squares leave float32 at F = 44 T only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nst.encoding.encoder import Encoder, inner_features
from nst.pictures.picture import planar
from nst.pictures.scene import Scene, StylePicture
from nst.protocol import Ops

T = TypeVar("T")


def fourth_powers(ops: Ops[T], features: Mapping[str, T]) -> dict[str, T]:
    """What `temperature` is made of: `layer/2` and `layer/4`, the sums of F^2 and F^4, additive over positions."""
    squares = {layer: ops.square(maps) for layer, maps in features.items()}
    sums = {f"{layer}/2": ops.sum(maps) for layer, maps in squares.items()}
    return sums | {f"{layer}/4": ops.sum(ops.square(maps)) for layer, maps in squares.items()}


def temperature(squares: NDArray[np.float64], fourths: NDArray[np.float64]) -> float:
    """T from the sums of F^2 and F^4 of each style picture, (S,), weighted as the styles are; 1 for a silent layer."""
    below = float(squares.sum())
    return float(np.sqrt(fourths.sum() / below)) if below > 0 else 1.0


def smoothed(encoder: Encoder, scene: Scene) -> Encoder:
    """The encoder with E = exp(F / T) for features, T of each layer from the styles; from the content without any."""
    sources = scene.styles or (StylePicture(scene.content, 1.0),)
    temperatures = _temperatures(encoder, sources)
    inverse = {f"smooth/{layer}": np.array(1.0 / t) for layer, t in temperatures.items()}
    return replace(encoder, smoothing={name: encoder.backend.from_numpy(i) for name, i in inverse.items()})


def _temperatures(encoder: Encoder, styles: Sequence[StylePicture]) -> dict[str, float]:
    """T by layer."""
    backend, network, names = encoder.backend, encoder.network, list(encoder.layers)

    def function(ops: Any, x: Any, constants: Any) -> dict[str, Any]:
        return fourth_powers(ops, inner_features(ops, network(ops, x), constants))

    sums = []
    for style in styles:
        picture = style.picture
        own = encoder.resized(picture.height, picture.width)
        outputs = own.measure(function, backend.from_numpy(planar(picture)))
        powers = backend.space.scalars([outputs[f"{layer}/{power}"] for layer in names for power in (2, 4)])
        sums.append(style.share / (picture.width * picture.height) * powers.reshape(-1, 2))
    return {layer: temperature(*np.stack(sums, axis=-1)[index]) for index, layer in enumerate(names)}
