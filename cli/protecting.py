"""The mask that was found for --protect, as a file: to look at, to mend by hand, to give as --protect FILE."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nst.pictures.masks import Mask, fit
from nst.pictures.picture import Picture
from nst.pictures.writing import write_picture

__all__ = ["mask_path", "save_mask"]


def mask_path(output: str) -> Path:
    """OUT.protect.png for OUT.jpg."""
    return Path(output).with_suffix(".protect.png")


def save_mask(mask: Mask, size: tuple[int, int], output: str) -> None:
    """Write a mask at the size of the result beside the result that will be in `output`.

    Raises:
        ImageError: it cannot be written.
    """
    levels = fit(mask, *size)[..., None]
    write_picture(Picture(np.repeat(levels, 3, axis=2)), mask_path(output))
