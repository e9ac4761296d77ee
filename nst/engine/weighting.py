"""From settings to losses: alpha, beta, gamma and w_l, what is left open, the conventions of other programs.

The paper's losses are E_l = 1 / (4 N_l^2) sum (G / M - A / M)^2 and 1/2 sum (F - P)^2. With d the differences, N = N_l,
M = M_l, other programs take, for one layer:

    mean of d^2, of Gram matrices over N M (neural-style)    4 / N^2 E_l    w_l = 4 / N^2
    mean of d^2, of Gram matrices over M (pystiche)          4 E_l          w_l = 4
    mean of (F - P)^2 (nearly all)                           2 / (N M)      means "content"

Weights that are left open are *relative*, so that they mean the same for every picture, size and network:

    content    L_content / (1/2 sum P^2)
    style      mean over the layers of w_l E_l / E_l(no features), for the Gram loss |G/M - A/M|^2 / |A/M|^2

and the style counts `balance` times as much as the content; `nst.losses.Content` and `nst.losses.Style` work them out.
A layer of large activations has a large E_l; over that of a picture without features it weighs no more
than the others. (ReLU networks may be rescaled layer by layer without computing anything else: relative losses do not
notice.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from nst.losses.content import Content
from nst.losses.style import Style
from nst.losses.style_statistics import STYLE_LOSSES
from nst.losses.term import Loss
from nst.losses.total_variation import TotalVariation
from nst.models import vgg
from nst.models.weights import NetworkWeights
from nst.settings import BALANCE, Settings

STEEPNESS = 2.0
"""How fast the balance grows with the strength."""


@dataclass(frozen=True)
class FeaturelessPicture:
    """What the losses of a picture without features are made of, at one layer."""

    squares: float  # mean of F^2 over maps and positions
    products: float  # mean of the squares of G / M over pairs of maps


TYPICAL: Mapping[str, Mapping[str, FeaturelessPicture]] = {
    "caffe": {
        "conv1_1": FeaturelessPicture(1.9e3, 1.3e6),
        "conv1_2": FeaturelessPicture(3.6e4, 6.2e8),
        "conv2_1": FeaturelessPicture(2.4e4, 1.5e8),
        "conv2_2": FeaturelessPicture(4.1e4, 1.7e8),
        "conv3_1": FeaturelessPicture(2e4, 5.5e7),
        "conv3_2": FeaturelessPicture(2.4e4, 1.1e8),
        "conv3_3": FeaturelessPicture(7.7e4, 2e9),
        "conv3_4": FeaturelessPicture(2.3e5, 1.3e10),
        "conv4_1": FeaturelessPicture(1.4e5, 4.2e9),
        "conv4_2": FeaturelessPicture(8.9e4, 9.7e8),
        "conv4_3": FeaturelessPicture(3.1e4, 6.4e7),
        "conv4_4": FeaturelessPicture(4.9e3, 7.1e5),
        "conv5_1": FeaturelessPicture(8e2, 5.4e4),
    },
    "normalised": {
        "conv1_1": FeaturelessPicture(4.1, 5.1),
        "conv1_2": FeaturelessPicture(3.2, 2.7),
        "conv2_1": FeaturelessPicture(4.2, 3.7),
        "conv2_2": FeaturelessPicture(4, 1.3),
        "conv3_1": FeaturelessPicture(4.2, 2.5),
        "conv3_2": FeaturelessPicture(3.5, 1.9),
        "conv3_3": FeaturelessPicture(2.1, 1.3),
        "conv3_4": FeaturelessPicture(3.2, 1.7),
        "conv4_1": FeaturelessPicture(5.4, 5.2),
        "conv4_2": FeaturelessPicture(8.5, 5.8),
        "conv4_3": FeaturelessPicture(12, 7.8),
        "conv4_4": FeaturelessPicture(30, 27),
        "conv5_1": FeaturelessPicture(13, 11),
    },
    "torchvision": {
        **{
            layer: FeaturelessPicture(4.0 ** (int(layer[4]) - 1), 0.3 * 16.0 ** (int(layer[4]) - 1))
            for layer in vgg.LAYER_NAMES
        },
        "conv4_2": FeaturelessPicture(0.833, 0.2),
    },
}
"""By kind of network and layer, below conv5_1 as there: of the embedded VGG19 and of the same normalised by nst,
average pooling; geometric means over The Starry Night, The Shipwreck, the Neckarfront and scikit-image's astronaut,
coffee, rocket and chelsea at 320x240. Single pictures differ by a factor of 1.6 (squares) and 2.5 (products).
Torchvision's could not be measured: it is set so that the one recipe made for it, `crowson`, has its layers alike (its
weights fall by 4 a block) and a balance of 300, that of `gatys-pytorch`, which was chosen by eye."""


class Widths(Protocol):
    """What the recipe of a loss may ask of a network: which layers it reads is known before there are weights."""

    def channels(self, layer: str) -> int:
        """N_l."""


class _FullWidth:
    """A VGG19 at full width."""

    def channels(self, layer: str) -> int:
        """See `Widths`."""
        return min(512, 32 << int(layer[4]))


FULL_WIDTH = _FullWidth()
"""For who needs the losses before the network is known."""


def losses_of(settings: Settings, weights: Widths) -> tuple[Loss, ...]:
    """The losses that the settings ask for, with their weights. Every built-in loss has its line here."""
    losses: list[Loss] = []
    if settings.uses_content:
        channels = {layer: weights.channels(layer) for layer in settings.content_layers}
        mean = "content" in settings.means
        alpha, swap = settings.content_weight, settings.content_swap
        losses.append(Content(settings.content_layers, channels, alpha, mean, settings.smoothing, swap))
    if settings.uses_style:
        channels = {layer: weights.channels(layer) for layer in settings.style_layers}
        beta, loss = settings.style_weight, STYLE_LOSSES[settings.style_loss]
        losses.append(
            Style(settings.style_layers, channels, loss, beta, settings.balance, settings.smoothing)
        )
    if settings.tv_weight:
        losses.append(TotalVariation(settings.tv_weight, settings.tv_power, "tv" in settings.means))
    return tuple(losses)


def kind_of(weights: NetworkWeights) -> str:
    """The kind of network, as far as the size of its activations goes.

    "caffe": the original VGG19, fed with 0..255. "normalised": the same with a mean activation of 1. "torchvision":
    fed with pictures of mean 0 and deviation 1. "other": anything else, such as a network of random filters.
    """
    if weights.channels("conv1_1") != 64:
        return "other"
    if "normalised" in weights.name or "normalised" in weights.source:
        return "normalised"
    if weights.scale == 255 and weights.std == (1.0, 1.0, 1.0):
        return "caffe"
    standard = weights.scale == 1 and all(0.2 < std < 0.25 for std in weights.std)
    return "torchvision" if standard else "other"


def resolved(settings: Settings, weights: NetworkWeights, height: int, width: int) -> Settings:
    """The settings with their strength as a balance, and with weights that suit this kind of network.

    Height and width are those of the result in pixels.
    """
    strength = settings.style_strength
    foreign = settings.tuned_for is not None and settings.tuned_for != kind_of(weights)
    if foreign or (settings.tuned_for is not None and strength is not None):
        settings = converted(settings, height, width)
    if strength is None:
        return settings
    settings = replace(settings, style_strength=None, content_weight=None, style_weight=None)
    if strength == 0:
        return replace(settings, style_weight=0.0)
    if strength == 1:
        return replace(settings, content_weight=0.0)
    return replace(settings, balance=balance_of(strength, settings.balance))


def balance_of(strength: float, balance: float) -> float:
    """The balance that a strength between 0 and 1 stands for; `balance` is that of 0.5."""
    grown: float = balance * (strength / (1 - strength)) ** STEEPNESS
    return grown


def style_amount(settings: Settings) -> float:
    """How much there is of the style beside the content: 0 none, 1 as much as by default, or more.

    Of resolved settings; weights of the caller's own say nothing of this: 1.
    """
    if not settings.uses_style:
        return 0.0
    if not settings.uses_content or settings.content_weight is not None or settings.style_weight is not None:
        return 1.0
    relative = (settings.balance / BALANCE) ** (1 / STEEPNESS)
    return float(min(1.0, 2 * relative / (1 + relative)))


def converted(settings: Settings, height: int, width: int) -> Settings:
    """Weights for one kind of network (`tuned_for`), as relative weights, which mean the same on any other.

    On the network that they are made for, the loss is alpha sum w_l C_l + beta sum w_l E_l + gamma TV. There C_l and
    E_l of a picture without features have a typical size. So each layer gets the weight that it typically has there,
    the balance is the ratio of both sums, and all of it is divided by the first.
    """
    assert settings.tuned_for is not None
    typical = TYPICAL[settings.tuned_for]
    deepest = typical["conv5_1"]
    alpha, beta = settings.content_weight or 0.0, settings.style_weight or 0.0
    content = {}
    for layer, weight in settings.content_layers.items():
        rows, columns = vgg.layer_size(layer, height, width)
        positions = 1.0 if "content" in settings.means else FULL_WIDTH.channels(layer) * rows * columns / 2
        content[layer] = weight * positions * typical.get(layer, deepest).squares
    style = {}
    for layer, weight in settings.style_layers.items():
        featureless = typical.get(layer, deepest)
        energy = (
            featureless.products / 4 if settings.style_loss in ("gram", "covariance") else featureless.squares
        )
        style[layer] = weight * energy
    content_sum, style_sum = alpha * sum(content.values()), beta * sum(style.values())
    scale = content_sum or style_sum / settings.balance or 1.0
    return replace(
        settings,
        content_layers={layer: value / sum(content.values()) for layer, value in content.items()},
        style_layers={layer: value / sum(style.values()) for layer, value in style.items()},
        content_weight=None if content_sum else 0.0,
        style_weight=None if style_sum else 0.0,
        balance=style_sum / scale or settings.balance,
        tv_weight=settings.tv_weight / scale,
        means=tuple(mean for mean in settings.means if mean != "content"),
        tuned_for=None,
    )
