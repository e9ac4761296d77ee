"""A Pillow image of any mode -> `Picture`: upright, in sRGB, float32.

Where Pillow itself reduces 16 bits a channel to 8, so does this: RGB, RGBA and grey with alpha. 16-bit grey without
alpha and float grey keep their precision, and so does every TIFF that is read by `nst.pictures.tiff`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nst.errors import ImageError
from nst.pictures.large import reduced
from nst.pictures.opening import CODE_POINTS, bomb, damaged
from nst.pictures.picture import Picture, fill_hidden, tags_of
from nst.pictures.profiles import SRGB_CHROMATICITIES, from_code_points, from_gamma, needs_conversion, to_srgb

_WHITE_IS_ZERO = 0  # TIFF 6.0, tag 262 PhotometricInterpretation
_BITS, _COMPRESSION, _PHOTOMETRIC, _PLANAR = 258, 259, 262, 284
_PLANES = 2
_ORIENTATION = 274
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ROUNDING = 1e-3  # floats this far outside [0, 1] come from resampling or half precision
_GAMMA = 1 / 2.2  # what programs write that mean sRGB


def decode(image: Image.Image, name: str, factor: int = 1) -> Picture:
    """Turn a Pillow image of any mode into a `Picture`, its sides divided by `factor` (see `nst.pictures.large`).

    Its `info` may hold an ICC profile, EXIF, transparency, code points. ImageError: the pixels cannot be decoded or
    have no meaning as a picture.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if _is_scrambled(image):
                raise ImageError(
                    f"cannot use {name}: Pillow mixes up the planes of such a TIFF; give the file's path"
                )
            image.load()
            samples, alpha = _split_alpha(image, name, factor)
            turn = _turn(image)
            if turn is not None:
                samples = samples.transpose(turn)
                alpha = None if alpha is None else np.asarray(Image.fromarray(alpha).transpose(turn))
            rgb = _in_srgb(samples, image, name)
        except ImageError:
            raise
        except MemoryError as error:
            raise ImageError(f"cannot read {name}: not enough memory; make it smaller first") from error
        except Image.DecompressionBombError as error:
            raise bomb(error, name) from error
        except Exception as error:  # damaged data can raise anything from Pillow's decoders
            raise damaged(error, name) from error
    return Picture(rgb if alpha is None else fill_hidden(rgb, alpha), alpha, tags_of(image))


def check_range(values: NDArray[np.floating], low: float, high: float, name: str) -> NDArray[np.float32]:
    """Floats as float32 clipped to [0, 1].

    ImageError: `low` or `high`, the least and the largest, are further out than rounding explains.
    """
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # false for NaN as well
        raise ImageError(
            f"{name}: float values run from {low:g} to {high:g}; "
            "scale them to [0, 1] and remove what is not finite"
        )
    return np.clip(values.astype(np.float32), 0, 1)


def full_range(low: int, high: int, dtype: np.dtype[Any], name: str) -> int:
    """What is white in integers of 32 bits, which are 8 or 16 bits in a larger room unless they are more.

    ImageError: `low`, the least, is below 0, or `high` is beyond 16 bits of a type with a sign: nothing tells.
    """
    if low < 0 or (high > 65535 and dtype.kind == "i"):
        raise ImageError(f"cannot use {name}: grey values run from {low} to {high}; save it with 16 bits")
    return 255 if high <= 255 else 65535 if high <= 65535 else int(np.iinfo(dtype).max)


def _is_scrambled(image: Image.Image) -> bool:
    """Whether it was opened by a caller, and Pillow reads it wrong without a word; see `nst.pictures.tiff`."""
    tags = getattr(image, "tag_v2", None)
    if not tags or tags.get(_PLANAR) != _PLANES:
        return False
    wide = max(tags.get(_BITS, (1,))) == 16 and tags.get(_COMPRESSION) == 1
    return image.mode == "LA" or (wide and len(image.getbands()) > 1)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What makes it upright, by EXIF 2.32, section 4.6.4."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # an EXIF block too broken to parse: nearly anything is raised, and it says nothing
        return None


def _split_alpha(
    image: Image.Image, name: str, factor: int
) -> tuple[Image.Image, NDArray[np.float32] | None]:
    """Reduced samples in mode L, I;16, F, RGB, CMYK or LAB, and alpha (H, W) or None."""
    if image.mode.startswith("I"):
        values, key = np.asarray(image), image.info.get("transparency")
        grey = reduced(Image.fromarray(_sixteen_bits(values, image, name)), factor)
        if key is None:
            return grey, None
        return grey, np.asarray(reduced(Image.fromarray((values != key).astype(np.float32)), factor))
    image = reduced(image, factor)
    if image.has_transparency_data:
        colour = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
        both = image.convert(colour + "A")
        alpha = np.asarray(both.getchannel("A"), dtype=np.float32) / np.float32(255)
        return both.convert(colour), alpha
    if image.mode in ("F", "CMYK", "LAB"):
        return image, None
    return image.convert("L" if image.mode in ("1", "L") else "RGB"), None


def _sixteen_bits(values: NDArray[np.integer], image: Image.Image, name: str) -> NDArray[np.uint16]:
    """What Pillow has in the modes I, I;16, I;16L and I;16B as (H, W) uint16, black 0 and white 65535."""
    tags = getattr(image, "tag_v2", {})
    if image.mode == "I" and image.format != "PPM":  # which Pillow brings to 16 bits itself
        white = full_range(int(values.min()), int(values.max()), values.dtype, name)
    else:
        bits = tags.get(_BITS, (16,))
        white = 2 ** min(16, bits[0]) - 1
    scaled = values if white == 65535 else np.rint(values * (65535 / white))
    levels: NDArray[np.uint16] = scaled.astype(np.uint16)
    # which Pillow inverts at 8 bits, and not at 16
    return ~levels if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else levels


def _in_srgb(samples: Image.Image, image: Image.Image, name: str) -> NDArray[np.float32]:
    """(H, W, 3) in [0, 1], by the first of what a PNG may say of its colours (its specification, section 4.3)."""
    points = image.info.get(CODE_POINTS)
    if points is not None:
        rgb = _as_floats(to_srgb(samples, None), name)
        return from_code_points(rgb, *points) if needs_conversion(*points) else rgb
    rgb = _as_floats(to_srgb(samples, image.info.get("icc_profile")), name)
    gamma, chromaticities = image.info.get("gamma"), image.info.get("chromaticity")
    if gamma is None or image.format != "PNG" or "icc_profile" in image.info or "srgb" in image.info:
        return rgb
    usual = abs(gamma - _GAMMA) < 0.005
    if not usual or (chromaticities and not np.allclose(chromaticities, SRGB_CHROMATICITIES, atol=0.002)):
        return from_gamma(rgb, gamma, chromaticities) if 0.01 < gamma < 100 else rgb
    return rgb


def _as_floats(image: Image.Image, name: str) -> NDArray[np.float32]:
    """Mode L, I;16, F or RGB as (H, W, 3) float32 in [0, 1]."""
    values = np.asarray(image)
    if values.dtype.kind == "f":
        rgb = check_range(values, float(values.min()), float(values.max()), name)
    else:
        rgb = values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)
    return rgb if rgb.ndim == 3 else np.repeat(rgb[..., None], 3, axis=2)
