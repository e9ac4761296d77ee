"""Masks as a caller names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nst.backends._tensors import from_any
from nst.errors import SettingsError
from nst.masks import Masks, from_picture

__all__ = ["make_masks"]


def make_masks(pictures: Masks | Mapping[str, Any] | None, styles: int, feather: float) -> Masks | None:
    """Masks from pictures by name.

    Args:
        pictures: "style1" (the region of the result that the first style gets), "style1-source" (the part of the first
            style picture that counts), "protect" (where no style acts), "content" (weight of the content loss); each
            a grey picture of any kind that `StyleTransfer` takes, white being 1. None for none.
        styles: how many style pictures there are.
        feather: blur of the edges in pixels of the result.

    Raises:
        SettingsError: another name, or the number of a style that is not there.
    """
    if pictures is None or isinstance(pictures, Masks):
        return pictures
    if not pictures:
        return None
    regions, sources = [None] * styles, [None] * styles
    single: dict[str, Any] = {}
    for name, picture in pictures.items():
        match = re.fullmatch(r"style([1-9]\d*)(-source)?", name)
        if match is None and name not in ("protect", "content"):
            raise SettingsError(
                f"unknown mask {name!r}: choose style1, style1-source, style2, ..., protect or content"
            )
        if match is not None and int(match[1]) > styles:
            raise SettingsError(f"mask {name}: there are {styles} style picture(s)")
        mask: Any = from_picture(from_any(picture)[0])
        if match is None:
            single[name] = mask
        else:
            (sources if match[2] else regions)[int(match[1]) - 1] = mask
    return Masks(
        regions if any(mask is not None for mask in regions) else (),
        sources if any(mask is not None for mask in sources) else (),
        feather=feather,
        **single,
    )
