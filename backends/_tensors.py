"""Pictures as a framework's own tensors: in as (H, W, C) on the host, out as the kind that came in.

A framework is imported here only when one of its tensors came in, so that it is loaded already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nst.errors import ImageError
from nst.images import Picture, from_object

__all__ = ["from_any"]


def from_any(picture: Any) -> tuple[Picture, Callable[[Picture], Any]]:
    """A picture of any kind that nst takes, and the function that gives the same kind back.

    Args:
        picture: a path, PIL image or numpy array (see `nst.images.from_object`); a torch.Tensor (C, H, W)
            or (1, C, H, W); a tf.Tensor or tf.Variable (H, W, C) or (1, H, W, C). C is 1, 3 or 4; uint8 or floats in
            [0, 1].

    Raises:
        ImageError: none of these, or values out of range.
    """
    root = type(picture).__module__.partition(".")[0]
    if root == "torch":
        return _from_torch(picture)
    if root == "tensorflow":
        return _from_tensorflow(picture)
    return from_object(picture)


def _from_torch(tensor: Any) -> tuple[Picture, Callable[[Picture], Any]]:
    import torch

    batch = tensor.ndim == 4 and tensor.shape[0] == 1
    planes = tensor[0] if batch else tensor
    if planes.ndim != 3 or planes.shape[0] not in (1, 3, 4):
        raise ImageError(
            f"a torch picture has shape {tuple(tensor.shape)}: it must be (C, H, W) or (1, C, H, W) with C 1, 3 or 4"
        )
    floats = tensor.dtype.is_floating_point
    host = planes.detach().cpu()
    array = (host.float() if floats else host).permute(1, 2, 0).numpy()
    picture, restore = from_object(array)

    def back(result: Picture) -> Any:
        planes = torch.from_numpy(np.ascontiguousarray(restore(result).transpose(2, 0, 1)))
        planes = planes.to(device=tensor.device, dtype=tensor.dtype)
        return planes[None] if batch else planes

    return picture, back


def _from_tensorflow(tensor: Any) -> tuple[Picture, Callable[[Picture], Any]]:
    import tensorflow as tf

    value = tf.convert_to_tensor(tensor)
    array = (tf.cast(value, tf.float32) if value.dtype.is_floating else value).numpy()
    picture, restore = from_object(array)

    def back(result: Picture) -> Any:
        with tf.device(value.device):
            return tf.cast(tf.convert_to_tensor(restore(result)), value.dtype)

    return picture, back
