"""TIFF beyond what Pillow reads right. tifffile writes the files; what is in them is worked out here."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from nst.errors import ImageError
from nst.pictures import tiff
from nst.pictures.kinds import from_object
from nst.pictures.reading import read_picture

HEIGHT, WIDTH = 40, 56
LAYOUTS = [(None, None), (None, (16, 32)), ("zlib", None), ("zlib", (16, 32))]
KINDS = {  # photometric, samples, extra samples
    "grey": ("minisblack", 1, None),
    "white is zero": ("miniswhite", 1, None),
    "grey and alpha": ("minisblack", 2, ["unassalpha"]),
    "RGB": ("rgb", 3, None),
    "RGBA": ("rgb", 4, ["unassalpha"]),
    "CMYK": ("separated", 4, None),
}


def waves(samples):
    """(H, W, samples) from 0.3 to 0.7, each sample another picture."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack(
        [0.5 + 0.1 * (np.sin(x / (5 + c)) + np.cos(y / (4 + c))) for c in range(samples)], axis=-1
    )


def stored(values, dtype):
    top = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    scaled = values * top
    return (np.rint(scaled) if top > 1 else scaled).astype(dtype)


def write(path, values, kind, planar="contig", order="<", compression=None, tile=None, **more):
    photometric, samples, extra = KINDS[kind]
    data = np.moveaxis(values, -1, 0) if planar == "separate" else values
    tifffile.imwrite(
        path,
        np.ascontiguousarray(data if samples > 1 else values[..., 0]),
        photometric=photometric,
        planarconfig=planar if samples > 1 else None,
        extrasamples=extra,
        byteorder=order,
        compression=compression,
        tile=tile,
        rowsperstrip=None if tile else 7,
        metadata=None,
        **more,
    )
    return path


def meant(values, kind):
    """What the samples show, by TIFF 6.0: RGB and alpha."""
    if kind == "CMYK":
        return (1 - values[..., :3]) * (1 - values[..., 3:]), None
    if kind in ("RGB", "RGBA"):
        return values[..., :3], values[..., 3] if kind == "RGBA" else None
    grey = 1 - values[..., :1] if kind == "white is zero" else values[..., :1]
    return np.repeat(grey, 3, axis=2), values[..., 1] if kind == "grey and alpha" else None


def check(path, values, kind, tolerance):
    rgb, alpha = meant(values, kind)
    picture = read_picture(path)
    np.testing.assert_allclose(picture.rgb, rgb, atol=tolerance)
    assert picture.rgb.flags.c_contiguous
    assert (picture.alpha is None) == (alpha is None)
    if alpha is not None:
        np.testing.assert_allclose(picture.alpha, alpha, atol=tolerance)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("kind", KINDS)
def test_16_bits_in_every_layout(kind, planar, order, tmp_path):
    values = waves(KINDS[kind][1])
    for compression, tile in LAYOUTS:
        path = write(tmp_path / "a.tif", stored(values, np.uint16), kind, planar, order, compression, tile)
        check(path, values, kind, 1.01 / 65535)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_every_depth(kind, dtype, tmp_path):
    values = waves(KINDS[kind][1])
    tolerance = {1: 1.6 / 255, 2: 1e-3}.get(np.dtype(dtype).itemsize, 1e-6)
    for planar, order in (("contig", ">"), ("separate", "<")):
        check(write(tmp_path / "a.tif", stored(values, dtype), kind, planar, order), values, kind, tolerance)


def test_a_predictor_is_undone(tmp_path):
    values = waves(3)
    path = write(
        tmp_path / "a.tif",
        stored(values, np.uint16),
        "RGB",
        "separate",
        ">",
        compression="zlib",
        predictor=True,
    )
    check(path, values, "RGB", 1.01 / 65535)


def packed(levels, bits, samples, order):
    """A TIFF by hand whose samples follow each other bit by bit, each row in whole bytes (TIFF 6.0, page 39)."""
    rows = ["".join(f"{level:0{bits}b}" for level in row) for row in levels]
    wide = -(-len(rows[0]) // 8)
    data = b"".join(int(row.ljust(8 * wide, "0"), 2).to_bytes(wide, "big") for row in rows)
    size = len(levels[0]) // samples, len(levels)
    tags = [(256, size[0]), (257, size[1]), (258, bits), (259, 1), (262, 2 if samples == 3 else 1), (273, 8)]
    tags += [(277, samples), (278, size[1]), (279, len(data))]
    directory = struct.pack(order + "H", len(tags))
    directory += b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags)
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8 + len(data))
    return start + data + directory + bytes(4)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_bits_that_fill_no_bytes_reach_white(bits, order, tmp_path):
    top = 2**bits - 1
    levels = np.array([[0, 1, top // 2], [top, 300, 20]])
    (tmp_path / "a.tif").write_bytes(packed(levels.tolist(), bits, 1, order))
    np.testing.assert_allclose(read_picture(tmp_path / "a.tif").rgb[..., 1], levels / top, atol=1e-6)
    (tmp_path / "a.tif").write_bytes(packed(levels.tolist(), bits, 3, order))
    np.testing.assert_allclose(read_picture(tmp_path / "a.tif").rgb[:, 0], levels / top, atol=1e-6)


@pytest.mark.parametrize(("top", "white"), [(255, 255), (256, 65535), (65535, 65535)])
def test_small_values_in_32_bits_are_8_or_16_bits(top, white, tmp_path):
    levels = np.array([[0, top // 2, top]])
    for dtype in (np.int32, np.uint32):
        tifffile.imwrite(tmp_path / "a.tif", levels.astype(dtype), photometric="minisblack", metadata=None)
        np.testing.assert_allclose(read_picture(tmp_path / "a.tif").rgb[..., 0], levels / white, atol=1e-6)


def test_premultiplied_alpha_is_divided_out(tmp_path):
    shown, alpha = waves(3), np.full((HEIGHT, WIDTH, 1), 0.25)
    values = np.concatenate([shown * alpha, alpha], axis=2).astype(np.float32)
    tifffile.imwrite(
        tmp_path / "a.tif", values, photometric="rgb", extrasamples=["assocalpha"], metadata=None
    )
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_allclose(picture.rgb, shown, atol=1e-6)
    np.testing.assert_allclose(picture.alpha, 0.25, atol=1e-6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_that_of_8_bits(orientation, tmp_path):
    """Pillow turns the one, nst the other."""
    values = waves(3)
    tag = [(274, "H", 1, orientation, True)]
    for name, dtype in (("wide", np.uint16), ("narrow", np.uint8)):
        write(tmp_path / f"{name}.tif", stored(values, dtype), "RGB", extratags=tag)
    wide, narrow = (read_picture(tmp_path / f"{name}.tif") for name in ("wide", "narrow"))
    assert wide.size == narrow.size == ((WIDTH, HEIGHT) if orientation < 5 else (HEIGHT, WIDTH))
    np.testing.assert_allclose(wide.rgb, narrow.rgb, atol=1 / 255)


def test_what_a_caller_opened_and_pillow_scrambles_is_refused(tmp_path):
    for kind, dtype, planar, right in (
        ("RGB", np.uint16, "separate", False),
        ("CMYK", np.uint16, "separate", False),
        ("RGB", np.uint16, "contig", True),
        ("RGB", np.uint8, "separate", True),
    ):
        values = waves(KINDS[kind][1])
        with Image.open(write(tmp_path / "a.tif", stored(values, dtype), kind, planar)) as image:
            if right:
                np.testing.assert_allclose(from_object(image)[0].rgb, meant(values, kind)[0], atol=1.6 / 255)
                continue
            with pytest.raises(
                ImageError, match="Pillow mixes up the planes of such a TIFF; give the file's path"
            ):
                from_object(image)


# which page


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_thumbnail_before_the_picture_is_passed_over(dtype, inner, tmp_path):
    whole = stored(waves(3), dtype)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        options = {"photometric": "rgb", "metadata": None}
        writer.write(whole[:4, :5], subfiletype=1, subifds=int(inner), **options)
        writer.write(whole, **options)
    check(tmp_path / "a.tif", waves(3), "RGB", 1.01 / np.iinfo(dtype).max)


def test_the_first_of_several_pages_and_a_lone_thumbnail(tmp_path):
    whole = stored(waves(3), np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in (whole, whole[:9]):
            writer.write(page, photometric="rgb", metadata=None)
    check(tmp_path / "a.tif", waves(3), "RGB", 1.01 / 255)
    tifffile.imwrite(tmp_path / "b.tif", whole, photometric="rgb", subfiletype=1, metadata=None)
    check(tmp_path / "b.tif", waves(3), "RGB", 1.01 / 255)


@pytest.mark.parametrize(
    "more", [{"extratags": [(50706, "B", 4, (1, 4, 0, 0), True)]}, {"photometric": 32803}]
)
def test_a_raw_file_is_named(more, tmp_path):
    thumbnail = stored(waves(3), np.uint8)[:4, :5]
    with tifffile.TiffWriter(tmp_path / "a.dng") as writer:
        dng = {"extratags": more.get("extratags")}
        writer.write(thumbnail, photometric="rgb", subfiletype=1, subifds=1, metadata=None, **dng)
        sensor = stored(waves(1), np.uint16)[..., 0]
        writer.write(sensor, photometric=more.get("photometric", "minisblack"), metadata=None)
    with pytest.raises(ImageError, match=r"a\.dng: it is a camera raw file; develop it"):
        read_picture(tmp_path / "a.dng")


# what is refused


def message(path):
    with pytest.raises(ImageError) as caught:
        read_picture(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_has_no_meaning_says_so(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.array([[-5, 100]], np.int16), photometric="minisblack", metadata=None)
    assert "its samples have a sign" in message(path)
    tifffile.imwrite(path, np.array([[0.0, 20.0]], np.float64), photometric="minisblack", metadata=None)
    assert "float values run from 0 to 20" in message(path)
    tifffile.imwrite(
        path, np.array([[0.0, np.nan, 1.0]], np.float32), photometric="minisblack", metadata=None
    )
    assert "float values run from nan to nan" in message(path)
    tifffile.imwrite(path, np.ones((8, 8), np.complex64), photometric="minisblack", metadata=None)
    assert "a.tif" in message(path)


def test_a_compression_that_is_not_known_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff, "find_spec", lambda name: None)
    buffer = io.BytesIO()
    write(buffer, stored(waves(3), np.float32), "RGB")
    data = buffer.getvalue()
    entry = struct.pack("<HHI", 259, 3, 1)  # Compression, SHORT, one value
    at = data.index(entry) + len(entry)
    (tmp_path / "a.tif").write_bytes(data[:at] + struct.pack("<H", 5) + data[at + 2 :])
    assert "32-bit" in message(tmp_path / "a.tif")
    assert "LZW; pip install 'nst[tiff]'" in message(tmp_path / "a.tif")


def test_a_strip_that_unpacks_to_more_than_the_picture_is_no_bomb(tmp_path):
    buffer = io.BytesIO()
    write(buffer, stored(waves(3), np.uint16), "RGB", compression="zlib")
    data = buffer.getvalue()
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        entry, bomb = page.tags["StripByteCounts"], zlib.compress(bytes(10**7))
        first = page.tags["StripOffsets"]
    data = bytearray(data + bomb)
    data[entry.valueoffset : entry.valueoffset + entry.valuebytecount // entry.count] = len(bomb).to_bytes(
        entry.valuebytecount // entry.count, "little"
    )
    size = first.valuebytecount // first.count
    data[first.valueoffset : first.valueoffset + size] = (len(data) - len(bomb)).to_bytes(size, "little")
    (tmp_path / "a.tif").write_bytes(data)
    assert "a strip or tile holds more than the picture has" in message(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_cut_short(dtype, tmp_path):
    for compression in (None, "zlib"):
        path = write(tmp_path / "a.tif", stored(waves(3), dtype), "RGB", compression=compression)
        data = path.read_bytes()
        for part in (0.2, 0.6, 0.95):
            path.write_bytes(data[: int(len(data) * part)])
            assert "damaged or cut short" in message(path)


# a part at a time


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_a_large_page_is_reduced_in_parts(planar, dtype, tmp_path):
    """Means of 3 x 3 pixels, the last ones narrower; strips and tiles do not end with the blocks."""
    values = waves(4)
    rows, columns = np.arange(0, HEIGHT, 3), np.arange(0, WIDTH, 3)
    sums = np.add.reduceat(np.add.reduceat(values, rows, 0), columns, 1)
    counts = np.minimum(3, HEIGHT - rows)[:, None] * np.minimum(3, WIDTH - columns)
    want = sums / counts[..., None]
    for compression, tile in LAYOUTS:
        path = write(tmp_path / "a.tif", stored(values, dtype), "RGBA", planar, "<", compression, tile)
        # 2240 pixels: three floats each are too many
        picture = read_picture(path, longest=WIDTH // 3, max_pixels=2240)
        assert picture.size == (19, 14)
        np.testing.assert_allclose(picture.rgb, want[..., :3], atol=1.01 / 255 if dtype is np.uint8 else 1e-4)
        np.testing.assert_allclose(
            picture.alpha, want[..., 3], atol=1.01 / 255 if dtype is np.uint8 else 1e-4
        )


def test_signalling_nans_are_refused_without_a_warning(tmp_path):
    """Twelve of ten thousand mutants made numpy print a warning on the terminal."""
    values = np.full((8, 8, 3), 0.5, np.float32)
    values.view(np.uint32)[3, 4, 1] = 0x7F800001  # "invalid value encountered" in every sum
    tifffile.imwrite(tmp_path / "nan.tif", values, photometric="rgb")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError, match="remove what is not finite"):
            read_picture(tmp_path / "nan.tif")
