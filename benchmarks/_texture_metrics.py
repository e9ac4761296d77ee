"""Oriented-wavelet statistics: how far a result's texture is from the style's, and how long its strokes are.

Energies and correlations of the magnitudes of log-Gabor bands (Field, 1987), as in Portilla and Simoncelli (2000),
and how well the strokes of a neighbourhood agree on one direction. No network has a part in them. Pictures are
float32 arrays (H, W, 3), sRGB in [0, 1], both sides 96 or more.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["Texture", "stroke_order", "texture", "texture_distance"]

Array: TypeAlias = NDArray[np.float64]
WAVELENGTHS, TURNS, OCTAVE_WIDTH = (4, 8, 16, 32), 6, 0.65
MARGIN = 16
OPPONENTS = np.array([[0.299, 0.587, 0.114], [0.5, -0.5, 0.0], [0.25, 0.25, -0.5]])


class Texture(NamedTuple):
    """Of one picture.

    Attributes:
        energies: (72,) log mean magnitude of each band: luma and two opponent colours, wavelengths, orientations.
        correlations: (276,) of the magnitudes of each two luma bands.
        order: (3,) `stroke_order` of strokes 2, 4 and 8 px wide.
    """

    energies: Array
    correlations: Array
    order: Array


def texture(picture: NDArray[np.float32]) -> Texture:
    """The statistics of a picture, reflected at its sides so that no filter sees an edge there."""
    planes = np.tensordot(OPPONENTS, picture.astype(np.float64), axes=((1,), (2,)))
    planes = np.pad(planes, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)), mode="reflect")
    spectra = np.fft.fft2(planes - planes.mean(axis=(1, 2), keepdims=True))
    energies, magnitudes = [], []
    for wavelength in WAVELENGTHS:
        for turn in range(TURNS):
            angle = turn * np.pi / TURNS
            bands = np.fft.ifft2(spectra * _log_gabor(planes.shape[1:], wavelength, angle))
            bands = bands[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
            energies.append(np.log(np.abs(bands).mean(axis=(1, 2)) + 1e-4))
            magnitudes.append(np.abs(bands[0]).ravel())
    upper = np.triu_indices(len(magnitudes), 1)
    order = np.array([stroke_order(picture, scale) for scale in (0.7, 1.5, 3.0)])
    return Texture(np.concatenate(energies), np.corrcoef(magnitudes)[upper], order)


def stroke_order(picture: NDArray[np.float32], scale: float = 0.7) -> float:
    """How far the gradients around a place lie along one line: 0 for noise, 1 for long parallel strokes.

    (l1 - l2) / (l1 + l2) of the structure tensor's eigenvalues, gradients at `scale` px, averaged over
    6 px + scale, weighted by energy.
    """
    luma = picture.astype(np.float64) @ OPPONENTS[0]
    down = gaussian_filter(luma, scale, order=(1, 0))
    right = gaussian_filter(luma, scale, order=(0, 1))
    reach = 6 + scale
    xx, yy, xy = (gaussian_filter(product, reach) for product in (right**2, down**2, down * right))
    return float(np.hypot(xx - yy, 2 * xy).sum() / (xx + yy).sum())


def texture_distance(result: NDArray[np.float32], style: NDArray[np.float32]) -> float:
    """Sum of the mean absolute differences of the three kinds of statistics; 0 is the best."""
    pairs = zip(texture(result), texture(style), strict=True)
    return float(sum(np.abs(found - wanted).mean() for found, wanted in pairs))


def _log_gabor(shape: tuple[int, ...], wavelength: float, angle: float) -> Array:
    """One-sided response around the frequency 1 / wavelength whose wave vector points at `angle`."""
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None, :]
    radius = np.hypot(fy, fx)
    radius[0, 0] = 1.0
    octaves = np.log(radius * wavelength) / np.log(2)
    away = np.angle(np.exp(1j * (np.arctan2(fy, fx) - angle)))
    response = np.exp(-((octaves / OCTAVE_WIDTH) ** 2) / 2 - (away / (np.pi / TURNS * 0.7)) ** 2 / 2)
    response[0, 0] = 0.0
    return response
