"""From settings to losses: alpha, beta, gamma and w_l, what is left open, the conventions of other programs.

The paper's losses are E_l = 1 / (4 N_l^2) sum (G / M - A / M)^2 and 1/2 sum (F - P)^2. With d the differences, N = N_l,
M = M_l, other programs take, for one layer:

    mean of d^2, of Gram matrices over N M (neural-style)    4 / N^2 E_l    style_power -2, w_l = 4
    mean of d^2, of Gram matrices over M (pystiche)          4 E_l          w_l = 4
    mean of (F - P)^2 (nearly all)                           2 / (N M)      means "content"

Weights that are left open are *relative*, so that they mean the same for every picture, size and network:

    content    L_content / (1/2 sum P^2)
    style      mean over the layers of w_l E_l / E_l(silence), for the Gram loss |G/M - A/M|^2 / |A/M|^2

and the style counts `balance` times as much as the content; `nst.losses.Content` and `nst.losses.Style` work them out.
A layer of large activations has a large E_l; over its own silence it speaks no louder than the others. (ReLU networks
may be rescaled layer by layer without computing anything else: relative losses do not notice.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nst.losses.content import Content
from nst.losses.style import Style
from nst.losses.style_statistics import STYLE_LOSSES
from nst.losses.term import Loss
from nst.losses.total_variation import TotalVariation
from nst.models.weights import NetworkWeights
from nst.settings import Settings

__all__ = ["kind_of", "losses_of", "settled", "style_factors"]

STEEPNESS = 2.0
"""How fast the balance grows with the strength."""


def losses_of(settings: Settings, weights: NetworkWeights) -> tuple[Loss, ...]:
    """The losses that the settings ask for, with their weights."""
    losses: list[Loss] = []
    if settings.uses_content:
        channels = {layer: weights.channels(layer) for layer in settings.content_layers}
        mean = "content" in settings.means
        alpha = settings.content_weight
        losses.append(Content(settings.content_layers, channels, alpha, mean, settings.smoothing))
    if settings.uses_style:
        channels = {layer: weights.channels(layer) for layer in settings.style_layers}
        factors, loss = style_factors(settings, channels), STYLE_LOSSES[settings.style_loss]
        beta = settings.style_weight
        losses.append(Style(factors, channels, loss, beta, settings.balance, settings.smoothing))
    if settings.tv_weight:
        losses.append(TotalVariation(settings.tv_weight, settings.tv_power, "tv" in settings.means))
    return tuple(losses)


def style_factors(settings: Settings, channels: Mapping[str, int]) -> dict[str, float]:
    """Times the paper's E_l by layer; `channels` is N_l."""
    return {
        layer: weight * float(channels[layer]) ** settings.style_power
        for layer, weight in settings.style_layers.items()
    }


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


def settled(settings: Settings, weights: NetworkWeights) -> Settings:
    """The settings with their strength as a balance, and without weights that are meant for another kind of network."""
    if settings.tuned_for not in (None, kind_of(weights)):
        settings = replace(settings, content_weight=None, style_weight=None, tv_weight=0.0, tuned_for=None)
    strength = settings.style_strength
    if strength is None:
        return settings
    return replace(
        settings,
        style_strength=None,
        content_weight=0.0 if strength == 1 else None,
        style_weight=0.0 if strength == 0 else None,
        balance=settings.balance * (strength / (1 - strength)) ** STEEPNESS
        if 0 < strength < 1
        else settings.balance,
    )
