"""What each layer weighs under the conventions of other programs, and which network their weights are for.

The paper's losses are E_l = 1 / (4 N_l^2) sum (G / M - A / M)^2 and 1/2 sum (F - P)^2. With d the differences, N = N_l,
M = M_l, other programs take, for one layer:

    mean of d^2, of Gram matrices over N M (neural-style)    4 / N^2 E_l    style_power -2, w_l = 4
    mean of d^2, of Gram matrices over M (pystiche)          4 E_l          w_l = 4
    mean of (F - P)^2 (nearly all)                           2 / (N M)      means "content"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nst.models import vgg
from nst.models.weights import NetworkWeights
from nst.settings import Settings

__all__ = ["content_factors", "kind_of", "style_factors", "suited", "tv_factor"]


def content_factors(settings: Settings, weights: NetworkWeights, height: int, width: int) -> dict[str, float]:
    """Times the paper's L_content by layer, of a picture of height x width pixels."""
    factors = dict(settings.content_layers)
    if "content" in settings.means:
        for layer in factors:
            rows, columns = vgg.layer_size(layer, height, width)
            factors[layer] *= 2.0 / (weights.channels(layer) * rows * columns)
    return factors


def style_factors(settings: Settings, channels: Mapping[str, int]) -> dict[str, float]:
    """Times the paper's E_l by layer; `channels` is N_l."""
    return {
        layer: weight * float(channels[layer]) ** settings.style_power
        for layer, weight in settings.style_layers.items()
    }


def tv_factor(settings: Settings, height: int, width: int) -> float:
    """Times the sum over neighbouring pixels of a picture of height x width."""
    return settings.tv_weight / (3 * height * width if "tv" in settings.means else 1)


def kind_of(weights: NetworkWeights) -> str:
    """The kind of network, as far as the size of its activations goes.

    "caffe": the original VGG19, fed with 0..255. "normalised": the same with a mean activation of 1. "torchvision":
    fed with pictures of mean 0 and deviation 1. "other": anything else, such as the embedded network.
    """
    if weights.channels("conv1_1") != 64:
        return "other"
    if "normalised" in weights.name or "normalised" in weights.source:
        return "normalised"
    if weights.scale == 255 and weights.std == (1.0, 1.0, 1.0):
        return "caffe"
    standard = weights.scale == 1 and all(0.2 < std < 0.25 for std in weights.std)
    return "torchvision" if standard else "other"


def suited(settings: Settings, weights: NetworkWeights) -> Settings:
    """The settings, without weights of the losses that are meant for another kind of network."""
    if settings.tuned_for in (None, kind_of(weights)):
        return settings
    return replace(settings, content_weight=None, style_weight=None, tv_weight=0.0, tuned_for=None)
