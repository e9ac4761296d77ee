"""What a picture is inside nst, and how its size changes.

A picture is three float32 channels of sRGB in [0, 1] and, if the input had one, an alpha channel.

Resampling works on the sRGB values and not in linear light: the published VGG19 weights were trained
on pictures resized that way, and so do the programs whose results people compare with. The price is
the known one: very fine black and white detail comes out slightly darker than seen from afar.

Of all else that a photograph's file says, its painting says dots per inch, author and copyright (`Tags`): neither where
it was taken, nor when, nor with what.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

# EXIF 2.32, section 4.6.4
_X, _Y, _UNIT, _ARTIST, _COPYRIGHT = NUMBERS = (282, 283, 296, 315, 33432)
_INCH, _PER_INCH = 2, {2: 1.0, 3: 2.54}  # by the unit: 3 is centimetres
_LONGEST = 1000  # letters
DENSEST = 65535  # dots per inch, of which JFIF has 16 bits


@dataclass(frozen=True)
class Tags:
    """What a photograph's file says that its painting says too."""

    dpi: tuple[float, float] | None = None  # across and down; None: nothing is said
    author: str = ""  # empty: nobody is named
    copyright: str = ""  # the same

    def in_png(self, info: PngInfo) -> None:
        """Add the words to the chunks of a PNG."""
        for name, text in (("Author", self.author), ("Copyright", self.copyright)):
            if text:
                info.add_itxt(name, text)

    def in_exif(self, exif: Image.Exif) -> None:
        """Add all of them; words in UTF-8, as other programs have them, though EXIF has but ASCII."""
        for number, text in ((_ARTIST, self.author), (_COPYRIGHT, self.copyright)):
            if text:
                exif[number] = text.encode()
        if self.dpi is not None:
            exif[_X], exif[_Y], exif[_UNIT] = *self.dpi, _INCH


NO_TAGS = Tags()

_VISIBLE = np.float32(1 / 16)
"""Alpha below this hides the colour: files often hold garbage there, and 8 bits cannot divide it out."""

_Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False, repr=False)
class Picture:
    """A picture in memory.

    Attributes:
        rgb: (H, W, 3) float32, sRGB in [0, 1], not multiplied by alpha. Where alpha hides the colour it
            is the average of the visible colours nearby (see `fill_hidden`), so an optimiser may look at
            every pixel.
        alpha: (H, W) float32 in [0, 1], 1 is opaque; None when the input had no alpha channel. An alpha
            channel that is opaque everywhere is kept, so that the output has the channels of the input.
        tags: what its file says besides, see `Tags`.

    Examples:
        >>> Picture(np.zeros((32, 40, 3), np.float32)).size
        (40, 32)
    """

    rgb: NDArray[np.float32]
    alpha: NDArray[np.float32] | None = None
    tags: Tags = NO_TAGS

    def __repr__(self) -> str:
        return f"Picture({self.width}x{self.height}{'' if self.alpha is None else ' with alpha'})"

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.rgb.shape[0])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.width, self.height

    @property
    def hidden(self) -> bool:
        """Whether nothing of it can be seen."""
        return self.alpha is not None and not bool((self.alpha >= _VISIBLE).any())

    def resized(self, width: int, height: int) -> Picture:
        """The same as `resize(self, width, height)`."""
        return resize(self, width, height)


def to_uint8(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Values in [0, 1] as 0 ... 255: scaled, rounded half to even, clipped. Any shape."""
    levels: NDArray[np.uint8] = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return levels


def fit_longest_side(width: int, height: int, longest: int) -> tuple[int, int]:
    """The (width, height) of the same shape whose longer side is `longest`; no side falls below 1."""
    side = max(width, height)
    return max(1, round(width * longest / side)), max(1, round(height * longest / side))


def resize(picture: Picture, width: int, height: int) -> Picture:
    """Resample to width x height pixels, up or down, with as little aliasing and ringing as possible.

    Lanczos (3 lobes) where no side grows: the sharpest, and its overshoot is thinner than a pixel.
    Bicubic (a = -0.5) where one grows: Lanczos would draw visible halos along edges, which the optimiser
    then keeps as content. Both widen their kernel when reducing, so nothing aliases; overshoot is clipped.
    With alpha the colours are weighted by it, so hidden colours never bleed into visible ones.
    """
    if (width, height) == picture.size:
        return picture
    return _resample(picture, (width, height), (0, 0, picture.width, picture.height))


def cover(picture: Picture, width: int, height: int) -> Picture:
    """Fill width x height pixels: the largest centred part of that shape, resampled as by `resize`."""
    part_width = min(picture.width, picture.height * width / height)
    part_height = min(picture.height, picture.width * height / width)
    left, top = (picture.width - part_width) / 2, (picture.height - part_height) / 2
    return _resample(picture, (width, height), (left, top, left + part_width, top + part_height))


def resize_part(picture: Picture, size: tuple[int, int], rows: tuple[float, float]) -> Picture:
    """The strip between two heights in [0, 1], resampled to `size` as by `resize` of the whole."""
    near, box = _near(picture.height, picture.width, size, rows)
    return _resample(
        Picture(picture.rgb[near], None if picture.alpha is None else picture.alpha[near]), size, box
    )


def enlarge_part(
    values: NDArray[np.float32], size: tuple[int, int], rows: tuple[float, float]
) -> NDArray[np.float32]:
    """The same for (H, W, C) of any range, as by `resample`."""
    near, box = _near(values.shape[0], values.shape[1], size, rows)
    return _scaled(values[near], size, Image.Resampling.BICUBIC, box)


def _near(height: int, width: int, size: tuple[int, int], rows: tuple[float, float]) -> tuple[slice, _Box]:
    """The rows of a picture that a strip is made of, with those that a filter sees beyond, and its box among them."""
    top, bottom = rows[0] * height, rows[1] * height
    margin = math.ceil(3 * max(1.0, (bottom - top) / size[1])) + 1  # three lobes
    first, last = max(0, math.floor(top) - margin), min(height, math.ceil(bottom) + margin)
    return slice(first, last), (0, top - first, width, bottom - first)


def resample(values: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """(H, W, C) of any range resampled by `resize`'s bicubic filter, without its limits to [0, 1]."""
    return _scaled(values, (width, height), Image.Resampling.BICUBIC)


def fill_hidden(rgb: NDArray[np.float32], alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace the colours that alpha hides (below 1/16) by smooth continuations of the visible ones; (H, W, 3).

    Fully transparent pixels may hold anything: the rest of an erased background, noise, black. None of
    that may become content. Painting them white instead would draw a hard outline around every cut-out
    and fringe its soft edges, so the visible colours, weighted by alpha, are averaged over blocks of
    2 x 2, 4 x 4, ... pixels until every hidden pixel has one (pull-push, Gortler et al., *The
    Lumigraph*, SIGGRAPH 1996, section 3.4). A picture with nothing visible becomes white.
    """
    weight = np.where(alpha < _VISIBLE, 0, alpha).astype(np.float32)
    if not weight.any():
        return np.ones_like(rgb)
    return _pull_push(rgb, weight)


def _pull_push(rgb: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours of weight 0 from the next coarser level; at least one weight is positive."""
    if weight.all():
        return rgb
    height, width = weight.shape
    half = ((width + 1) // 2, (height + 1) // 2)
    coarse_weight = _scaled(weight, half, Image.Resampling.BOX)
    coarse = _scaled(rgb * weight[..., None], half, Image.Resampling.BOX)
    coarse /= np.where(coarse_weight > 0, coarse_weight, 1)[..., None]
    # The weight saturates: a block counts fully once a quarter of it is visible, so that the
    # colours next to a hole reach into it further than one stray pixel does.
    smooth = _scaled(_pull_push(coarse, np.minimum(4 * coarse_weight, 1)), (width, height))
    return np.where(weight[..., None] > 0, rgb, smooth)


def _resample(picture: Picture, size: tuple[int, int], box: _Box) -> Picture:
    """Resample the part `box` (left, top, right, bottom) of the picture to `size`."""
    shrinks = size[0] <= box[2] - box[0] and size[1] <= box[3] - box[1]
    method = Image.Resampling.LANCZOS if shrinks else Image.Resampling.BICUBIC
    if picture.alpha is None:
        return Picture(np.clip(_scaled(picture.rgb, size, method, box), 0, 1), tags=picture.tags)
    alpha = np.clip(_scaled(picture.alpha, size, method, box), 0, 1)
    rgb = _scaled(picture.rgb * picture.alpha[..., None], size, method, box)
    rgb /= np.maximum(alpha, _VISIBLE)[..., None]
    return Picture(fill_hidden(np.clip(rgb, 0, 1), alpha), alpha, picture.tags)


def _scaled(
    values: NDArray[np.float32],
    size: tuple[int, int],
    method: Image.Resampling = Image.Resampling.BILINEAR,
    box: _Box | None = None,
) -> NDArray[np.float32]:
    """(H, W) or (H, W, C) float32 resampled to `size` (width, height) in float32 by Pillow."""
    if values.ndim == 3:
        channels = [_scaled(values[..., c], size, method, box) for c in range(values.shape[2])]
        return np.stack(channels, axis=-1)
    plane = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    return np.array(plane.resize(size, method, box), dtype=np.float32)


def planar(picture: Picture) -> NDArray[np.float32]:
    """(1, 3, H, W)."""
    return np.ascontiguousarray(picture.rgb.transpose(2, 0, 1)[None])


def from_planar(array: NDArray[np.floating], alpha: NDArray[np.float32] | None) -> Picture:
    """A picture of (1, 3, H, W), brought into [0, 1], and alpha."""
    rgb = np.clip(array[0].transpose(1, 2, 0), 0.0, 1.0).astype(np.float32, order="C")
    return Picture(rgb, alpha)


def tags_of(image: Image.Image) -> Tags:
    """Those of a Pillow image that has been loaded."""
    exif: Mapping[int, Any] = {}
    with (
        warnings.catch_warnings(),
        suppress(Exception),
    ):  # a block too broken to parse: nearly anything is raised
        warnings.simplefilter("ignore")  # of tags that are not asked for
        exif = dict(image.getexif())
    found = tags_in(exif)
    own = image.info
    named = (own.get("Author") or found.author, own.get("Copyright") or found.copyright)
    return clean_tags(own.get("dpi") or found.dpi, *named)


def clean_tags(dpi: Any, author: Any, copyright_: Any) -> Tags:
    """What a file says, as far as it can be."""
    return Tags(_dpi(dpi), _words(author), _words(copyright_))


def tags_in(exif: Mapping[int, Any]) -> Tags:
    """Those of values by `NUMBERS`, as EXIF and TIFF have them."""
    unit = _PER_INCH.get(exif.get(_UNIT, _INCH), 0.0)
    return Tags(
        _dpi((exif.get(_X), exif.get(_Y)), unit), _words(exif.get(_ARTIST)), _words(exif.get(_COPYRIGHT))
    )


def _dpi(pair: Any, unit: float = 1.0) -> tuple[float, float] | None:
    """Two numbers or fractions that can be; else None."""
    try:
        across, down = (unit * (one[0] / one[1] if isinstance(one, tuple) else float(one)) for one in pair)
    except (TypeError, ValueError, ArithmeticError, LookupError):
        return None
    possible = all(math.isfinite(one) and 1 <= one <= DENSEST for one in (across, down))
    return (across, down) if possible else None


def _words(value: Any) -> str:
    """Text that Pillow or tifffile takes for Latin-1, and most programs write in UTF-8."""
    if not isinstance(value, (str, bytes)):
        return ""
    with suppress(UnicodeError):
        value = (value.encode("latin-1") if isinstance(value, str) else value).decode()
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    plain = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(plain.split())[:_LONGEST]
