"""The mask that was found for --protect, as a file: to look at, to mend by hand, to give as --protect FILE."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nst.pictures.masks import fit
from nst.pictures.picture import Picture
from nst.pictures.subjects import FINDERS
from nst.pictures.writing import write_picture

if TYPE_CHECKING:
    from nst.transfer import StyleTransfer

__all__ = ["save_found"]


def save_found(transfer: StyleTransfer, masks: Mapping[str, Any], output: str) -> None:
    """Write OUT.protect.png beside OUT.jpg, at the size of the result; nothing where nothing was found or sought.

    Args:
        transfer: set up.
        masks: as they were typed, by name.
        output: the result that there will be.

    Raises:
        ImageError: it cannot be written.
    """
    mask = transfer.scene.masks.protect
    if masks.get("protect") not in FINDERS or mask is None:
        return
    levels = fit(mask, *transfer.size)[..., None]
    write_picture(Picture(np.repeat(levels, 3, axis=2)), Path(output).with_suffix(".protect.png"))
