"""Writing pictures: formats, metadata, and that a crash leaves the old file."""

import io
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from nst.errors import ImageError
from nst.pictures.picture import Picture
from nst.pictures.reading import read_picture
from nst.pictures.writing import check_output, read_settings, write_picture

EXTENSIONS = [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".PNG", ".JpG"]
SETTINGS = {"content": "böhmische Brücke 橋.png", "steps": 500, "layers": {"conv1_1": 0.2}, "pooling": None}


def _picture(alpha: bool = False) -> Picture:
    """Smooth colours, 40 x 24, exact 8-bit values."""
    y, x = np.mgrid[0:24, 0:40].astype(np.float32)
    levels = np.stack([x * 6, y * 10, 255 - x * 3 - y * 4], axis=-1)
    return Picture(levels / 255, ((x + 100) / 255).astype(np.float32) if alpha else None)


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("alpha", [False, True])
def test_round_trip(tmp_path: Path, extension: str, alpha: bool):
    path = tmp_path / f"out{extension}"
    picture = _picture(alpha)
    write_picture(picture, path, SETTINGS)
    kind = {"jpg": "JPEG", "jpeg": "JPEG", "tif": "TIFF"}.get(
        path.suffix.lower()[1:], path.suffix[1:].upper()
    )
    with Image.open(path) as image:
        assert image.format == kind
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)
        assert image.mode == ("RGBA" if alpha and kind != "JPEG" else "RGB")
    back = read_picture(path)
    if kind in ("PNG", "TIFF"):
        assert np.array_equal(back.rgb, picture.rgb)
        assert back.alpha is None if not alpha else np.array_equal(back.alpha, picture.alpha)
    elif not (alpha and kind == "JPEG"):
        assert np.abs(back.rgb - picture.rgb).mean() < 2 / 255
    assert read_settings(path) == SETTINGS
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_same_picture_gives_the_same_bytes(tmp_path: Path):
    for name in ("a.png", "b.png"):
        write_picture(_picture(), tmp_path / name, SETTINGS)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_jpeg_is_laid_on_white_and_not_subsampled(tmp_path: Path):
    rgb = np.zeros((16, 16, 3), np.float32)
    rgb[..., 0] = 1
    alpha = np.full((16, 16), 0.5, np.float32)
    alpha[:, 8:] = 0
    write_picture(Picture(rgb, alpha), tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3  # sampling factors: 4:4:4
        values = np.asarray(image).astype(int)
    assert np.abs(values[:, 8:] - 255).max() <= 3
    assert np.abs(values[:, :8] - (255, 128, 128)).max() <= 3


def test_settings_of_other_kinds(tmp_path: Path):
    settings = {"lr": np.float32(0.5), "n": np.int64(3), "path": Path("a") / "b.png"}
    write_picture(_picture(), tmp_path / "a.png", settings)
    assert read_settings(tmp_path / "a.png") == {"lr": 0.5, "n": 3, "path": str(Path("a") / "b.png")}


def test_standard_places_of_the_metadata(tmp_path: Path):
    write_picture(_picture(), tmp_path / "a.png", {"a": "é"})
    with Image.open(tmp_path / "a.png") as image:
        assert image.text["nst"] == '{"a": "é"}'
        assert image.text["Software"].startswith("nst ")
    for name in ("a.jpg", "a.webp", "a.tif"):
        write_picture(_picture(), tmp_path / name, {"a": "é"})
        with Image.open(tmp_path / name) as image:
            assert image.getexif()[270] == '{"a": "\\u00e9"}'
            assert image.getexif()[305].startswith("nst ")


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_no_settings(tmp_path: Path, name: str):
    write_picture(_picture(), tmp_path / name)
    with pytest.raises(ImageError, match="no settings"):
        read_settings(tmp_path / name)
    with pytest.raises(ImageError, match="no such file"):
        read_settings(tmp_path / "none.png")


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_umask_decides(tmp_path: Path, mask: int):
    before = os.umask(mask)
    try:
        write_picture(_picture(), tmp_path / "a.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o666 & ~mask


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights on Windows")
def test_a_link_stays_a_link(tmp_path: Path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "deep" / "real.png")
    write_picture(_picture(), tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink()
    assert read_picture(tmp_path / "deep" / "real.png").size == (40, 24)


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_crash_leaves_the_old_file(tmp_path, monkeypatch, step, error):
    path = tmp_path / "out.png"
    path.write_bytes(b"the old file")
    seen = []

    def crash(*_):
        seen.extend(p for p in tmp_path.iterdir() if p != path)
        raise error

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", crash)
    else:
        monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises((ImageError, KeyboardInterrupt)) as caught:
        write_picture(_picture(), path)
    if isinstance(error, OSError):
        assert "No space left" in str(caught.value)
    assert len(seen) == 1  # the temporary file was in the same folder
    assert path.read_bytes() == b"the old file"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_encoding_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "out.webp"
    path.write_bytes(b"the old file")
    with pytest.raises(ImageError, match="as WEBP"):
        write_picture(Picture(np.zeros((1, 16384, 3), np.float32)), path)
    assert path.read_bytes() == b"the old file"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out.bmp", "the extension .bmp; use one of .jpeg, .jpg, .png, .tif, .tiff, .webp"),
        ("out", "no extension"),
        ("folder.png", "it is a folder"),
        ("none/out.png", "there is no folder"),
        ("file.txt/out.png", "there is no folder"),
    ],
)
@pytest.mark.parametrize("function", [check_output, lambda path: write_picture(_picture(), path)])
def test_outputs_that_cannot_be(tmp_path, name, words, function):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file.txt").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ImageError) as caught:
        function(tmp_path / name)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_check_output_leaves_nothing(tmp_path, monkeypatch):
    check_output(tmp_path / "out.png")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.chdir(tmp_path)
    check_output("out.png")
    (tmp_path / "old.png").write_bytes(b"old")
    check_output("old.png")
    assert [p.name for p in tmp_path.iterdir()] == ["old.png"]
    assert (tmp_path / "old.png").read_bytes() == b"old"


def test_check_output_tries_the_folder(tmp_path, monkeypatch):
    # Root may write anywhere, so the refusal is simulated where the operating system gives it.
    def refuse(path, flags, mode=0o777):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ImageError, match="Permission denied; choose a folder"):
        check_output(tmp_path / "out.png")


@pytest.mark.parametrize(("name", "ok"), [("a.webp", False), ("a.jpg", True), ("a.png", True)])
def test_check_output_knows_the_largest_side(tmp_path, name, ok):
    check_output(tmp_path / name, (16383, 10))
    if ok:
        check_output(tmp_path / name, (20000, 10))
    else:
        with pytest.raises(ImageError, match="16383 a side"):
            check_output(tmp_path / name, (20000, 10))
