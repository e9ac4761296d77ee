"""Tensors from a MatConvNet .mat file (imagenet-vgg-verydeep-19.mat, old or new layout)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models.importers.layout import CONVENTIONS, Convention
from nst.models.importers.matfile import read_matfile
from nst.models.importers.names import Stored, Tensors

_NAME = re.compile(r"conv[1-5]_[1-4]")
_VARIABLES = ("layers", "normalization", "meta")
_FIELDS = ("name", "weights", "filters", "biases", "normalization", "averageImage")


def read_matlab(path: Path) -> tuple[Tensors, Convention]:
    """(conv1_1.weight ..., the input's convention); weights are (3, 3, in, out), rows first.

    WeightsError: the file is damaged, or it is not a MatConvNet network.
    """
    content = read_matfile(path, _VARIABLES, _FIELDS)
    if not isinstance(content.get("layers"), list):
        raise WeightsError("conv1_1.weight is missing: no MatConvNet network, it has no variable 'layers'")
    tensors: dict[str, Stored] = {}
    for cell in content["layers"]:
        layer = _one(cell)
        name = layer.get("name")
        if isinstance(name, str) and _NAME.fullmatch(name):
            weight, bias = _parameters(layer, name)
            tensors[f"{name}.weight"] = _stored(weight)
            tensors[f"{name}.bias"] = _stored(bias.reshape(-1))
    return tensors, _convention(content)


def _one(value: Any) -> Mapping[str, Any]:
    """A structure out of the arrays of one that MATLAB wraps it into; without fields where it is none."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) else {}


def _parameters(layer: Mapping[str, Any], name: str) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    parts = layer.get("weights", [layer.get("filters"), layer.get("biases")])
    if not isinstance(parts, list) or len(parts) != 2:
        raise WeightsError(f"{name}.bias is missing")
    weight, bias = parts
    if not isinstance(weight, np.ndarray) or not isinstance(bias, np.ndarray):
        raise WeightsError(f"{name} has no filters and biases of a VGG")
    # MATLAB drops trailing dimensions of size 1
    return weight.reshape(weight.shape + (1,) * (4 - weight.ndim)), bias


def _convention(content: Mapping[str, Any]) -> Convention:
    """MatConvNet reads pictures as RGB, 0 to 255; the mean is in the file."""
    fixed = CONVENTIONS["caffe-rgb"]
    holder = _one(content.get("normalization")) or _one(_one(content.get("meta")).get("normalization"))
    average = holder.get("averageImage")
    if not isinstance(average, np.ndarray) or not average.size or average.size % 3:
        return fixed
    red, green, blue = (float(value) for value in average.astype(np.float64).reshape(-1, 3).mean(axis=0))
    return Convention(fixed.order, fixed.scale, (red, green, blue))


def _stored(array: NDArray[np.generic]) -> Stored:
    return Stored(array.shape, array.dtype, lambda: array)
