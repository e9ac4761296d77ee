"""Give a picture the colours of another: by mean and covariance, or by histograms.

The maps act on gamma-encoded sRGB, as in the published code. Pixels count by their alpha, so what is
hidden has no say; everything is mapped. A result is clipped to [0, 1] where the map leaves the gamut.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nst.pictures.color_spaces import BLOCK, LUMA, by_blocks, luma, with_luma
from nst.pictures.picture import Picture

__all__ = ["MAPS", "VARIANCE_FLOOR", "Moments", "match_histogram", "match_linear", "match_luma", "moments"]

_Matrix = NDArray[np.float64]

VARIANCE_FLOOR = 1e-5
"""The least variance of a picture whose colours are spread to match another's: 0.8 levels of 255, squared.

Below it lie noise and rounding, and grey and single-coloured pictures have none at all. Gatys et al. add
this number to both covariances; here it is a lower limit and on the changed picture alone, which makes the
match exact wherever there is variance and lets a grey or flat target be met exactly too.
"""


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean (3,) and covariance (3, 3) of the colours of a picture."""

    mean: _Matrix
    covariance: _Matrix


def moments(picture: Picture) -> Moments | None:
    """Of all pixels, weighted by alpha, divided by the sum of weights; None where nothing is visible."""
    flat, weights = picture.rgb.reshape(-1, 3), _weights(picture)
    total = weights.sum(dtype=np.float64)
    if total == 0:
        return None
    # About the first pixel, so that a picture of one colour has a covariance of exactly 0.
    shift = flat[0].astype(np.float64)
    first, second = np.zeros(3), np.zeros((3, 3))
    for start in range(0, len(flat), BLOCK):
        part = slice(start, start + BLOCK)
        x = flat[part] - shift
        weighted = x * weights[part, None]
        first += weighted.sum(axis=0)
        second += weighted.T @ x
    mean = first / total
    return Moments(shift + mean, second / total - np.outer(mean, mean))


def cholesky_map(source: _Matrix, target: _Matrix) -> _Matrix:
    """L_c L_s^-1 with S = L L^T, L lower triangular (Gatys et al. 2016 and 2017, see `match_linear`).

    Depends on the order of the channels: red is only scaled, blue takes up what is left.
    """
    return _cholesky(target) @ np.linalg.inv(_cholesky(source))


def principal_map(source: _Matrix, target: _Matrix) -> _Matrix:
    """S_c^1/2 S_s^-1/2 with S^1/2 = E D^1/2 E^T, after Image Analogies (Hertzmann et al. 2001).

    The symmetric roots do not depend on the order of the channels.
    """
    return _power(target, 0.5) @ _power(source, -0.5)


def symmetric_map(source: _Matrix, target: _Matrix) -> _Matrix:
    """S_s^-1/2 (S_s^1/2 S_c S_s^1/2)^1/2 S_s^-1/2: the linear Monge-Kantorovich map.

    Of all linear maps that carry one covariance into the other the one that moves colours least (Pitié
    and Kokaram, *The linear Monge-Kantorovitch linear colour mapping*, CVMP 2007; `sym` in the published
    code of Gatys et al. 2017). Symmetric and positive, so no colour axis is turned over.
    """
    root, inverse = _power(source, 0.5), _power(source, -0.5)
    return inverse @ _power(root @ target @ root, 0.5) @ inverse


MAPS: Mapping[str, Callable[[_Matrix, _Matrix], _Matrix]] = {
    "match-chol": cholesky_map,
    "match-pca": principal_map,
    "match-sym": symmetric_map,
}
"""A with A S_s A^T = S_c, by mode: functions of (source, target) covariances, source not singular."""


def match_linear(picture: Picture, target: Picture, mode: str) -> NDArray[np.float32]:
    """The picture's colours, linearly mapped so that mean and covariance become the target's.

    x -> A (x - mu_s) + mu_c, A by `MAPS` (Gatys, Bethge, Hertzmann, Shechtman, *Preserving Color in Neural
    Artistic Style Transfer*, arXiv 1606.05897, 2016; Gatys, Ecker, Bethge, Hertzmann, Shechtman,
    *Controlling Perceptual Factors in Neural Style Transfer*, CVPR 2017, section 5). Mean and covariance
    are met up to rounding where nothing is clipped and the picture's variance along every axis is
    `VARIANCE_FLOOR` or more.

    Returns:
        (H, W, 3) in [0, 1]; unchanged where either picture has nothing visible.
    """
    return np.clip(_mapped(picture, target, mode), 0, 1)


def _mapped(picture: Picture, target: Picture, mode: str) -> NDArray[np.float32]:
    """`match_linear`, not clipped."""
    source, wanted = moments(picture), moments(target)
    if source is None or wanted is None:
        return picture.rgb
    values, axes = np.linalg.eigh(source.covariance)
    spread = (axes * np.maximum(values, VARIANCE_FLOOR)) @ axes.T
    matrix = MAPS[mode](spread, wanted.covariance)
    source_mean, wanted_mean = source.mean, wanted.mean
    return by_blocks(lambda x: (x - source_mean) @ matrix.T + wanted_mean, picture.rgb)


def match_luma(picture: Picture, target: Picture, strength: float, keep: float) -> NDArray[np.float32]:
    """The picture's luma with the target's mean and standard deviation (sources as `match_linear`).

    Args:
        picture: what is changed.
        target: what it is matched to.
        strength: how far the luma moves, from 0 to 1.
        keep: the share of the chroma that stays, from 0 (grey) to 1.

    Returns:
        (H, W, 3) in [0, 1]; the luma is unmatched where either picture has nothing visible.
    """
    source, wanted = moments(picture), moments(target)
    gain, source_mean, wanted_mean = 1.0, 0.0, 0.0
    if source is not None and wanted is not None:
        variance = max(LUMA @ source.covariance @ LUMA, VARIANCE_FLOOR)
        gain = math.sqrt(max(LUMA @ wanted.covariance @ LUMA, 0) / variance)
        source_mean, wanted_mean = float(LUMA @ source.mean), float(LUMA @ wanted.mean)

    def pixels(x: _Matrix) -> _Matrix:
        light = luma(x)
        matched = np.clip(gain * (light - source_mean) + wanted_mean, 0, 1)
        return with_luma((1 - strength) * light + strength * matched, keep * (x - light))

    return by_blocks(pixels, picture.rgb)


def match_histogram(picture: Picture, target: Picture) -> NDArray[np.float32]:
    """The picture's colours with the target's histogram in each channel.

    First the map of `match-sym`, then each channel goes to the value of the target that has the same rank.
    Matching ranks alone, without the linear map, leaves the channels as correlated as they were and so
    makes colours that neither picture has. Iterated matching of the whole distribution (Pitié, Kokaram,
    Dahyot, *Automated colour grading using colour distribution transfer*, 2007) would go on to bring out
    grain, which the style loss takes for brush strokes. Here equal colours stay equal.

    Returns:
        (H, W, 3) in the range of the target, whose values are met within 1 / 65535; unchanged where either
        picture has nothing visible.
    """
    weights, target_weights = _weights(picture), _weights(target)
    if not weights.any() or not target_weights.any():
        return picture.rgb
    mapped = _mapped(picture, target, "match-sym")
    result = np.empty_like(mapped)
    for channel in range(3):
        _, places, counts = _histogram(mapped[..., channel], weights)
        values, _, target_counts = _histogram(target.rgb[..., channel], target_weights)
        there = target_counts > 0
        matched = np.interp(_ranks(counts), _ranks(target_counts)[there], values[there])
        result[..., channel] = matched[places].reshape(result.shape[:2])
    return result


def _histogram(
    plane: NDArray[np.float32], weights: NDArray[np.float32]
) -> tuple[_Matrix, NDArray[np.intp], _Matrix]:
    """The values of 65536 levels from least to greatest, each pixel's level, and the weight on each level."""
    least, greatest = float(plane.min()), float(plane.max())
    scale = 65535 / max(greatest - least, 1e-6)  # of one value: all on the first level
    places = np.rint((plane.reshape(-1) - least) * scale).astype(np.intp)
    counts = np.bincount(places, weights, 65536).astype(np.float64)
    return np.linspace(least, greatest, 65536), places, counts


def _ranks(counts: _Matrix) -> _Matrix:
    """The share of the weight below the middle of each level."""
    return np.asarray((np.cumsum(counts) - counts / 2) / counts.sum())


def _weights(picture: Picture) -> NDArray[np.float32]:
    if picture.alpha is None:
        return np.ones(picture.width * picture.height, np.float32)
    return picture.alpha.reshape(-1)


def _power(matrix: _Matrix, exponent: float) -> _Matrix:
    """E D^exponent E^T of a symmetric matrix without negative eigenvalues, but for rounding."""
    values, axes = np.linalg.eigh(matrix)
    return np.asarray((axes * np.maximum(values, 0) ** exponent) @ axes.T)


def _cholesky(matrix: _Matrix) -> _Matrix:
    """L with L L^T = matrix, also where it is singular: R^T of the QR decomposition of the root."""
    upper = np.linalg.qr(_power(matrix, 0.5)).R
    return np.asarray((upper * np.where(np.diag(upper) < 0, -1, 1)[:, None]).T)
