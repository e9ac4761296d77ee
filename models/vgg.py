"""The VGG19 and VGG16 topologies (Simonyan and Zisserman, 2014, configurations E and D) as data.

Only the convolutional part is used (Gatys et al., 2016, section 2). "convX_Y" names the feature
map *after* the ReLU that follows that convolution, as in the paper.

VGG16 is VGG19 without conv3_4, conv4_4 and conv5_4. A network's topology is therefore the names of the convolutions
that it has (`NetworkWeights.layer_names`), in the functions below the argument `convolutions`. Poolings lie between the
same blocks in both, so strides and sizes of layers depend on the name alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cache
from typing import Literal, NamedTuple, TypeAlias

from nst.errors import SettingsError

Pooling: TypeAlias = Literal["avg", "max"]


class Conv(NamedTuple):
    """A 3x3 convolution, stride 1, one zero of padding a side, followed by a ReLU."""

    name: str


class Pool(NamedTuple):
    """A 2x2 pooling with stride 2; an odd last row or column is dropped (floor)."""

    name: str


def _vgg19() -> tuple[Conv | Pool, ...]:
    layers: list[Conv | Pool] = []
    for block, convolutions in enumerate((2, 2, 4, 4, 4), start=1):
        layers += [Conv(f"conv{block}_{i}") for i in range(1, convolutions + 1)]
        layers.append(Pool(f"pool{block}"))
    return tuple(layers[:-1])  # nothing reads past conv5_4


LAYERS: tuple[Conv | Pool, ...] = _vgg19()
"""The 16 convolutions and the 4 poolings between them, in order."""

LAYER_NAMES: tuple[str, ...] = tuple(layer.name for layer in LAYERS if isinstance(layer, Conv))
"""conv1_1 ... conv5_4: every name that can be asked for as a content or a style layer."""

_VGG19_ALONE = ("conv3_4", "conv4_4", "conv5_4")

VGG16_LAYER_NAMES: tuple[str, ...] = tuple(name for name in LAYER_NAMES if name not in _VGG19_ALONE)
"""The 13 convolutions of VGG16."""


def topology_with(names: Collection[str]) -> tuple[str, ...]:
    """The convolutions of the network that has those of `names`: VGG19's if it alone has one of them, else VGG16's."""
    return LAYER_NAMES if any(name in names for name in _VGG19_ALONE) else VGG16_LAYER_NAMES


def validate_layers(names: Iterable[str], convolutions: Collection[str] = LAYER_NAMES) -> None:
    """Raise `SettingsError` for the first name that is not a layer."""
    for name in names:
        if name not in convolutions:
            own = _own_name(str(name))
            meant = f" ({own} here, which is read after its ReLU)" if own in convolutions else ""
            raise SettingsError(f"unknown layer {name!r}{meant}: choose from {', '.join(convolutions)}")


def _own_name(name: str) -> str:
    """conv1_1 for relu1_1, block1_conv1, r11 and the like: block and number of other programs' names."""
    found = re.search(r"([1-5])[^0-9]*([1-4])$", name)
    return "conv{}_{}".format(*found.groups()) if found else ""


def layers_up_to(
    names: Iterable[str], convolutions: Collection[str] = LAYER_NAMES
) -> tuple[Conv | Pool, ...]:
    """The topology down to the deepest of `names` and no further."""
    wanted = set(names)
    validate_layers(sorted(wanted), convolutions)
    if not wanted:
        raise SettingsError("no layer asked for: give at least one content or style layer")
    own = [layer for layer in LAYERS if isinstance(layer, Pool) or layer.name in convolutions]
    last = max(i for i, layer in enumerate(own) if layer.name in wanted)
    return tuple(own[: last + 1])


def layer_size(name: str, height: int, width: int) -> tuple[int, int]:
    """(H_l, W_l) of a layer for a picture of height x width pixels; M_l is their product."""
    return height // stride(name), width // stride(name)


@cache
def stride(name: str) -> int:
    """Pixels between two positions of a layer."""
    return 1 << sum(isinstance(layer, Pool) for layer in layers_up_to([name]))


def minimum_size(names: Iterable[str]) -> int:
    """The shortest side, in pixels, at which the deepest of `names` still has one position."""
    return max(stride(name) for name in names)


def receptive_field(name: str, convolutions: Collection[str] = LAYER_NAMES) -> int:
    """Side in pixels of the square that one position of a layer sees (156 at VGG19's conv5_1, 132 at VGG16's)."""
    field, stride = 1, 1
    for layer in layers_up_to([name], convolutions):
        if isinstance(layer, Conv):
            field += 2 * stride
        else:
            field += stride
            stride *= 2
    return field
