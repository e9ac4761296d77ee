"""Reading what is no picture, or one no more: a one-line `ImageError` and nothing else."""

import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from nst.errors import ImageError
from nst.pictures.reading import read_picture


def _png(width: int, height: int, colour: int, depth: int, rows: list[bytes]) -> bytes:
    """A PNG written by hand, whatever its header says (PNG specification, section 11)."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">2I5B", width, height, depth, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + pixels + chunk(b"IEND", b"")


def _noise(height: int = 48, width: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8))


def _error(path: Path) -> str:
    """The message that reading gives: one line that names the file, and no warning beside it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError) as caught:
            read_picture(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_paths_that_are_no_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "notes.png").write_text("This is not a picture.\n" * 20)
    (tmp_path / "empty.png").touch()
    assert "no such file" in _error(tmp_path / "none.png")
    assert "a folder" in _error(tmp_path)
    assert "not a picture" in _error(tmp_path / "notes.png")
    assert "empty (0 bytes)" in _error(tmp_path / "empty.png")
    assert "cannot read" in _error(tmp_path / "notes.png" / "a.png")
    assert "cannot read" in _error(tmp_path / "a\0b.png")

    def refuse(self: Path, *_: object) -> None:  # root may read anything, so the refusal is simulated
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    assert "permission denied" in _error(tmp_path / "notes.png")


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
@pytest.mark.parametrize(
    ("extension", "options"),
    [
        ("png", {}),
        ("jpg", {}),
        ("jpg", {"progressive": True}),
        ("webp", {}),
        ("tif", {}),
        ("gif", {}),
        ("bmp", {}),
    ],
)
def test_truncated(tmp_path: Path, extension: str, options: dict[str, bool], part: float):
    path = tmp_path / f"a.{extension}"
    _noise().save(path, **options)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    assert "damaged or cut short" in _error(path)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "gif"])
def test_random_damage_gives_a_picture_or_an_error(tmp_path: Path, extension: str):
    rng = np.random.default_rng(11)
    buffer = io.BytesIO()
    _noise(16, 16).save(buffer, {"jpg": "JPEG"}.get(extension, extension.upper()))
    messages = []
    for _ in range(60):
        data = bytearray(buffer.getvalue())
        for _ in range(4):
            data[rng.integers(min(len(data), 600))] = rng.integers(256)
        (tmp_path / "a").write_bytes(data)
        try:
            read_picture(tmp_path / "a")
        except ImageError as error:
            messages.append(str(error))
    assert messages
    assert not any("\n" in message for message in messages)


@pytest.mark.parametrize(("width", "height"), [(10000, 9000), (20000, 20000)])
def test_decompression_bomb(tmp_path: Path, width: int, height: int):
    # Pillow warns about the first and refuses the second; neither is decoded here.
    (tmp_path / "a.png").write_bytes(_png(width, height, 0, 1, [b"\0"]))
    limit = Image.MAX_IMAGE_PIXELS
    message = _error(tmp_path / "a.png")
    assert f"{width * height:,} pixels" in message
    assert "smaller copy" in message
    assert limit == Image.MAX_IMAGE_PIXELS


def test_nothing_is_printed(tmp_path: Path):
    # A palette picture whose transparency is in bytes makes Pillow warn, and about a TIFF of 3000 samples
    # a pixel it logs an error, which Python prints where nobody has set up logging: a process of its own.
    Image.new("P", (2, 1)).save(tmp_path / "a.png", transparency=b"\x80")
    Image.new("RGB", (2, 2)).save(tmp_path / "a.tif")
    data = (tmp_path / "a.tif").read_bytes()
    entry = struct.pack("<HHI", 277, 3, 1)  # SamplesPerPixel, SHORT, one value
    at = data.index(entry) + len(entry)
    (tmp_path / "a.tif").write_bytes(data[:at] + struct.pack("<H", 3000) + data[at + 2 :])
    script = (
        "from nst.pictures.reading import read_picture\nfrom nst.errors import ImageError\nread_picture('a.png')\n"
        "try: read_picture('a.tif')\nexcept ImageError: raise SystemExit(7)"
    )
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(map(os.path.abspath, sys.path)))
    command = [sys.executable, "-W", "always::UserWarning", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")
