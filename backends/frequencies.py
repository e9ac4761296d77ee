"""Coarse before fine: the filter by which L-BFGS measures its steps (`nst.optim.lbfgs`), as matrices."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from nst.protocol import HostArray

FINEST = 0.25
"""Cycles per pixel; from here on all frequencies are let through as they are, which spares half the work."""

COARSEST = 4.0
"""Cycles per longest side; below it no frequency is made much stronger than the next."""


@lru_cache(maxsize=8)
def cosine_filter(height: int, width: int, power: float) -> tuple[HostArray, HostArray, HostArray]:
    """The coarsest cosines of a picture, rows (K, height) and columns (L, width), and what is added of each, (K, L).

    The cosines are the orthonormal ones of the DCT-II, which go on past a border as a mirror does, so that no edge of
    the picture is one of the signal. The sum of a picture and its gains has frequencies of f cycles per pixel with the
    weight ((f + c) / (`FINEST` + c)) ** -power up to `FINEST` and 1 beyond, c being `COARSEST`: as much along the
    diagonals as along the axes.
    """
    rows, columns = (_cosines(size, min(size, int(np.ceil(2 * size * FINEST)))) for size in (height, width))
    frequency = np.hypot(np.arange(len(rows))[:, None] / (2 * height), np.arange(len(columns)) / (2 * width))
    least = COARSEST / max(height, width)
    gains = ((np.minimum(frequency, FINEST) + least) / (FINEST + least)) ** -power - 1.0
    return rows, columns, gains


def _cosines(size: int, count: int) -> HostArray:
    angles = np.pi / size * np.arange(count)[:, None] * (np.arange(size) + 0.5)
    waves = np.cos(angles) * np.sqrt(2.0 / size)
    waves[0] /= np.sqrt(2.0)
    return waves
