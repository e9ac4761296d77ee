"""Pictures of many pixels: how many may be held, and how a picture is reduced while it is decoded.

The bound is on memory. A decoded pixel takes Pillow four bytes, and three floats of four bytes once it is a `Picture`:
so a file may have `max_pixels` pixels where it is reduced at once, and a third of that where it is not.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from nst.errors import ImageError

__all__ = ["check_pixels", "draft", "reduced", "reduction"]


def draft(image: Image.Image, longest: int | None, max_pixels: int, name: str) -> int:
    """Have a file that is opened decoded no larger than it must be.

    Args:
        image: not decoded yet. JPEG will be, to a half, a quarter or an eighth.
        longest: the longest side in pixels that is wanted; None for all there is.
        max_pixels: see above.
        name: for messages.

    Returns:
        The whole factor by which it is to be `reduced` then.

    Raises:
        ImageError: more pixels than are allowed.
    """
    width, height = image.size
    factor = reduction(image.size, longest, max_pixels, name)
    if factor == 1:
        return 1
    image.draft(image.mode, (max(1, width // factor), max(1, height // factor)))
    check_pixels(image.size, max_pixels, name)
    return max(1, factor * image.width // width)


def reduction(size: tuple[int, int], longest: int | None, max_pixels: int, name: str) -> int:
    """The whole factor by which to divide the sides of a picture; 1 for one that may be read as it is.

    Twice the longest side is left where that is possible, so that `resize` has something to work on.

    Raises:
        ImageError: it may not be read as it is, and nobody wants it so much smaller.
    """
    pixels = size[0] * size[1]
    if 3 * pixels <= max_pixels:
        return 1
    spare = max(size) // longest if longest is not None else 1
    for factor in (spare // 2, spare):
        if 3 * pixels <= max_pixels * factor**2:
            return factor
    raise _too_large(pixels, 3 * pixels, name)


def check_pixels(size: tuple[int, int], max_pixels: int, name: str, each: int = 4) -> None:
    """Whether so many pixels may be decoded, of so many bytes each.

    Raises:
        ImageError: they may not.
    """
    pixels = size[0] * size[1]
    if pixels * each > 4 * max_pixels:
        raise _too_large(pixels, -(-pixels * each // 4), name)


def reduced(image: Image.Image, factor: int) -> Image.Image:
    """A decoded image by a whole factor smaller: means of factor x factor pixels; alpha weights the colours."""
    if factor == 1:
        return image
    if image.mode == "I;16":
        floats = Image.fromarray(np.asarray(image).astype(np.float32))
        return Image.fromarray(np.rint(np.asarray(floats.reduce(factor))).astype(np.uint16))
    if image.mode in ("1", "P", "PA"):
        image = image.convert("L" if image.mode == "1" else "RGBA" if image.has_transparency_data else "RGB")
    return image.reduce(factor)


def _too_large(pixels: int, needed: int, name: str) -> ImageError:
    return ImageError(
        f"cannot read {name}: {pixels:,} pixels, above the limit against decompression bombs; make a smaller copy, "
        f"ask for a smaller size, or set max_pixels (--max-pixels) to {needed} if you trust it"
    )
