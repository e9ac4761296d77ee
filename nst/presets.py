"""Recipes: the settings of the paper and of the programs that people know, as data, and two of our own.

Each says what it sets and nothing else; `note` says where the engine cannot do exactly the same. The
conventions behind the weights of the losses are explained in `nst.engine.weighting`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nst.errors import SettingsError


@dataclass(frozen=True)
class Preset:
    """A recipe."""

    summary: str  # one line for people
    settings: Mapping[str, Any]  # arguments of `nst.StyleTransfer`
    # of the catalogue, used where it is on this machine and nothing else is asked for; "" for "auto"
    network: str = ""
    instead: str = ""  # of the catalogue, made on this machine where `network` is not there; "" for "auto"
    note: str = ""  # what differs from the original


_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
_MEAN_SQUARES = {
    layer: 4 / channels**2 for layer, channels in zip(_LAYERS, (64, 128, 256, 512, 512), strict=True)
}
_NEURAL_STYLE = {
    "content_layers": {"conv4_2": 1.0},
    "style_layers": _MEAN_SQUARES,
    "means": ("content",),
    "content_weight": 5.0,
    "style_weight": 100.0,
    "tuned_for": "caffe",
    "pooling": "max",
    "optimizer": "lbfgs",
    "history": 100,
    "steps": 1000,
    "scales": 1,
    "size": 512,
    "init": "noise",
    "padding": "zero",
    "octave_noise": 0.0,
    "metric": 0.0,
}
_STEP_NOTE = "The original's L-BFGS takes full steps; here a step that does not lower the loss is shortened. "
_NOISE_NOTE = (
    "It starts from noise of deviation 0.001 (of 255) around the mean colour, here the noise is uniform. "
)
_SHALLOW = {layer: weight / 341 for layer, weight in zip(_LAYERS, (256, 64, 16, 4, 1), strict=True)}

PRESETS: Mapping[str, Preset] = {
    "gatys2016": Preset(
        "the paper: white noise, average pooling, L-BFGS, alpha/beta 1e-3",
        {
            "content_layers": {"conv4_2": 1.0},
            "style_layers": dict.fromkeys(_LAYERS, 0.2),
            "means": ("content",),
            "content_weight": 1.0,
            "style_weight": 1e3,
            "tuned_for": "normalised",
            "pooling": "avg",
            "optimizer": "lbfgs",
            "steps": 500,
            "scales": 1,
            "size": 512,
            "init": "noise",
            "padding": "zero",
            "octave_noise": 0.0,
            "metric": 0.0,
        },
        "vgg19-normalised",
        "vgg19-embedded-normalised",
        "The paper does not print the number of steps (500 in the authors' later code). It normalised its network on "
        "ImageNet, nst on the eight pictures of its package, which shifts what alpha/beta means. Its content loss is "
        "printed as a sum over positions; the authors' code takes the mean, half a million times less. With the sum "
        "1e-3 leaves the photograph, so this is the mean.",
    ),
    "gatys-pytorch": Preset(
        "the authors' own PyTorch code: content start, weights 1e3 / N_l^2",
        {
            "content_layers": {"conv4_2": 1.0},
            "style_layers": _MEAN_SQUARES,
            "means": ("content",),
            "content_weight": 1.0,
            "style_weight": 1e3,
            "tuned_for": "caffe",
            "pooling": "max",
            "optimizer": "lbfgs",
            "history": 100,
            "steps": 500,
            "scales": 1,
            "size": 512,
            "init": "content",
            "padding": "zero",
            "octave_noise": 0.0,
            "metric": 0.0,
        },
        note=_STEP_NOTE + "512 is the longer side here and the shorter one in the original.",
    ),
    "neural-style": Preset(
        "jcjohnson/neural-style with its default options",
        {**_NEURAL_STYLE, "tv_weight": 1e-3 * 255**2 / 2, "tv_power": 2},
        note=_STEP_NOTE
        + _NOISE_NOTE
        + "Its total variation enters the gradient alone, here the loss as well; it feeds "
        "the network with 0..256, here 0..255.",
    ),
    "neural-style-pt": Preset(
        "ProGamerGov/neural-style-pt with its default options",
        {**_NEURAL_STYLE, "tv_weight": 1e-3 * 255, "tv_power": 1},
        note=(_STEP_NOTE + _NOISE_NOTE).strip(),
    ),
    "crowson": Preset(
        "crowsonkb/style-transfer-pytorch: Wasserstein style loss, Adam, average of the iterates",
        {
            "content_layers": {"conv4_2": 1.0},
            "style_layers": _SHALLOW,
            "style_loss": "w2",
            "means": ("content", "tv"),
            "content_weight": 0.015,
            "style_weight": 1.0,
            "tv_weight": 2.0,
            "tv_power": 2,
            "tuned_for": "torchvision",
            "pooling": "max",
            "optimizer": "adam",
            "rate": 0.02,
            "average": 0.99,
            "steps": (1000, 500, "..."),
            "scales": "auto",
            "size": 512,
            "init": "content",
            "padding": "replicate",
            "octave_noise": 0.0,
            "metric": 0.0,
        },
        "vgg19-torchvision",
        note="The original repeats the edge at conv1_1 only, has diagonals in its total variation (of the same value "
        "on smooth pictures), a ridge of 1e-4 under the covariances, keeps Adam's state from size to size, and never "
        "enlarges a style.",
    ),
    "fast": Preset(
        "a first look: few steps, most of them at small sizes",
        {
            "optimizer": "lbfgs",
            "steps": (60, 30, "..."),
            "scales": "auto",
            "size": 384,
            "precision": "fastest",
        },
    ),
    "quality": Preset(
        "many steps, coarse to fine",
        {
            "optimizer": "lbfgs",
            "steps": (200, 150, 100, "..."),
            "scales": "auto",
            "size": 1024,
        },
    ),
}


def preset(name: str, **changes: Any) -> dict[str, Any]:
    """The arguments that a recipe stands for: `nst.stylize(content, style, **nst.preset("crowson", steps=100))`.

    `changes` win. Weights of the losses that suit one kind of network only are balanced anew on any other (see
    `Settings.tuned_for`), unless they are among the changes.

    Raises:
        SettingsError: there is no recipe of that name.

    Examples:
        >>> paper = nst.preset("gatys2016", steps=100)
        >>> paper["steps"], paper["init"], paper["pooling"]
        (100, 'noise', 'avg')
    """
    if name not in PRESETS:
        raise SettingsError(f"unknown preset {name!r}: choose from {', '.join(PRESETS)}")
    recipe = PRESETS[name]
    arguments = {**recipe.settings, **changes}
    if changes.keys() & {"content_weight", "style_weight"}:
        arguments["tuned_for"] = None
    if recipe.network and "weights" not in changes:
        from nst.models.store.cache import is_cached

        arguments["weights"] = recipe.network if is_cached(recipe.network) else recipe.instead or "auto"
    return arguments
