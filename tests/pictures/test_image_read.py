"""Reading pictures: every kind of file, with the numbers that must come out."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nst.errors import ImageError
from nst.pictures.picture import to_uint8
from nst.pictures.reading import read_picture

# Stored rows for the EXIF orientations 1 to 8 of the upright picture [[1, 2, 3], [4, 5, 6]], from the
# definition of the tag: which side of the scene the stored row 0 and column 0 are.
STORED = {
    1: [[1, 2, 3], [4, 5, 6]],  # row 0 top, column 0 left
    2: [[3, 2, 1], [6, 5, 4]],  # top, right
    3: [[6, 5, 4], [3, 2, 1]],  # bottom, right
    4: [[4, 5, 6], [1, 2, 3]],  # bottom, left
    5: [[1, 4], [2, 5], [3, 6]],  # left, top
    6: [[3, 6], [2, 5], [1, 4]],  # right, top
    7: [[6, 3], [5, 2], [4, 1]],  # right, bottom
    8: [[4, 1], [5, 2], [6, 3]],  # left, bottom
}


def _png(width: int, height: int, colour: int, depth: int, rows: list[bytes], **chunks: bytes) -> bytes:
    """A PNG written by hand, for what Pillow cannot write (PNG specification, section 11)."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">2I5B", width, height, depth, colour, 0, 0, 0))
    extra = b"".join(chunk(name.encode(), data) for name, data in chunks.items())
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + extra + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", ["png", "tif", "webp", "jpg"])
def test_orientation(tmp_path: Path, orientation: int, extension: str):
    stored = np.kron(np.array(STORED[orientation], np.uint8) * 40, np.ones((16, 16), np.uint8))
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"a.{extension}"
    Image.fromarray(stored).convert("RGB").save(path, exif=exif, quality=100, lossless=True)
    picture = read_picture(path)
    assert picture.size == (48, 32)
    middles = picture.rgb[8::16, 8::16, 0] * 255 / 40
    np.testing.assert_allclose(middles, [[1, 2, 3], [4, 5, 6]], atol=0.1)


def test_orientation_turns_alpha_too(tmp_path: Path):
    values = np.full((2, 3, 4), 255, np.uint8)
    values[0, 0, 3] = 100
    exif = Image.Exif()
    exif[274] = 6  # the stored left column is the top row, the stored top row the right column
    Image.fromarray(values).save(tmp_path / "a.png", exif=exif)
    picture = read_picture(tmp_path / "a.png")
    assert picture.size == (2, 3)
    assert to_uint8(picture.alpha).tolist() == [[255, 100], [255, 255], [255, 255]]


def test_a_broken_exif_block_is_ignored(tmp_path: Path):
    Image.new("RGB", (3, 2), (9, 8, 7)).save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert to_uint8(read_picture(tmp_path / "a.png").rgb)[0, 0].tolist() == [9, 8, 7]


@pytest.mark.parametrize(
    ("image", "rgb", "alpha"),
    [
        (Image.new("1", (2, 2), 1), (255, 255, 255), None),
        (Image.new("L", (2, 2), 77), (77, 77, 77), None),
        (Image.new("LA", (2, 2), (77, 128)), (77, 77, 77), 128),
        (Image.new("RGB", (2, 2), (1, 2, 3)), (1, 2, 3), None),
        (Image.new("RGBA", (2, 2), (1, 2, 3, 200)), (1, 2, 3), 200),
        (Image.new("RGBA", (2, 2), (1, 2, 3, 255)), (1, 2, 3), 255),
        (Image.new("RGB", (2, 2), (1, 2, 3)).quantize(2), (1, 2, 3), None),
    ],
)
@pytest.mark.parametrize("extension", ["png", "tif"])
def test_modes(tmp_path: Path, image: Image.Image, rgb, alpha, extension: str):
    image.save(tmp_path / f"a.{extension}")
    picture = read_picture(tmp_path / f"a.{extension}")
    assert picture.rgb.dtype == np.float32
    np.testing.assert_allclose(picture.rgb * 255, np.broadcast_to(rgb, (2, 2, 3)), atol=1e-4)
    if alpha is None:
        assert picture.alpha is None
    else:
        np.testing.assert_allclose(picture.alpha * 255, alpha, atol=1e-4)


def test_hidden_colours_are_replaced(tmp_path: Path):
    values = np.full((6, 6, 4), (0, 255, 0, 0), np.uint8)  # invisible green
    values[2:4, 2:4] = (200, 0, 100, 255)
    Image.fromarray(values).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    np.testing.assert_allclose(picture.rgb * 255, np.broadcast_to((200, 0, 100), (6, 6, 3)), atol=1e-3)
    assert np.array_equal(to_uint8(picture.alpha), values[..., 3])


def test_palette_with_transparency(tmp_path: Path):
    palette = bytes([10, 20, 30, 40, 50, 60])
    (tmp_path / "a.png").write_bytes(_png(2, 1, 3, 8, [b"\0\1"], PLTE=palette, tRNS=b"\x80"))
    picture = read_picture(tmp_path / "a.png")
    assert to_uint8(picture.rgb).tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert to_uint8(picture.alpha).tolist() == [[128, 255]]


@pytest.mark.parametrize(
    ("colour", "depth", "row", "key", "alpha"),
    [
        (0, 8, b"\x00\x80\xff", b"\0\x80", [255, 0, 255]),
        (2, 8, b"\1\2\3\4\5\6\7\x08\x09", b"\0\4\0\5\0\6", [255, 0, 255]),
        # 0x1234 and 0x1235 are one value at 8 bits and two at 16
        (0, 16, b"\x12\x35\x12\x34\xff\xff", b"\x12\x34", [255, 0, 255]),
    ],
)
def test_transparent_colour(tmp_path, colour, depth, row, key, alpha):
    (tmp_path / "a.png").write_bytes(_png(3, 1, colour, depth, [row], tRNS=key))
    assert to_uint8(read_picture(tmp_path / "a.png").alpha).tolist() == [alpha]


def test_gif_and_first_frame(tmp_path: Path):
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    for name in ("a.gif", "a.webp"):
        assert to_uint8(read_picture(tmp_path / name).rgb)[1, 1].tolist() == [255, 0, 0]


@pytest.mark.parametrize("extension", ["jpg", "tif"])
def test_cmyk_without_a_profile(tmp_path: Path, extension: str):
    # Pillow writes Adobe CMYK JPEGs, whose samples are inverted; the formula is (1 - C)(1 - K).
    cmyk = (51, 102, 0, 51)
    Image.new("CMYK", (16, 16), cmyk).save(tmp_path / f"a.{extension}")
    c, m, y, k = (v / 255 for v in cmyk)
    expected = [(1 - c) * (1 - k), (1 - m) * (1 - k), (1 - y) * (1 - k)]
    np.testing.assert_allclose(read_picture(tmp_path / f"a.{extension}").rgb[8, 8], expected, atol=2 / 255)


def test_lab(tmp_path: Path):
    # CIE L* 50, a* = b* = 0 is a grey of luminance ((50 + 16) / 116)^3 = 0.1842, in sRGB 0.4663
    Image.new("LAB", (4, 4), (round(50 * 2.55), 128, 128)).save(tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as image:
        assert image.mode == "LAB"
    luminance = ((round(50 * 2.55) / 2.55 + 16) / 116) ** 3
    grey = 1.055 * luminance ** (1 / 2.4) - 0.055
    np.testing.assert_allclose(read_picture(tmp_path / "a.tif").rgb[0, 0], grey, atol=1.5 / 255)


@pytest.mark.parametrize("kind", ["png", "tif", "big-endian tif", "integer tif"])
def test_16_bit_grey_keeps_its_precision(tmp_path: Path, kind: str):
    levels = np.array([[0, 1, 2, 256, 257, 30000], [30001, 40000, 65000, 65533, 65534, 65535]], np.uint16)
    path = tmp_path / f"a.{kind[-3:]}"
    if kind.startswith("big"):
        Image.frombytes("I;16B", (6, 2), levels.astype(">u2").tobytes()).save(path)
        assert path.read_bytes()[:2] == b"MM"
    else:
        Image.fromarray(levels.astype(np.int32) if kind.startswith("integer") else levels).save(path)
    picture = read_picture(path)
    for channel in range(3):
        assert np.array_equal(np.rint(picture.rgb[..., channel] * 65535), levels)


def test_16_bit_tiff_with_white_as_zero(tmp_path: Path):
    levels = np.array([[0, 1, 65535]], np.uint16)
    Image.fromarray(levels).save(tmp_path / "a.tif")
    # Pillow writes black as zero only: turn PhotometricInterpretation (262, SHORT, 1 value) to 0.
    data = (tmp_path / "a.tif").read_bytes()
    entry = struct.pack("<HHI", 262, 3, 1)
    at = data.index(entry) + len(entry)
    (tmp_path / "a.tif").write_bytes(data[:at] + b"\0\0" + data[at + 2 :])
    picture = read_picture(tmp_path / "a.tif")
    assert np.rint(picture.rgb[0, :, 0] * 65535).tolist() == [65535, 65534, 0]


def test_16_bit_colour_is_reduced_to_8(tmp_path: Path):
    samples = np.array([[0x0000, 0x1234, 0xFFFF], [0x80FF, 0x4000, 0xC0C0]], ">u2")
    (tmp_path / "a.png").write_bytes(_png(2, 1, 2, 16, [samples.tobytes()]))
    values = read_picture(tmp_path / "a.png").rgb[0] * 255
    np.testing.assert_allclose(values, samples.astype(float) / 257, atol=1)
    with_alpha = np.array([[0x1111, 0x2222, 0x3333, 0x8080]], ">u2")
    (tmp_path / "b.png").write_bytes(_png(1, 1, 6, 16, [with_alpha.tobytes()]))
    picture = read_picture(tmp_path / "b.png")
    np.testing.assert_allclose(picture.rgb[0, 0] * 255, [0x11, 0x22, 0x33], atol=1e-4)
    assert picture.alpha[0, 0] * 255 == pytest.approx(0x80)


def test_float_tiff(tmp_path: Path):
    values = np.array([[0, 0.123456, 1]], np.float32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert np.array_equal(read_picture(tmp_path / "a.tif").rgb[..., 2], values)
    for bad in (2.0, np.nan):
        Image.fromarray(values * np.float32(bad)).save(tmp_path / "bad.tif")
        with pytest.raises(ImageError, match=r"bad\.tif: float values"):
            read_picture(tmp_path / "bad.tif")


def test_32_bit_grey_is_refused(tmp_path: Path):
    Image.fromarray(np.array([[0, 70000]], np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"a\.tif: grey values run from 0 to 70000"):
        read_picture(tmp_path / "a.tif")


def test_one_pixel(tmp_path: Path):
    Image.new("RGBA", (1, 1), (5, 6, 7, 128)).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert picture.size == (1, 1)
    assert picture.resized(4, 3).size == (4, 3)
    np.testing.assert_allclose(picture.resized(4, 3).rgb[2, 3] * 255, [5, 6, 7], atol=1e-3)
