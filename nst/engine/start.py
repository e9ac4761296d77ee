"""What the optimisation starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nst.errors import SettingsError
from nst.pictures.picture import Picture, cover, planar, resample, resize
from nst.protocol import HostArray
from nst.settings import Settings

__all__ = ["Start"]


@dataclass(frozen=True)
class Start:
    """The start of a run, at any size.

    Attributes:
        settings: `init`, `init_noise`, `seed` and `padding`.
        content: p at the size of the result.
        styles: a.
        picture: of the caller's own, for `init` "picture".

    Raises:
        SettingsError: there is no such picture.
    """

    settings: Settings
    content: Picture
    styles: Sequence[Picture]
    picture: Picture | None

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

    def go_on(self, coarse: HostArray, width: int, height: int) -> HostArray:
        """Where a coarser result (1, 3, h, w) leads to: its change of the start, enlarged, on top of ours.

        So the detail of a start from a picture, which a coarser size cannot hold, is not lost.
        """
        change = (coarse - self.base(coarse.shape[3], coarse.shape[2]))[0].transpose(1, 2, 0)
        if self.settings.padding == "circular":
            # the middle of nine, so that the border fits its other side
            enlarged = resample(np.tile(change, (3, 3, 1)), 3 * width, 3 * height)
            enlarged = enlarged[height : 2 * height, width : 2 * width]
        else:
            enlarged = resample(change, width, height)
        return self.base(width, height) + enlarged.transpose(2, 0, 1)[None]

    def _colored(self, noise: HostArray, width: int, height: int) -> HostArray:
        colors = self.styles[0].rgb.reshape(-1, 3).astype(np.float64)
        values, vectors = np.linalg.eigh(np.cov(colors.T, bias=True))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        pixels = np.clip(colors.mean(axis=0) + noise @ root.T, 0.0, 1.0)
        start: HostArray = pixels.T.reshape(1, 3, height, width).astype(np.float32)
        return start
