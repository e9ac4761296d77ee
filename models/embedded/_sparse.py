"""The rotation of white data whose components are sparse: symmetric FastICA (Hyvarinen, 1999)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["sparse_rotation"]


def sparse_rotation(
    white: NDArray[np.float32], rng: np.random.Generator, rounds: int = 12
) -> NDArray[np.float64]:
    """An orthogonal matrix R such that the columns of white @ R.T are far from Gaussian.

    The nonlinearity is tanh. On patches of pictures, far from Gaussian means sparse: a component answers to one
    kind of edge, line or colour and is near 0 elsewhere.

    Args:
        white: (samples, components), centred, of variance about 1, not correlated.
        rng: draws the rotation that the search starts from.
        rounds: fixed-point steps; most of the way is made in the first few.

    Returns:
        (components, components).
    """
    components = white.shape[1]
    rotation = np.linalg.qr(rng.standard_normal((components, components)))[0]
    for _ in range(rounds):
        bent = np.tanh(white @ rotation.T.astype(white.dtype))
        slope = 1 - np.square(bent).mean(axis=0, dtype=np.float64)
        left, _, right = np.linalg.svd(bent.T @ white / len(white) - slope[:, None] * rotation)
        rotation = left @ right
    return rotation
