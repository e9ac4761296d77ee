"""How close a result is to the style and to the content, by descriptors that share nothing with the network.

Pictures are float32 arrays (H, W, 3), sRGB in [0, 1].
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["dark_grain", "edges", "fine_grain", "flat", "frame", "patch_distance"]

Array: TypeAlias = NDArray[np.float32]
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
PATCH, DIRECTIONS, OCTAVES = 7, 96, 4


def patch_distance(result: Array, style: Array, seed: int = 1) -> float:
    """Sliced Wasserstein distance of the 7x7 colour patches, in deviations of the style; 0 is the best.

    Along each of 96 random directions, the 1-D Wasserstein distance by 100 quantiles, over the style's
    deviation; mean over directions and four octaves. Three directions in four have no mean per colour, so
    that they see texture alone.
    """
    rng = np.random.default_rng(seed)
    quantiles = np.linspace(0.005, 0.995, 100)
    distances = []
    for _ in range(OCTAVES):
        directions = rng.standard_normal((DIRECTIONS, 3, PATCH, PATCH)).astype(np.float32)
        directions[DIRECTIONS // 4 :] -= directions[DIRECTIONS // 4 :].mean((2, 3), keepdims=True)
        directions /= np.linalg.norm(directions.reshape(DIRECTIONS, -1), axis=1)[:, None, None, None]
        found, wanted = (_project(picture, directions) for picture in (result, style))
        gap = np.abs(np.quantile(found, quantiles, axis=0) - np.quantile(wanted, quantiles, axis=0))
        distances.append(np.mean(gap.mean(0) / wanted.std(0)))
        result, style = _halve(result), _halve(style)
    return float(np.mean(distances))


def flat(result: Array, content: Array, style: Array) -> float:
    """Contrast in the flattest fifth of the content, over the style's median contrast; 1 is the aim."""
    before = _contrast(content)
    flattest = before <= np.quantile(before, 0.2)
    return float(np.median(_contrast(result)[flattest]) / np.median(_contrast(style)))


def edges(result: Array, content: Array) -> float:
    """Correlation of the edge strengths of the two blurred pictures."""
    return float(np.corrcoef(_edge_strength(result).ravel(), _edge_strength(content).ravel())[0, 1])


def fine_grain(result: Array, style: Array) -> float:
    """Energy of what a blur of 0.8 px takes away, over the style's; more than 1 is grain."""
    found, wanted = (_luma(picture) for picture in (result, style))
    return float(np.var(found - _blur(found, 0.8)) / np.var(wanted - _blur(wanted, 0.8)))


def dark_grain(result: Array, style: Array) -> float:
    """The finest detail in the darkest quarter of the result, over that in the style's; more than 1 is hatching."""
    found, wanted = (_detail_where_dark(_luma(picture)) for picture in (result, style))
    return found / wanted


def frame(result: Array, content: Array) -> float:
    """Detail within 4 px of the sides over that of the rest, over the content's own ratio; 1 is the aim."""
    found, before = (_frame_share(_luma(picture)) for picture in (result, content))
    return found / before


def _detail_where_dark(luma: Array) -> float:
    smooth = _blur(luma, 4.0)
    dark = smooth <= np.quantile(smooth, 0.25)
    return float(np.std((luma - _blur(luma, 0.8))[dark]))


def _frame_share(luma: Array) -> float:
    detail = (luma - _blur(luma, 0.8)) ** 2
    inside = detail[4:-4, 4:-4]
    return float(np.sqrt((detail.sum() - inside.sum()) / (detail.size - inside.size) / inside.mean()))


def _project(picture: Array, directions: Array) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(picture - 0.5, (PATCH, PATCH), axis=(0, 1))
    patches = windows.reshape(-1, 3 * PATCH * PATCH)
    product: Array = patches @ directions.reshape(DIRECTIONS, -1).T
    return product


def _halve(picture: Array) -> Array:
    height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
    halved: Array = picture[:height, :width].reshape(height // 2, 2, width // 2, 2, 3).mean((1, 3))
    return halved


def _luma(picture: Array) -> Array:
    luma: Array = picture @ LUMA
    return luma


def _blur(plane: Array, sigma: float) -> Array:
    blurred: Array = gaussian_filter(plane, sigma, mode="mirror", truncate=3.0)
    return blurred


def _contrast(picture: Array) -> Array:
    """Local deviation of the luma from its blur of 3 px, within about 4 px."""
    luma = _luma(picture)
    contrast: Array = np.sqrt(_blur((luma - _blur(luma, 3.0)) ** 2, 4.0))
    return contrast


def _edge_strength(picture: Array) -> Array:
    blurred = _blur(_luma(picture), 2.5)
    strength: Array = np.hypot(np.diff(blurred, axis=1)[1:], np.diff(blurred, axis=0)[:, 1:])
    return strength
