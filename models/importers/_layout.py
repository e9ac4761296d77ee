"""From the names and shapes of each format to conv1_1 ... conv5_4 in (out, in, 3, 3) order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models import vgg

__all__ = [
    "CONVENTIONS",
    "MAX_CHANNELS",
    "Convention",
    "Convolutions",
    "Tensors",
    "arrange",
    "default_convention",
]

Tensors = Mapping[str, Callable[[], NDArray[np.generic]]]
"""Name -> a function that reads the tensor: 500 MB of classifier are never touched."""
Convolutions = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]

MAX_CHANNELS = 2048
"""No layer that claims more is read: a size in a file is a claim, not a fact."""


@dataclass(frozen=True)
class Convention:
    """How the network that a file holds wants its input: (scale * x - mean) / std.

    Attributes:
        order: order of the input channels of conv1_1 in the file, "RGB" or "BGR".
        scale: factor on x in sRGB [0, 1].
        mean: one number a channel, R, G, B.
        std: one number a channel, R, G, B.
    """

    order: str
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


_IMAGENET_255 = (123.68, 116.779, 103.939)
CONVENTIONS: dict[str, Convention] = {
    "caffe": Convention("BGR", 255.0, _IMAGENET_255),
    "caffe-rgb": Convention("RGB", 255.0, _IMAGENET_255),
    "torchvision": Convention("RGB", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}

_SEQUENTIAL = dict(
    zip((0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34), vgg.LAYER_NAMES, strict=True)
)
"""Position in torchvision's `features`, where ReLUs and poolings count as well."""
_PARTS = {"weight": "weight", "weights": "weight", "kernel": "weight", "W": "weight", "filters": "weight"}
_PARTS |= {"bias": "bias", "biases": "bias", "b": "bias"}
_PART = rf"(?P<part>{'|'.join(_PARTS)})"
_FAMILIES = {
    "conv": re.compile(rf"(?:.*[./])?conv(?P<block>[1-5])_(?P<index>[1-4])[._/]{_PART}(?:_\d)?(?::0)?"),
    "keras": re.compile(rf"(?:.*[./])?block(?P<block>[1-5])_conv(?P<index>[1-4])[._/]{_PART}(?:_\d)?(?::0)?"),
    "features": re.compile(rf"(?:.*\.)?features[._](?P<position>\d+)\.{_PART}"),
    "sequential": re.compile(rf"(?:module\.)?(?P<position>\d+)\.{_PART}"),
    "mxnet": re.compile(rf"(?:.*:)?vgg\d+_conv(?P<count>\d+)_{_PART}"),
}
_DEFAULTS = {"conv": "caffe", "keras": "caffe", "features": "torchvision", "sequential": "torchvision"}


def default_convention(family: str, names: Tensors) -> tuple[str, bool]:
    """(name of the convention, whether it is certain) from the way a file names its tensors."""
    if family == "features" and "classifier.1.weight" in names and "classifier.0.weight" not in names:
        return "caffe", True  # the classifier of jcjohnson's conversion starts with a dropout
    return _DEFAULTS.get(family, "torchvision"), family == "keras"


def arrange(tensors: Tensors) -> tuple[str, Convolutions]:
    """(family of names, name -> (weight (out, in, 3, 3), bias (out,))), float32, in network order.

    Raises:
        WeightsError: no VGG19 in these names, a layer is missing or has a wrong shape; it names the layer.
    """
    family, found = _match(tensors)
    depth = max(vgg.LAYER_NAMES.index(layer) for layer, _ in found) + 1
    convolutions: Convolutions = {}
    for layer in vgg.LAYER_NAMES[:depth]:
        for part in ("weight", "bias"):
            if (layer, part) not in found:
                raise WeightsError(f"{layer}.{part} is missing{_hint(layer)}")
        weight = _float32(found[layer, "weight"](), f"{layer}.weight")
        bias = _float32(found[layer, "bias"](), f"{layer}.bias")
        convolutions[layer] = (weight, bias.reshape(-1) if bias.size == max(bias.shape, default=0) else bias)
    return family, _outputs_first(convolutions)


def _match(tensors: Tensors) -> tuple[str, dict[tuple[str, str], Callable[[], NDArray[np.generic]]]]:
    for family, pattern in _FAMILIES.items():
        found = {}
        unknown = []
        for name, read in tensors.items():
            if match := pattern.fullmatch(name):
                layer = _layer(match)
                if layer is None:
                    unknown.append(name)
                else:
                    found[layer, _PARTS[match["part"]]] = read
        if unknown and found:
            raise WeightsError(
                f"{unknown[0]} has no place in a VGG19 without batch normalisation (a VGG16 or VGG19-BN?)"
            )
        if any(layer == "conv1_1" for layer, _ in found):
            return family, found
    seen = ", ".join(list(tensors)[:3]) or "nothing"
    raise WeightsError(f"conv1_1.weight is missing: no VGG19 in its tensors ({seen}, ...)")


def _layer(match: re.Match[str]) -> str | None:
    groups = match.groupdict()
    if "position" in groups:
        return _SEQUENTIAL.get(int(match["position"]))
    if "count" in groups:
        count = int(match["count"])
        return vgg.LAYER_NAMES[count] if count < len(vgg.LAYER_NAMES) else None
    layer = f"conv{match['block']}_{match['index']}"
    return layer if layer in vgg.LAYER_NAMES else None


def _hint(layer: str) -> str:
    return " (this looks like a VGG16, nst uses VGG19)" if layer == "conv3_4" else ""


def _float32(array: NDArray[np.generic], name: str) -> NDArray[np.float32]:
    if array.dtype.kind != "f":
        raise WeightsError(f"{name} is {array.dtype}, expected floating point")
    if max(array.shape, default=0) > MAX_CHANNELS:
        raise WeightsError(f"{name} has shape {array.shape}: at most {MAX_CHANNELS} channels are read")
    return np.ascontiguousarray(array, np.float32)


def _outputs_first(convolutions: Convolutions) -> Convolutions:
    """(out, in, 3, 3), which frameworks with channels last store as (3, 3, in, out)."""
    shapes = [weight.shape for weight, _ in convolutions.values()]
    if all(shape[2:] == (3, 3) for shape in shapes):
        return convolutions
    if not all(shape[:2] == (3, 3) and len(shape) == 4 for shape in shapes):
        layer, shape = next(
            (layer, weight.shape) for layer, (weight, _) in convolutions.items() if weight.shape[2:] != (3, 3)
        )
        raise WeightsError(f"{layer}.weight has shape {shape}, expected (out, in, 3, 3) or (3, 3, in, out)")
    return {
        layer: (np.ascontiguousarray(weight.transpose(3, 2, 0, 1)), bias)
        for layer, (weight, bias) in convolutions.items()
    }
