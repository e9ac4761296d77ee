"""Tensors from a Keras HDF5 file: Keras 1 (`_W_1:0`), Keras 2 (`kernel:0`), Keras 3 (`vars/0`)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models import vgg
from nst.models.importers.names import Stored, Tensors, counted
from nst.models.limits import check_shape

if TYPE_CHECKING:
    import h5py

_NAMED = re.compile(r"(?:.*/)?block(?P<block>[1-5])_conv(?P<index>[1-4])_(?P<part>[Wb])(?:_\d+)?:0")
_KERNEL = re.compile(r"(?:.*/)?block(?P<block>[1-5])_conv(?P<index>[1-4])/(?P<part>kernel|bias)(?::0)?")
_VARS = re.compile(r"(?:.*/)?block(?P<block>[1-5])_conv(?P<index>[1-4])/vars/(?P<part>[01])")
_COUNTED = re.compile(r"(?:.*/)?layers/conv2d(?:_(?P<count>\d+))?/vars/(?P<part>[01])")
_PARTS = {"W": "weight", "kernel": "weight", "0": "weight", "b": "bias", "bias": "bias", "1": "bias"}
_MAX_OBJECTS = 10_000


def read_keras(path: Path) -> Tensors:
    """conv1_1.weight ...; weights are (3, 3, in, out).

    WeightsError: h5py is not installed, or there are absurdly many objects in the file.
    """
    try:
        import h5py
    except ImportError as error:
        raise WeightsError("a Keras .h5 file needs h5py: pip install h5py") from error
    tensors: dict[str, Stored] = {}
    count = 0
    with h5py.File(path, "r") as file:

        def visit(name: str, item: Any) -> None:
            nonlocal count
            count += 1
            if count > _MAX_OBJECTS:
                raise WeightsError(f"more than {_MAX_OBJECTS} groups and datasets are no VGG")
            canonical = _canonical(name)
            if canonical and isinstance(item, h5py.Dataset):
                tensors[canonical] = _stored(path, name, item)

        file.visititems(visit)  # follows hard links only: a link to another file is never opened
    return tensors


def _canonical(name: str) -> str | None:
    for pattern in (_NAMED, _KERNEL, _VARS):
        if match := pattern.fullmatch(name):
            return f"conv{match['block']}_{match['index']}.{_PARTS[match['part']]}"
    match = _COUNTED.fullmatch(name)
    if match and int(match["count"] or 0) < len(vgg.LAYER_NAMES):
        return counted(int(match["count"] or 0), _PARTS[match["part"]])
    return None


def _stored(path: Path, name: str, claimed: h5py.Dataset) -> Stored:
    def read() -> NDArray[np.generic]:
        import h5py

        with h5py.File(path, "r") as file:
            dataset: h5py.Dataset = file[name]
            if dataset.is_virtual or dataset.external:
                raise WeightsError(f"{name} lies in another file, which is refused")
            if dataset.chunks:  # a piece is unpacked whole, however little of it belongs to the tensor
                check_shape(dataset.chunks, f"{name} in pieces")
            array: NDArray[np.generic] = np.asarray(dataset[()])
            return array

    return Stored(tuple(claimed.shape or ()), claimed.dtype, read)
