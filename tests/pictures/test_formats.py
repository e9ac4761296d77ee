"""Files that are no pictures, or pictures of kinds that need something: each is called by its name."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nst.errors import ImageError
from nst.pictures import opening
from nst.pictures.opening import format_of
from nst.pictures.reading import read_picture

DATA = Path(__file__).parents[1] / "data"

# from the specifications of the formats, and `file`'s list of signatures
FOREIGN = {
    "a movie": [
        b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41",
        b"\0\0\0\x14ftypqt  \0\0\0\0qt  ",
        b"\x1aE\xdf\xa3\x9fB\x86\x81\1",
        b"RIFF\x24\x10\0\0AVI LIST",
        b"\0\0\x10\0moov",
        b"FLV\1\5\0\0\0\x09",
    ],
    "an SVG drawing": [
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- drawn -->\n<svg width="1">',
    ],
    "a web page": [b"<!DOCTYPE html><html>", b"\n <HTML><body>403 Forbidden", b"<?xml?><html>"],
    "a PDF document": [b"%PDF-1.7\n"],
    "a PostScript drawing": [b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\xc5\xd0\xd3\xc6\x1e\0\0\0"],
    "a camera raw file": [
        b"II*\0\x10\0\0\0CR\2\0",
        b"FUJIFILMCCD-RAW 0201",
        b"IIRO\x08\0\0\0",
        b"IIU\0\x18\0\0\0",
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    ],
    "a Photoshop document": [b"8BPS\0\2\0\0\0\0\0\0\0\3"],
    "a GIMP document": [b"gimp xcf v011\0"],
    "a ZIP archive": [b"PK\3\4\x14\0\6\0"],
    "an OpenEXR picture": [b"v/1\1\2\0\0\0"],
    "a Radiance HDR picture": [b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n"],
}


@pytest.mark.parametrize(("name", "beginning"), [(n, b) for n, many in FOREIGN.items() for b in many])
def test_other_files_are_named(name, beginning, tmp_path):
    path = tmp_path / "a.jpg"  # whatever their names say
    path.write_bytes(beginning + bytes(2000))
    with pytest.raises(ImageError, match=rf"a\.jpg: it is {name}[^;]*; \w+") as caught:
        read_picture(path)
    assert "damaged" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["EPS", "PDF", "SPIDER", "MSP", "XBM", "DDS", "ICNS"])
def test_formats_that_nobody_asked_for_are_not_opened(kind, tmp_path, monkeypatch):
    mode = {"MSP": "1", "XBM": "1", "SPIDER": "F"}.get(kind, "RGB")
    Image.new(mode, (32, 32)).save(tmp_path / "a.xyz", kind)
    monkeypatch.setitem(Image.OPEN, "EPS", (lambda *_: pytest.fail("Ghostscript"), None))
    with pytest.raises(ImageError):
        read_picture(tmp_path / "a.xyz")


@pytest.mark.parametrize(
    "kind",
    [
        "JPEG",
        "PNG",
        "WEBP",
        "TIFF",
        "GIF",
        "BMP",
        "JPEG2000",
        "PPM",
        "TGA",
        "PCX",
        "ICO",
        "SGI",
        "QOI",
        "AVIF",
    ],
)
def test_formats_that_are(kind, tmp_path):
    if kind not in Image.SAVE and (Image.init() or kind not in Image.SAVE):
        pytest.skip(f"this Pillow does not write {kind}")
    Image.new("RGB", (32, 32), (200, 100, 50)).save(tmp_path / "a", kind)
    np.testing.assert_allclose(read_picture(tmp_path / "a").rgb[16, 16] * 255, [200, 100, 50], atol=3)


def test_heic_as_phones_make_it():
    """scikit-image's cat at 300 x 200, whose colours are known, through an encoder with loss."""
    pytest.importorskip("pi_heif")
    data = pytest.importorskip("skimage.data")
    cat = Image.fromarray(data.chelsea()).resize((300, 200), Image.Resampling.LANCZOS)
    picture = read_picture(DATA / "phone.heic")
    assert picture.size == (300, 200)
    assert np.abs(picture.rgb * 255 - np.asarray(cat)).mean() < 4


@pytest.mark.parametrize(
    ("beginning", "extra"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heif"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf", "heif"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
        (b"\xff\x0a\xfa\x1f", "jxl"),
    ],
)
def test_without_a_plug_in_its_extra_is_named(beginning, extra, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pi_heif", None)  # as if not installed
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    for name in ("HEIF", "JXL"):
        monkeypatch.delitem(Image.OPEN, name, raising=False)
    monkeypatch.setattr(opening, "size_of_jxl", lambda file: (8, 8))
    (tmp_path / "a").write_bytes(beginning + bytes(100))
    with pytest.raises(ImageError, match=rf"it is a .* picture; .* pip install 'nst\[{extra}\]'"):
        read_picture(tmp_path / "a")


def test_avif_is_told_from_heic():
    assert format_of(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf").pillow == "AVIF"
    assert format_of(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf").pillow == "AVIF"
    assert format_of(b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf").pillow == "HEIF"


@pytest.mark.parametrize(
    "size",
    [
        *((8, 8), (256, 256), (300, 200), (1000, 3), (257, 8), (12000, 10)),
        pytest.param((1920, 1080), marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("container", [False, True])
def test_jpeg_xl_and_its_size_before_it_is_decoded(size, container, tmp_path):
    pytest.importorskip("pillow_jxl")
    more = {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", "use_container": True} if container else {}
    Image.new("RGB", size, (200, 100, 50)).save(tmp_path / "a", "JXL", **more)
    with (tmp_path / "a").open("rb") as file:
        assert opening.size_of_jxl(file) == size
    np.testing.assert_allclose(read_picture(tmp_path / "a").rgb[1, 1] * 255, [200, 100, 50], atol=3)
    with pytest.raises(ImageError, match=f"{size[0] * size[1]:,} pixels"):
        read_picture(tmp_path / "a", 1, max_pixels=20)


def test_a_folder_of_frames_knows_the_suffixes():
    assert {".png", ".jpg", ".heic", ".jxl", ".tif"} <= opening.suffixes()
    assert not {".eps", ".pdf", ".mpg"} & opening.suffixes()
