"""Tensors from a MatConvNet .mat file (imagenet-vgg-verydeep-19.mat, old or new layout)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models.importers.layout import CONVENTIONS, Convention
from nst.models.importers.names import Tensors

__all__ = ["read_matlab"]

_NAME = re.compile(r"conv[1-5]_[1-4]")


def read_matlab(path: Path) -> tuple[Tensors, Convention]:
    """(conv1_1.weight ... -> reader, the input's convention); weights are (3, 3, in, out), rows first.

    Raises:
        WeightsError: SciPy is not installed, the file is of MATLAB 7.3, or it is not a MatConvNet network.
    """
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise WeightsError("a MatConvNet .mat file needs SciPy: pip install scipy") from error
    content = loadmat(path, struct_as_record=False, variable_names=["layers", "normalization", "meta"])
    if "layers" not in content:
        raise WeightsError("conv1_1.weight is missing: no MatConvNet network, it has no variable 'layers'")
    tensors: dict[str, Callable[[], NDArray[np.generic]]] = {}
    for cell in np.ravel(content["layers"]):
        layer = _unwrap(cell)
        name = str(_unwrap(getattr(layer, "name", "")))
        if _NAME.fullmatch(name):
            weight, bias = _parameters(layer, name)
            tensors[f"{name}.weight"] = _constant(weight)
            tensors[f"{name}.bias"] = _constant(bias.reshape(-1))
    return tensors, _convention(content)


def _unwrap(value: Any) -> Any:
    """What MATLAB wraps into 1x1 arrays of objects."""
    while isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "OU":
        value = value.reshape(-1)[0]
    return value


def _parameters(layer: Any, name: str) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    if hasattr(layer, "weights"):
        parts = [np.asarray(_unwrap(part)) for part in np.ravel(layer.weights)]
    else:
        parts = [np.asarray(getattr(layer, part, 0)) for part in ("filters", "biases")]
    if len(parts) != 2:
        raise WeightsError(f"{name}.bias is missing")
    weight, bias = parts
    while weight.ndim < 4:  # MATLAB drops trailing dimensions of size 1
        weight = weight[..., np.newaxis]
    return weight, bias


def _convention(content: dict[str, Any]) -> Convention:
    """MatConvNet reads pictures as RGB, 0 to 255; the mean is in the file."""
    fixed = CONVENTIONS["caffe-rgb"]
    holder = _unwrap(
        content.get("normalization", getattr(_unwrap(content.get("meta")), "normalization", None))
    )
    average = getattr(holder, "averageImage", None)
    if average is None or np.size(average) % 3:
        return fixed
    red, green, blue = (float(value) for value in np.asarray(average, np.float64).reshape(-1, 3).mean(axis=0))
    return Convention(fixed.order, fixed.scale, (red, green, blue))


def _constant(array: NDArray[np.generic]) -> Callable[[], NDArray[np.generic]]:
    return lambda: array
