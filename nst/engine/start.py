"""What the optimisation starts from, at its first size and at each further one.

A finer size has an octave of detail more than the coarser picture that is enlarged. The style loss pulls at it from
its first step on. Where there is nothing, the deep layers put in what is cheapest for them, lines along both axes
(gradients that come back through a stride have such a pattern: Odena et al., *Deconvolution and Checkerboard
Artifacts*, Distill 2016), and the next size enlarges these: a weave lies over the picture. Noise has no direction, and
what grows out of noise has those of the style. So the new octave starts as noise that is as strong at each frequency
as the style is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nst.errors import SettingsError
from nst.pictures.masks import feathered, fit, regions
from nst.pictures.picture import Picture, cover, planar, resample, resize
from nst.pictures.scene import Scene, StylePicture
from nst.protocol import HostArray
from nst.settings import Settings

BLUR = 1.0
"""Of what is carried to a finer size, standard deviation in coarse pixels: the last octave of a size is its worst."""

RINGS = 48
"""Of equal width, from frequency 0 to the corner at sqrt(1/2) per pixel: what is known of a style's spectrum."""

Spectrum: TypeAlias = NDArray[np.float64]
"""(RINGS, 3, 3): power and correlation of the three colours at each frequency, whatever the direction."""


@dataclass(frozen=True)
class Start:
    """The start of a run, at any size. SettingsError if `init` is "picture" and there is none."""

    settings: Settings  # `init`, `init_noise`, `seed` and `padding`
    content: Picture  # p at the size of the result
    styles: Sequence[Picture]  # a
    picture: Picture | None  # the caller's own, for `init` "picture"

    def __post_init__(self) -> None:
        if self.settings.init in ("style", "statistics") and not self.styles:
            raise SettingsError(
                f"there is no style picture to start from (init {self.settings.init}): use noise"
            )

    def base(self, width: int, height: int) -> HostArray:
        """The picture that every iterate is a change of, (1, 3, H, W); zeros for a start from noise."""
        if self.settings.init == "content":
            return planar(resize(self.content, width, height))
        if self.settings.init == "style":
            return planar(cover(self.styles[0], width, height))
        if self.picture is not None:
            return planar(cover(self.picture, width, height))
        return np.zeros((1, 3, height, width), np.float32)

    def first(self, width: int, height: int) -> HostArray:
        """The first iterate, (1, 3, H, W).

        "noise" is uniform in [0, 1] for each channel of each pixel, white as the paper's. "statistics" is normal
        with the mean and the covariance of the first style picture's colours. Any other start is mixed
        with `init_noise` parts of uniform noise.
        """
        rng = np.random.default_rng(self.settings.seed)
        if self.settings.init == "statistics":
            return self._colored(rng.standard_normal((height * width, 3)), width, height)
        noise = rng.random((1, 3, height, width), np.float32)
        if self.settings.init == "noise":
            return noise
        share = np.float32(self.settings.init_noise)
        base = self.base(width, height)
        return base if share == 0 else (1 - share) * base + share * noise

    def go_on(self, coarse: HostArray, width: int, height: int, blur: float = 0.0) -> HostArray:
        """Where a coarser result (1, 3, h, w) leads to: its change of the start, enlarged, on top of ours.

        So the detail of a start from a picture, which a coarser size cannot hold, is not lost. The change is blurred
        with a standard deviation of `blur` coarse pixels.
        """
        change = (coarse - self.base(coarse.shape[3], coarse.shape[2]))[0].transpose(1, 2, 0)
        if self.settings.padding == "circular":
            # the middle of nine, so that the border fits its other side
            enlarged = resample(feathered(np.tile(change, (3, 3, 1)), blur), 3 * width, 3 * height)
            enlarged = enlarged[height : 2 * height, width : 2 * width]
        else:
            enlarged = resample(feathered(change, blur), width, height)
        return self.base(width, height) + enlarged.transpose(2, 0, 1)[None]

    def octave(self, scene: Scene, ratio: float) -> HostArray:
        """Noise with the spectrum of what the styles lose at `ratio` times their size, (1, 3, H, W), mean 0.

        It wraps around both borders. Each style's is where that style acts; nothing is where the content is protected.
        """
        (width, height), styles = scene.size, scene.styles
        rng = np.random.default_rng([self.settings.seed, width, height])
        parts = regions(scene.masks, width, height, len(styles))
        apart = parts is not None and len(parts) > 1
        total = np.zeros((height, width, 3), np.float32)
        for number, group in enumerate([(replace(s, share=1.0),) for s in styles] if apart else [styles]):
            power = np.sum([style.share * _lost(style, ratio) for style in group], axis=0)
            noise = _shaped(rng.standard_normal((height, width, 3), np.float32), power)
            # energies add up to those of the regions
            total += noise if parts is None else noise * np.sqrt(parts[number])[..., None]
        return total.transpose(2, 0, 1)[None]

    def _colored(self, noise: HostArray, width: int, height: int) -> HostArray:
        colors = self.styles[0].rgb.reshape(-1, 3).astype(np.float64)
        values, vectors = np.linalg.eigh(np.cov(colors.T, bias=True))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        pixels = np.clip(colors.mean(axis=0) + noise @ root.T, 0.0, 1.0)
        start: HostArray = pixels.T.reshape(1, 3, height, width).astype(np.float32)
        return start


def _lost(style: StylePicture, ratio: float) -> Spectrum:
    """The spectrum of what is lost of a style that is reduced to `ratio` times its size and enlarged as a change is.

    Of the part of it that counts, by Welch's method with one window (Welch 1967).
    """
    rgb, (width, height) = style.picture.rgb, style.picture.size
    reduced = resample(rgb, max(1, round(ratio * width)), max(1, round(ratio * height)))
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    if style.mask is not None:
        window = window * fit(style.mask, width, height)
    energy = np.square(window).sum()
    if energy == 0:  # of a mask whose white part is lost at this size
        return np.zeros((RINGS, 3, 3))
    waves = np.fft.fft2(
        (rgb - resample(feathered(reduced, BLUR), width, height)) * window[..., None], axes=(0, 1)
    )
    ring = _rings(np.fft.fftfreq(height), np.fft.fftfreq(width)).ravel()
    flat = waves.reshape(-1, 3)
    count = np.maximum(np.bincount(ring, minlength=RINGS), 1)
    power = np.empty((RINGS, 3, 3))
    for a, b in np.ndindex(3, 3):
        product = (flat[:, a] * flat[:, b].conj()).real
        power[:, a, b] = np.bincount(ring, product, RINGS) / count / energy
    return power


def _shaped(noise: NDArray[np.float32], power: Spectrum) -> NDArray[np.float32]:
    """White noise (H, W, 3) of variance 1 with another spectrum."""
    height, width = noise.shape[:2]
    values, vectors = np.linalg.eigh(power)
    roots = (vectors * np.sqrt(np.maximum(values, 0))[:, None, :]) @ vectors.transpose(0, 2, 1)
    ring = _rings(np.fft.fftfreq(height), np.fft.rfftfreq(width))
    waves = [np.fft.rfft2(noise[..., channel]) for channel in range(3)]
    for channel in range(3):
        mixed = sum(roots[ring, channel, other] * wave for other, wave in enumerate(waves))
        noise[..., channel] = np.fft.irfft2(mixed, (height, width))
    return noise


def _rings(down: NDArray[np.floating], across: NDArray[np.floating]) -> NDArray[np.intp]:
    """Which ring each frequency lies in."""
    radius = np.hypot(down[:, None], across)
    rings: NDArray[np.intp] = np.minimum(radius * (RINGS / np.sqrt(0.5)), RINGS - 1).astype(np.intp)
    return rings
