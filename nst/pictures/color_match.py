"""Give a picture the colours of another: by mean and covariance, by histograms, or by its lightness alone.

All colours are sRGB in [0, 1] in the last axis of an array of any shape, unless a name says `linear`. BT.601 luma and
CIE L*a*b* take them apart into lightness and chroma and put them together again.

The maps of matching act on gamma-encoded sRGB, as in the published code. Pixels count by their alpha, so what is
hidden has no say; everything is mapped. A result is clipped to [0, 1] where the map leaves the gamut.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nst.pictures.picture import Picture

_Values = NDArray[np.float64]

BLOCK = 1 << 20
"""Pixels that are worked on at a time, so that float64 copies stay small beside a large picture."""

LUMA = np.array([0.299, 0.587, 0.114])
"""Y' of ITU-R BT.601, of gamma-encoded values."""

_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
"""Linear sRGB (IEC 61966-2-1) to CIE XYZ, as tabulated by B. Lindbloom."""

_RGB = np.linalg.inv(_XYZ)
_WHITE = _XYZ.sum(axis=1)  # D65; the sum and not the tabulated white, so that a* and b* of greys are 0
_KNEE = 6 / 29  # CIE 15:2004, equations 8.3 to 8.11


def by_blocks(
    function: Callable[..., NDArray[np.floating]], *pictures: NDArray[np.float32]
) -> NDArray[np.float32]:
    """A function of pixels applied to pictures of one shape (H, W, 3), block by block; (H, W, 3) float32.

    It takes one (n, 3) float64 array for each picture and returns (n, 3).
    """
    flat = [picture.reshape(-1, 3) for picture in pictures]
    result = np.empty(flat[0].shape, np.float32)
    for start in range(0, len(result), BLOCK):
        part = slice(start, start + BLOCK)
        result[part] = function(*(values[part].astype(np.float64) for values in flat))
    return result.reshape(pictures[0].shape)


def luma(rgb: _Values) -> _Values:
    """Y' = 0.299 R' + 0.587 G' + 0.114 B' (BT.601) of gamma-encoded values, (..., 3) -> (..., 1)."""
    return np.asarray(rgb @ LUMA)[..., None]


def with_luma(luminance: _Values, chroma: _Values) -> _Values:
    """The colour of this luma (..., 1) in [0, 1] and chroma (..., 3), an RGB offset of luma 0, in gamut."""
    return to_gamut(luminance + chroma, luminance)


def to_gamut(rgb: _Values, grey: _Values) -> _Values:
    """Pull colours (..., 3) outside [0, 1] straight towards a grey (..., 1) of the same lightness until they fit.

    Clipping each channel would change the lightness, which is all that is kept of the painting, and the
    hue. On the line to the grey both stay: luma for encoded values, CIE luminance (so L* too) for linear.
    """
    offset = rgb - grey
    room = np.where(offset > 0, 1 - grey, grey)
    share = np.divide(room, np.abs(offset), out=np.ones_like(offset), where=np.abs(offset) > room)
    least = share.min(axis=-1, keepdims=True)
    return np.clip(np.where(least < 1, grey + least * offset, rgb), 0, 1)


def to_lab(rgb: _Values) -> _Values:
    """CIE L*a*b* under D65: L* in [0, 100], 0 <= rgb <= 1 (CIE 15:2004; sRGB by IEC 61966-2-1)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _XYZ.T / _WHITE
    x, y, z = np.moveaxis(np.where(xyz > _KNEE**3, np.cbrt(xyz), xyz / (3 * _KNEE**2) + 4 / 29), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def from_lab(lab: _Values) -> _Values:
    """The sRGB of the same L*, in [0, 1]; `to_gamut`, in linear light, reduces chroma that does not fit."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f > _KNEE, f**3, 3 * _KNEE**2 * (f - 4 / 29))
    linear = to_gamut((xyz * _WHITE) @ _RGB.T, np.clip(xyz[..., 1:2], 0, 1))
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def recolor_yuv(
    rgb: NDArray[np.float32], colors: NDArray[np.float32], keep: float, take: float
) -> NDArray[np.float32]:
    """The luma of `rgb` with `keep` times its own chroma plus `take` times that of `colors`; (H, W, 3) in [0, 1].

    On gamma-encoded values, as BT.601 has it. U = 0.492 (B' - Y') and V = 0.877 (R' - Y') span the same
    plane as the offset (R' - Y', G' - Y', B' - Y'), so does YIQ's, and the offset needs no matrix.
    """

    def pixels(own: _Values, other: _Values) -> _Values:
        light = luma(own)
        return with_luma(light, keep * (own - light) + take * (other - luma(other)))

    return by_blocks(pixels, rgb, colors)


def recolor_lab(
    rgb: NDArray[np.float32], colors: NDArray[np.float32], strength: float
) -> NDArray[np.float32]:
    """L* of `rgb` with a* and b* between its own (strength 0) and those of `colors` (1), both (H, W, 3)."""

    def pixels(own: _Values, other: _Values) -> _Values:
        lab, chroma = to_lab(own), to_lab(other)
        lab[..., 1:] += strength * (chroma[..., 1:] - lab[..., 1:])
        return from_lab(lab)

    return by_blocks(pixels, rgb, colors)


_Matrix = NDArray[np.float64]

VARIANCE_FLOOR = 1e-5
"""The least variance of a picture whose colours are spread to match another's: 0.8 levels of 255, squared.

Below it lie noise and rounding, and grey and single-coloured pictures have none at all. Gatys et al. add
this number to both covariances; here it is a lower limit and on the changed picture alone, which makes the
match exact wherever there is variance and lets a grey or flat target be met exactly too.
"""


@dataclass(frozen=True, eq=False)
class ColorMoments:
    """Mean (3,) and covariance (3, 3) of the colours of a picture."""

    mean: _Matrix
    covariance: _Matrix


def moments(picture: Picture, seen: Callable[[_Values], _Values] = lambda rgb: rgb) -> ColorMoments | None:
    """Of all pixels, weighted by alpha, divided by the sum of weights; None where nothing is visible.

    `seen` maps (n, 3) to the three numbers that are taken of each: those of another colour space, for example.
    """
    flat, weights = picture.rgb.reshape(-1, 3), _weights(picture)
    total = weights.sum(dtype=np.float64)
    if total == 0:
        return None
    # About the first pixel, so that a picture of one colour has a covariance of exactly 0.
    shift = seen(flat[:1].astype(np.float64))[0]
    first, second = np.zeros(3), np.zeros((3, 3))
    for start in range(0, len(flat), BLOCK):
        part = slice(start, start + BLOCK)
        x = seen(flat[part].astype(np.float64)) - shift
        weighted = x * weights[part, None]
        first += weighted.sum(axis=0)
        second += weighted.T @ x
    mean = first / total
    return ColorMoments(shift + mean, second / total - np.outer(mean, mean))


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
    """The picture's colours, linearly mapped so that mean and covariance become the target's; (H, W, 3) in [0, 1].

    x -> A (x - mu_s) + mu_c, A by `MAPS` (Gatys, Bethge, Hertzmann, Shechtman, *Preserving Color in Neural
    Artistic Style Transfer*, arXiv 1606.05897, 2016; Gatys, Ecker, Bethge, Hertzmann, Shechtman,
    *Controlling Perceptual Factors in Neural Style Transfer*, CVPR 2017, section 5). Mean and covariance
    are met up to rounding where nothing is clipped and the picture's variance along every axis is
    `VARIANCE_FLOOR` or more. Unchanged where either picture has nothing visible.
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


SMOOTHING = 5
"""Rounds that chroma is smoothed in along lightness, as NNST does: a colour ends where a stroke does."""
STEP = 5.0
"""The difference in L* that one round hardly crosses."""
CHROMA_FLOOR = 1.0
"""The least variance of a* and b* that is spread to match another's: below it lie noise and rounding."""


def recolor_palette(picture: Picture, content: Picture, strength: float) -> NDArray[np.float32]:
    """L* of the picture with the content's a* and b*, as far spread, and about the same mean, as the picture's own.

    The content says where a colour is, the painting which ones there are: Kolkin et al., *Neural Neighbor Style
    Transfer*, 2022 (Oklab there, and the mean and covariance of the style, which a painted picture has). The map is
    `principal_map`; then the chroma is smoothed along L*. Both pictures are of one size; (H, W, 3) in [0, 1], with
    a* and b* between the picture's own (strength 0) and these (1). Unchanged where either has nothing visible.
    """
    own, other = moments(picture, to_lab), moments(content, to_lab)
    if own is None or other is None:
        return picture.rgb
    values, axes = np.linalg.eigh(other.covariance[1:, 1:])
    spread = (axes * np.maximum(values, CHROMA_FLOOR)) @ axes.T
    matrix = principal_map(spread, own.covariance[1:, 1:])
    result = np.empty_like(picture.rgb)
    rows = max(1, BLOCK // picture.width)
    for top in range(0, picture.height, rows):
        first = max(0, top - SMOOTHING)
        band = slice(first, top + rows + SMOOTHING)  # what is smoothed is right in all but its outermost rows
        lab, chroma = (to_lab(one.rgb[band].astype(np.float64)) for one in (picture, content))
        seen = (
            _weights(picture).reshape(result.shape[:2])[band]
            * _weights(content).reshape(result.shape[:2])[band]
        )
        mapped = (chroma[..., 1:] - other.mean[1:]) @ matrix.T + own.mean[1:]
        for _ in range(SMOOTHING):
            mapped = _smoothed_along(lab[..., 0], mapped, seen)
        lab[..., 1:] += strength * (mapped - lab[..., 1:])
        result[top : top + rows] = from_lab(lab)[top - first :][:rows]
    return result


def _smoothed_along(lightness: _Values, chroma: _Values, seen: NDArray[np.float32]) -> _Values:
    """Chroma (H, W, 2) averaged over 3x3 pixels, each counted by how near its L*, (H, W), is and how far it is seen."""
    height, width = lightness.shape
    light, alpha = np.pad(lightness, 1, "edge"), np.pad(seen, 1, "edge")
    colors = np.pad(chroma, ((1, 1), (1, 1), (0, 0)), "edge")
    total, weights = np.zeros_like(chroma), np.zeros((height, width, 1))
    for row in range(3):
        for column in range(3):
            place = slice(row, row + height), slice(column, column + width)
            near = (alpha[place] * np.exp(-0.5 * ((light[place] - lightness) / STEP) ** 2))[..., None]
            total += near * colors[place]
            weights += near
    return np.divide(total, weights, out=chroma.copy(), where=weights > 0)


def match_luma(picture: Picture, target: Picture, strength: float, keep: float) -> NDArray[np.float32]:
    """The picture's luma with the target's mean and standard deviation (sources as `match_linear`).

    The luma moves by `strength`, from 0 to 1, the chroma keeps the share `keep`, from 0 (grey) to 1. (H, W, 3) in
    [0, 1]; the luma is unmatched where either picture has nothing visible.
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
    grain, which the style loss takes for brush strokes. Here equal colours stay equal. The target's values are met
    within 1 / 65535; unchanged where either picture has nothing visible.
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
