"""Batches (N, ...) of pictures: numpy arrays, a framework's tensors, arrays of other libraries."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nst.errors import ImageError

__all__ = ["pictures_of_batch"]

Stack = Callable[[Sequence[Any]], Any]


def pictures_of_batch(batch: Any) -> tuple[list[Any], Stack] | None:
    """The pictures of a batch, and how to put as many results together again.

    Args:
        batch: of four axes, the first of which counts the pictures.

    Returns:
        None for what is no batch: a single picture of any kind, with a batch axis of 1 or without.

    Raises:
        ImageError: a batch of no pictures.
    """
    shape: Any = getattr(batch, "shape", ())
    if len(shape) != 4 or shape[0] == 1:
        return None
    if shape[0] == 0:
        raise ImageError(f"a batch of shape {tuple(shape)} has no picture in it")
    return [batch[number] for number in range(int(shape[0]))], _stack_of(batch)


def _stack_of(batch: Any) -> Stack:
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(batch, torch.Tensor):
        return torch.stack  # type: ignore[no-any-return]
    tf: Any = sys.modules.get("tensorflow")
    if tf is not None and isinstance(batch, (tf.Tensor, tf.Variable)):
        return tf.stack  # type: ignore[no-any-return]
    if hasattr(batch, "__array_namespace__"):
        return batch.__array_namespace__().stack  # type: ignore[no-any-return]
    return np.stack
