"""ICC profiles: built here byte by byte, and the results compared with colour arithmetic done here."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from nst.pictures import profiles
from nst.pictures.kinds import from_object
from nst.pictures.picture import to_uint8
from nst.pictures.profiles import srgb_profile
from nst.pictures.reading import read_picture

D50 = np.array([0.9642, 1.0, 0.8249])
D65 = np.array([0.95047, 1.0, 1.08883])
SRGB_PRIMARIES = [(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)]
P3_PRIMARIES = [(0.680, 0.320), (0.265, 0.690), (0.150, 0.060)]


def _decode(v: np.ndarray) -> np.ndarray:
    """sRGB to linear light, IEC 61966-2-1."""
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def _encode(v: np.ndarray) -> np.ndarray:
    v = np.clip(v, 0, 1)
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * v ** (1 / 2.4) - 0.055)


def _matrix(primaries: list[tuple[float, float]]) -> np.ndarray:
    """Linear RGB (D65 white) to XYZ under D50, Bradford-adapted: the columns are the primaries."""
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    xyz = xyz * np.linalg.solve(xyz, D65)
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    gain = np.diag((bradford @ D50) / (bradford @ D65))
    return np.linalg.inv(bradford) @ gain @ bradford @ xyz


def _fixed(values: np.ndarray) -> bytes:
    return b"".join(struct.pack(">i", round(float(v) * 65536)) for v in values)


def _profile(kind: bytes, space: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC v2.4 profile: 128 bytes of header, the tag table, the tags (ICC.1:2001-04, section 6)."""
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78)
    tags = {b"desc": text, b"cprt": b"text\0\0\0\0none\0", b"wtpt": b"XYZ \0\0\0\0" + _fixed(D50), **tags}
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">2I", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI", start + len(body), b"none", 0x02400000) + kind + space + pcs
    head += struct.pack(">6H", 2001, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(D50)
    return head.ljust(128, b"\0") + table + body


def _gamma(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)


def _rgb_profile(matrix: np.ndarray, gamma: float) -> bytes:
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    tags = {name: b"XYZ \0\0\0\0" + _fixed(matrix[:, i]) for i, name in enumerate(names)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _gamma(gamma))
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def _grey_profile(gamma: float) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _gamma(gamma)})


def _cmyk_profile() -> bytes:
    """Ink as it is not: L* = 100 (1 - K) whatever C, M and Y are (lut8Type, 2 points an axis)."""
    ramp = bytes(range(256))
    grid = b"".join(bytes([255 * (1 - k), 128, 128]) for _ in range(8) for k in (0, 1))  # K runs fastest
    identity = _fixed(np.eye(3).ravel())
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + ramp * 4 + grid + ramp * 3
    return _profile(b"scnr", b"CMYK", b"Lab ", {b"A2B0": lut})


def _colours() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (12, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("extension", ["png", "tif", "webp", "jpg"])
def test_display_p3(tmp_path: Path, extension: str):
    values = _colours()
    if extension == "jpg":
        values = np.kron(values[:3, :4], np.ones((16, 16, 1), np.uint8))  # flat blocks survive JPEG
    path = tmp_path / f"a.{extension}"
    options = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}.get(extension, {})
    Image.fromarray(values).save(path, icc_profile=_rgb_profile(_matrix(P3_PRIMARIES), 2.2), **options)
    linear = (values / 255) ** (round(2.2 * 256) / 256)
    to_srgb = np.linalg.inv(_matrix(SRGB_PRIMARIES)) @ _matrix(P3_PRIMARIES)
    expected = _encode(linear @ to_srgb.T)
    error = np.abs(read_picture(path).rgb - expected) * 255
    # half a level of rounding, then the slope of the curves near black; JPEG adds its own
    assert np.median(error) < 0.6
    assert error.max() < (4 if extension == "jpg" else 2)
    assert np.abs(values / 255 - expected).max() * 255 > 20  # ignoring the profile would not pass


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_a_tiff_that_tifffile_reads(tmp_path: Path, planar: str, dtype: type):
    values = _colours()
    wide = values.astype(np.uint16) * 257 if dtype is np.uint16 else values.astype(np.float32) / 255
    data = np.ascontiguousarray(np.moveaxis(wide, -1, 0)) if planar == "separate" else wide
    how = {"photometric": "rgb", "planarconfig": planar, "metadata": None}
    swapped = _rgb_profile(_matrix(SRGB_PRIMARIES)[:, [2, 0, 1]], 1.0)
    tifffile.imwrite(tmp_path / "a.tif", data, iccprofile=swapped, **how)
    expected = _encode(values[..., [1, 2, 0]] / 255)
    np.testing.assert_allclose(read_picture(tmp_path / "a.tif").rgb, expected, atol=1.5 / 255)
    # sRGB by its own name changes nothing, not even in the last of 16 bits
    tifffile.imwrite(tmp_path / "a.tif", data, iccprofile=srgb_profile(), **how)
    np.testing.assert_allclose(read_picture(tmp_path / "a.tif").rgb, values / 255, atol=1e-6)
    grey = np.ascontiguousarray(wide[..., 0])
    tifffile.imwrite(
        tmp_path / "a.tif", grey, photometric="minisblack", iccprofile=_grey_profile(1.0), metadata=None
    )
    np.testing.assert_allclose(
        read_picture(tmp_path / "a.tif").rgb[..., 1], _encode(values[..., 0] / 255), atol=1e-4
    )
    ink = np.concatenate([wide, wide[..., :1]], axis=2)
    tifffile.imwrite(
        tmp_path / "a.tif", ink, photometric="separated", iccprofile=_cmyk_profile(), metadata=None
    )
    light = values[..., 0] / 255  # L* = 100 (1 - K)
    luminance = np.where(light >= 0.92, (1 - light) * 100 / 903.3, ((100 * (1 - light) + 16) / 116) ** 3)
    np.testing.assert_allclose(read_picture(tmp_path / "a.tif").rgb[..., 1], _encode(luminance), atol=0.02)


def test_a_profile_of_more_than_a_mebibyte_in_a_png(tmp_path: Path):
    """Pillow calls such a picture damaged."""
    values = _colours()
    swapped = _rgb_profile(_matrix(SRGB_PRIMARIES)[:, [2, 0, 1]], 1.0) + bytes(2 * 2**20)
    Image.fromarray(values).save(tmp_path / "a.png", icc_profile=swapped)
    expected = _encode(values[..., [1, 2, 0]] / 255)
    np.testing.assert_allclose(read_picture(tmp_path / "a.png").rgb, expected, atol=1.5 / 255)


def test_a_profile_with_swapped_primaries_swaps_the_channels(tmp_path: Path):
    values = _colours()
    swapped = _rgb_profile(_matrix(SRGB_PRIMARIES)[:, [2, 0, 1]], 1.0)
    Image.fromarray(values).save(tmp_path / "a.png", icc_profile=swapped)
    expected = _encode(values[..., [1, 2, 0]] / 255)
    np.testing.assert_allclose(read_picture(tmp_path / "a.png").rgb, expected, atol=1.5 / 255)


def test_alpha_passes_the_profile_unchanged(tmp_path: Path):
    values = np.dstack([_colours(), np.arange(16, 208, dtype=np.uint8).reshape(12, 16)])
    swapped = _rgb_profile(_matrix(SRGB_PRIMARIES)[:, [2, 0, 1]], 1.0)
    Image.fromarray(values).save(tmp_path / "a.png", icc_profile=swapped)
    picture = read_picture(tmp_path / "a.png")
    assert np.array_equal(to_uint8(picture.alpha), values[..., 3])
    np.testing.assert_allclose(picture.rgb, _encode(values[..., [1, 2, 0]] / 255), atol=1.5 / 255)


@pytest.mark.parametrize("mode", ["P", "L"])
def test_a_colour_profile_on_palette_and_grey(tmp_path: Path, mode: str):
    linear = _rgb_profile(_matrix(SRGB_PRIMARIES), 1.0)
    Image.new("L", (4, 4), 100).convert(mode).save(tmp_path / "a.png", icc_profile=linear)
    expected = _encode(np.array(100 / 255))
    np.testing.assert_allclose(read_picture(tmp_path / "a.png").rgb, expected, atol=1 / 255)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
def test_grey_profile_keeps_16_bits(tmp_path: Path, bits: int, gamma: float):
    top = 2**bits - 1
    levels = np.linspace(0, top, 256).round().astype(np.uint8 if bits == 8 else np.uint16)[None]
    Image.fromarray(levels).save(tmp_path / "a.png", icc_profile=_grey_profile(gamma))
    expected = _encode((levels / top) ** (round(gamma * 256) / 256))
    rgb = read_picture(tmp_path / "a.png").rgb
    for channel in range(3):
        np.testing.assert_allclose(rgb[..., channel], expected, atol=3e-5)  # a level of 16 bits is 1.5e-5


@pytest.mark.parametrize("extension", ["jpg", "tif"])
def test_cmyk_profile(tmp_path: Path, extension: str):
    black = np.arange(0, 256, 51)
    cmyk = np.zeros((16, 16 * 6, 4), np.uint8)
    cmyk[..., 0] = 90  # ink that the profile makes nothing of
    cmyk[..., 3] = np.repeat(black, 16)
    path = tmp_path / f"a.{extension}"
    options = {"quality": 100, "subsampling": 0} if extension == "jpg" else {}
    Image.frombytes("CMYK", (96, 16), cmyk.tobytes()).save(path, icc_profile=_cmyk_profile(), **options)
    lightness = 100 * (1 - black / 255)
    luminance = np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3)
    rgb = read_picture(path).rgb[8, 8::16]
    np.testing.assert_allclose(rgb, np.repeat(_encode(luminance)[:, None], 3, 1), atol=2.5 / 255)


@pytest.mark.parametrize(
    "profile",
    [
        b"nonsense",
        bytes(200),
        _cmyk_profile(),  # of another kind of picture
        _grey_profile(1.0),
        _rgb_profile(_matrix(P3_PRIMARIES), 1.0)[:300],
    ],
)
def test_a_useless_profile_is_ignored(tmp_path: Path, profile: bytes):
    values = _colours()
    Image.fromarray(values).save(tmp_path / "a.png", icc_profile=profile)
    assert np.array_equal(to_uint8(read_picture(tmp_path / "a.png").rgb), values)


def test_srgb_pixels_are_left_alone(tmp_path: Path):
    other = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    values = np.random.default_rng(6).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    for profile in (srgb_profile(), other):
        Image.fromarray(values).save(tmp_path / "a.png", icc_profile=profile)
        assert np.array_equal(to_uint8(read_picture(tmp_path / "a.png").rgb), values)


def test_16_bit_grey_with_an_srgb_profile_keeps_its_precision(tmp_path: Path):
    levels = np.array([[0, 1, 256, 257, 40000, 65534, 65535]], np.uint16)
    Image.fromarray(levels).save(tmp_path / "a.png", icc_profile=srgb_profile())
    assert np.array_equal(np.rint(read_picture(tmp_path / "a.png").rgb[..., 0] * 65535), levels)


def test_the_profile_that_we_write_is_srgb():
    """Our own output, read as if the profile were unknown, moves by a level at most."""
    assert srgb_profile()[24:36] == struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # not the time of the run
    assert len(srgb_profile()) == struct.unpack(">I", srgb_profile()[:4])[0]
    profile = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    linear = ImageCms.ImageCmsProfile(io.BytesIO(_rgb_profile(_matrix(SRGB_PRIMARIES), 1.0)))
    values = _colours()
    moved = ImageCms.buildTransform(profile, linear, "RGB", "RGB").apply(Image.fromarray(values))
    np.testing.assert_allclose(np.asarray(moved) / 255, _decode(values / 255), atol=1.5 / 255)


def test_the_profiles_are_what_their_files_say():
    """srgb.icc: the primaries of IEC 61966-2-1 under D50; grey.icc: its curve, over all 16-bit levels."""
    colour = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())).profile
    assert (colour.xcolor_space.strip(), colour.profile_description) == ("RGB", "sRGB built-in")
    columns = [colour.red_colorant[0], colour.green_colorant[0], colour.blue_colorant[0]]
    np.testing.assert_allclose(np.array(columns).T, _matrix(SRGB_PRIMARIES), atol=5e-4)
    raw = profiles._grey_profile()
    assert len(raw) == struct.unpack(">I", raw[:4])[0]
    assert raw[24:36] == struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    assert ImageCms.ImageCmsProfile(io.BytesIO(raw)).profile.xcolor_space == "GRAY"
    levels = np.arange(65536, dtype=np.uint16)[None]
    ends = [ImageCms.ImageCmsProfile(io.BytesIO(each)) for each in (raw, _grey_profile(1.0))]
    transform = ImageCms.buildTransform(*ends, "I;16", "I;16", flags=ImageCms.Flags.NOOPTIMIZE)
    linear = np.asarray(transform.apply(Image.fromarray(levels))) / 65535
    np.testing.assert_allclose(linear, _decode(levels / 65535), atol=3e-5)


def test_pillow_images_in_memory_are_converted_too():
    image = Image.new("RGB", (2, 2), (100, 100, 100))
    image.info["icc_profile"] = _rgb_profile(_matrix(SRGB_PRIMARIES), 1.0)
    picture, restore = from_object(image)
    expected = float(_encode(np.array(100 / 255)))
    np.testing.assert_allclose(picture.rgb, expected, atol=1 / 255)
    result = restore(picture)
    assert result.info["icc_profile"] == srgb_profile()
    again, _ = from_object(result)
    assert np.array_equal(to_uint8(again.rgb), to_uint8(picture.rgb))
