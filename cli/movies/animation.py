"""Frames of an animated GIF, WebP, PNG or AVIF, by Pillow."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from nst.cli.movies.film import Timing
from nst.errors import ImageError
from nst.pictures.opening import bomb, damaged, open_file, open_picture

FRAME = 2**25  # pixels; 8K has as many
_ALL = 2**32  # pixels of all frames together: half an hour of stamps, a minute and a half of full HD
_LEAST, _USUAL = 10, 100
"""Milliseconds: browsers show nothing for less, and what says 0 for a tenth of a second."""


def is_animation(file: Path) -> bool:
    """Whether Pillow has to read the frames: it is of a format that may have several."""
    with open_file(file) as opened:
        head = opened.read(12)
    return (
        head.startswith((b"GIF8", b"\x89PNG"))
        or head[8:] == b"WEBP"
        or head[4:] in (b"ftypavif", b"ftypavis")
    )


class Animation:
    """An animated picture; ImageError if it is not a picture, damaged, or larger than any film."""

    def __init__(self, file: Path) -> None:
        self._file = file
        with open_file(file) as opened:
            image = self._open(opened)
            self.count = int(_guarded(lambda: getattr(image, "n_frames", 1), file))
            if image.width * image.height * self.count > _ALL:
                raise ImageError(
                    f"cannot read {file}: {self.count:,} frames are too many; make a movie of it first"
                )
            durations = [
                _guarded(lambda number=number: _duration(image, number), file) for number in range(self.count)
            ]
        self.timing = Timing(
            Fraction(1000 * self.count, sum(durations)), [Fraction(ms, 1000) for ms in durations]
        )

    def frames(self) -> Iterator[Image.Image]:
        """One after the other, RGB or RGBA; ImageError if one is damaged."""
        with open_file(self._file) as opened:
            image = self._open(opened)
            for number in range(self.count):
                yield _guarded(lambda number=number: _frame(image, number), self._file)

    def _open(self, opened: BinaryIO) -> Image.Image:
        image = open_picture(opened, self._file)
        pixels = image.width * image.height
        if pixels > FRAME:
            raise ImageError(
                f"cannot read {self._file}: frames of {pixels:,} pixels, above the limit of {FRAME:,} against "
                "decompression bombs; make it smaller first"
            )
        return image


def _duration(image: Image.Image, number: int) -> int:
    image.seek(number)
    image.load()  # WebP tells the duration then
    return max(_LEAST, round(image.info.get("duration", 0)) or _USUAL)


def _frame(image: Image.Image, number: int) -> Image.Image:
    image.seek(number)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _guarded(read: Any, file: Path) -> Any:
    """What `read` returns, or one line: damaged frames can raise anything from Pillow's decoders."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read()
        except Image.DecompressionBombError as error:
            raise bomb(error, file) from error
        except Exception as error:
            raise damaged(error, file) from error
