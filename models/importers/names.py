"""From the names of tensors in each format to layers: which network a file holds is told by what is in it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models import vgg


@dataclass(frozen=True)
class Stored:
    """A tensor in a file, before it is read: what it claims to be, and how to get it."""

    shape: tuple[int, ...]  # as the file says
    dtype: np.dtype[Any]  # of its numbers
    # reads it; called once, after shape and dtype were found to be those of a layer
    read: Callable[[], NDArray[np.generic]]
    kind: str = ""  # what the file calls a dtype that numpy does not have


Tensors: TypeAlias = Mapping[str, Stored]  # by name; 500 MB of classifier are never touched
Found: TypeAlias = dict[tuple[str, str], Stored]  # by layer and "weight" or "bias"
Place: TypeAlias = "str | int"

COLOUR = "colour"
"""The 1x1 convolution of colours in front of AdaIN's normalised VGG19; see `_colour`."""

_PARTS = {"weight": "weight", "weights": "weight", "kernel": "weight", "W": "weight", "filters": "weight"}
_PARTS |= {"bias": "bias", "biases": "bias", "b": "bias"}
_PART = rf"(?P<part>{'|'.join(_PARTS)})"
_FAMILIES = {
    "conv": re.compile(rf"(?:.*[./])?conv(?P<block>[1-5])_(?P<index>[1-4])[._/]{_PART}(?:_\d)?(?::0)?"),
    "keras": re.compile(rf"(?:.*[./])?block(?P<block>[1-5])_conv(?P<index>[1-4])[._/]{_PART}(?:_\d)?(?::0)?"),
    "features": re.compile(rf"(?:.*\.)?features[._](?P<position>\d+)\.{_PART}"),
    "sequential": re.compile(rf"(?P<prefix>(?:[^.]+\.)*?)(?:slice\d+\.)?(?P<position>\d+)\.{_PART}"),
    "counted": re.compile(rf"(?:.*:)?vgg\d*_conv(?P<count>\d+)_{_PART}"),
}


def _positions(layers: Sequence[str], first: int, entries: int) -> dict[Place, str]:
    """Position in a Sequential that has `entries` for each convolution and one for each pooling between blocks."""
    return {first + entries * i + int(layer[4]) - 1: layer for i, layer in enumerate(layers)}


_NAMED: Mapping[Place, str] = {name: name for name in vgg.LAYER_NAMES}
_SEQUENTIAL: tuple[Mapping[Place, str], ...] = (
    _positions(vgg.LAYER_NAMES, 0, 2),  # torchvision's: a convolution, its ReLU
    _positions(vgg.VGG16_LAYER_NAMES, 0, 2),
    {0: COLOUR, **_positions(vgg.LAYER_NAMES, 2, 3)},  # AdaIN's: a padding, a convolution, its ReLU
)


def counted(number: int, part: str) -> str:
    """The name of a tensor in a format that only says which convolution it is, counted from 0."""
    return f"vgg_conv{number}_{part}"


def widened(upper: NDArray[Any]) -> NDArray[np.float32]:
    """bfloat16, which is the upper half of a float32."""
    return (upper.astype(np.uint32) << 16).view(np.float32)


def find(tensors: Tensors) -> tuple[str, Found]:
    """(family of names, what belongs to each layer).

    WeightsError: no VGG in these names, or a tensor that has no place in one.
    """
    refused: WeightsError | None = None
    for family, matches in _groups(tensors):
        keys = {name: (_place(match), _PARTS[match["part"]]) for name, match in matches.items()}
        layers = _layers(family, {key: tensors[name] for name, key in keys.items()})
        found = {
            (layers[place], part): tensors[name] for name, (place, part) in keys.items() if place in layers
        }
        unknown = [name for name, (place, _) in keys.items() if place not in layers]
        if unknown and found:
            refused = refused or WeightsError(
                f"{unknown[0]} has no place in a VGG19 or VGG16 without batch normalisation (a VGG19-BN?)"
            )
        elif any(layer == "conv1_1" for layer, _ in found):
            return family, found
    seen = ", ".join(list(tensors)[:3]) or "nothing"
    raise refused or WeightsError(
        f"conv1_1.weight is missing: no VGG19 or VGG16 in its tensors ({seen}, ...)"
    )


def _groups(tensors: Tensors) -> Iterator[tuple[str, Mapping[str, re.Match[str]]]]:
    """(family, names that fit it); one for each part of a program whose layers are numbered only: "vgg.0.weight"."""
    for family, pattern in _FAMILIES.items():
        groups: dict[str, dict[str, re.Match[str]]] = {}
        for name in tensors:
            if match := pattern.fullmatch(name):
                groups.setdefault(match.groupdict().get("prefix", ""), {})[name] = match
        for prefix, matches in groups.items():
            # a prefix may be that of a classifier or a decoder
            if not prefix or any(
                len(tensors[n].shape) == 4 and int(m["position"]) < 3 for n, m in matches.items()
            ):
                yield family, matches


def _place(match: re.Match[str]) -> Place:
    groups = match.groupdict()
    if "block" in groups:
        return f"conv{groups['block']}_{groups['index']}"
    return int(groups.get("position") or groups["count"])


def _layers(family: str, at: Mapping[tuple[Place, str], Stored]) -> Mapping[Place, str]:
    """Place -> layer, in the network that these tensors are of."""
    if family in ("conv", "keras"):
        return _NAMED
    if family == "counted":
        # the eighth convolution is VGG19's conv3_4, of as many channels as the seventh, or VGG16's conv4_1
        sizes = [math.prod(at[number, "bias"].shape) for number in (6, 7) if (number, "bias") in at]
        names = vgg.VGG16_LAYER_NAMES if len(set(sizes)) == 2 else vgg.LAYER_NAMES
        return dict(enumerate(names))
    return next((table for table in _SEQUENTIAL if all(place in table for place, _ in at)), _SEQUENTIAL[0])
