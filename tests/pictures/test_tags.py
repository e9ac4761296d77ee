"""What a result says of the photograph: dots per inch, author, copyright, and never a place."""

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nst.description import Labels
from nst.errors import SettingsError
from nst.pictures.picture import Tags
from nst.pictures.reading import read_picture
from nst.pictures.writing import write_picture

SUFFIXES = ["png", "jpg", "webp", "tif"]
GPS = 34853


def photograph(path):
    """As a camera and a photographer's program leave it, with a place in it."""
    exif = Image.Exif()
    exif[315], exif[33432] = "J\u00fcrgen".encode(), "\u00a9 2026 J\u00fcrgen".encode()
    exif[271], exif[282], exif[283], exif[296] = "Maker", 300.0, 300.0, 2
    exif.get_ifd(GPS).update({1: "N", 2: (48.0, 12.0, 30.0)})
    more = {"exif": exif, "dpi": (300, 300)}
    if path.suffix == ".png":
        more["pnginfo"] = info = PngInfo()
        info.add_itxt("Author", "J\u00fcrgen")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path, **more)
    return path


@pytest.mark.parametrize("source", SUFFIXES)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_kept_and_what_is_not(source, suffix, tmp_path):
    result = tmp_path / f"result.{suffix}"
    write_picture(read_picture(photograph(tmp_path / f"photo.{source}")), result)
    with Image.open(result) as image:
        exif = image.getexif()
        assert GPS not in exif
        assert 271 not in exif
        dpi = image.info.get("dpi") or (exif[282], exif[283])
        assert [float(one) for one in dpi] == pytest.approx([300, 300], abs=0.01)
    assert b"Maker" not in result.read_bytes()
    found = read_picture(result).tags
    assert (found.author, found.copyright) == ("J\u00fcrgen", "\u00a9 2026 J\u00fcrgen")
    assert found.dpi == pytest.approx((300, 300), abs=0.01)


def test_sixteen_bits(tmp_path):
    """Which tifffile reads."""
    import tifffile

    tags = [(315, "s", 0, "Ann", True)]
    pixels = np.zeros((8, 8, 3), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, resolution=(100, 100), resolutionunit=3, extratags=tags)
    assert read_picture(tmp_path / "a.tif").tags == Tags((254.0, 254.0), "Ann")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_labels(suffix, tmp_path):
    description = {
        "settings": {
            "content": "/home/ann/photo.jpg",
            "styles": ["/home/ann/monet.jpg"],
            "masks": {"protect": "/home/ann/map.png:red"},
            "init": "content",
        },
        "weights": {"from": "/home/ann/net.npz"},
        "command": {"name": "recolor", "result": "/home/ann/out.png"},
    }
    tags, path = Tags((300.0, 300.0), "Ann", "Ann"), tmp_path / f"a.{suffix}"
    picture = read_picture(photograph(tmp_path / f"photo.{suffix}"))
    for metadata, said in (("all", True), ("settings", False), ("none", False)):
        write_picture(picture, path, **Labels(metadata, 72).of(description, tags))
        data = path.read_bytes()
        assert (b"/home/ann" in data) == said
        assert (b"monet.jpg" in data) == (b"nst" in data) == (metadata != "none")
        found = read_picture(path).tags
        assert found.dpi == pytest.approx((72, 72), abs=0.01)
        assert found.author == ("Ann" if metadata != "none" else "")


@pytest.mark.parametrize("wrong", [{"metadata": "some"}, {"dpi": 0}, {"dpi": 1e9}])
def test_labels_that_cannot_be(wrong):
    with pytest.raises(SettingsError):
        Labels(**wrong)


def test_nonsense_in_a_file(tmp_path):
    """No dots, a page of text, a cursor that moves."""
    exif = Image.Exif()
    exif[315], exif[282], exif[283] = b"a\x1b[2J" + b"x" * 5000, 0.0, 0.0
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.webp", exif=exif)
    tags = read_picture(tmp_path / "a.webp").tags
    assert tags.dpi is None
    assert tags.author.startswith("a [2Jxxx")
    assert len(tags.author) == 1000
