"""A framework's own tensor, which is no array to anybody else, and how nst takes it for a picture."""

from __future__ import annotations

import numpy as np

__all__ = ["Tensor", "from_tensor"]


class Tensor:
    """Planes (3, H, W) from 0 to 255, with nothing of numpy's to be seen."""

    def __init__(self, planes):
        self.planes = planes


def from_tensor(tensor):
    """An array (H, W, 3) that nst knows, and the way back: see `nst.pictures.kinds`."""
    array = np.moveaxis(tensor.planes, 0, -1).astype(np.float32) / 255
    return array, lambda result: Tensor(np.moveaxis(result, -1, 0) * 255)
