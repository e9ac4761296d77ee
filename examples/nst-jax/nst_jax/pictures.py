"""JAX's arrays as pictures.

nst knows them by the array API already. What it cannot know is that an array in float64 would come back in
float32 where `jax_enable_x64` is off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

__all__ = ["from_tensor"]


def from_tensor(tensor: jax.Array) -> tuple[NDArray[Any], Callable[[NDArray[Any]], jax.Array]]:
    """An array that nst takes, and the way back: the same dtype, on the same device."""
    dtype, device = tensor.dtype, tensor.device
    array = np.asarray(tensor)
    if dtype == "bfloat16":  # numpy has it from ml_dtypes, and nst does not look there
        array = array.astype(np.float32)

    def back(result: NDArray[Any]) -> jax.Array:
        with jax.enable_x64(dtype == "float64"):
            return jax.device_put(result.astype(dtype), device)

    return array, back
