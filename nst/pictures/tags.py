"""What a photograph's file says that its painting says too: dots per inch, author, copyright.

And nothing else: neither where it was taken, nor when, nor with what.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

# EXIF 2.32, section 4.6.4
_X, _Y, _UNIT, _ARTIST, _COPYRIGHT = NUMBERS = (282, 283, 296, 315, 33432)
_INCH, _PER_INCH = 2, {2: 1.0, 3: 2.54}  # by the unit: 3 is centimetres
_LONGEST = 1000  # letters
DENSEST = 65535  # dots per inch, of which JFIF has 16 bits


@dataclass(frozen=True)
class Tags:
    """See the module."""

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
