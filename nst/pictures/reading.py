"""A picture file -> `Picture`: upright, in sRGB, float32."""

from __future__ import annotations

from typing import BinaryIO

from nst.errors import ImageError
from nst.pictures import png, tiff
from nst.pictures.decoding import decode
from nst.pictures.large import draft, reduction
from nst.pictures.opening import FileSource, damaged, name_of, open_file, open_picture
from nst.pictures.picture import Picture
from nst.settings import MAX_PIXELS


def read_picture(path: FileSource, longest: int | None = None, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture file; of an animation, the first frame, of a TIFF the first page that is not a thumbnail.

    The EXIF orientation is applied, colours (an ICC profile, code points, a gamma) are converted to sRGB, transparency
    of every kind becomes `Picture.alpha`. Colours outside sRGB are clipped to it.

    Args:
        path: or the bytes of the file, or an open binary file. PNG, JPEG, WebP, TIFF, GIF, BMP, AVIF, JPEG 2000, and
            others; HEIC and JPEG XL with their extras.
        longest: the longest side in pixels that is needed. A picture of many more pixels than can be held is reduced
            while it is decoded, to no less than that; others come as they are.
        max_pixels: how many pixels may be held, see `nst.pictures.large`.

    Raises:
        ImageError: missing, no permission, a folder, empty, not a picture, of a kind that is not read, damaged or cut
            short, too many pixels, or values that have no meaning as a picture.

    Examples:
        >>> read_picture("photo.png")
        Picture(40x32)
    """
    name = name_of(path)
    with open_file(path) as file:
        try:
            if tiff.is_tiff(file):
                return _read_tiff(file, name, longest, max_pixels)
            image = open_picture(file, name, max_pixels)
            factor = reduction(image.size, longest, max_pixels, name)
            if factor > 1 and image.format == "PNG":
                small = png.reduced_in_parts(file, image, factor, max_pixels, name)
                if small is not None:
                    return decode(small, name)
            return decode(image, name, draft(image, longest, max_pixels, name))
        except ImageError:
            raise
        except Exception as error:  # damaged data can raise anything
            raise damaged(error, name) from error


def _read_tiff(file: BinaryIO, name: str, longest: int | None, max_pixels: int) -> Picture:
    found = tiff.read(file, name, longest, max_pixels)
    if isinstance(found, Picture):
        return found
    image = open_picture(file, name)
    image.seek(found)
    return decode(image, name, draft(image, longest, max_pixels, name))
