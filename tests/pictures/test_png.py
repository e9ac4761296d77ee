"""PNGs with long texts and large profiles, which Pillow refuses for them."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from nst.errors import ImageError
from nst.pictures.reading import read_picture
from nst.pictures.writing import read_settings, write_picture

LONG = b"all work and no play " * 120_000  # 2.5 MB


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def insert(data, *chunks, end=False):
    """Chunks after the header, or before the end."""
    at = len(data) - 12 if end else 33
    return data[:at] + b"".join(chunks) + data[at:]


@pytest.fixture
def plain():
    values = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return values, buffer.getvalue()


TEXTS = {
    "plain": chunk(b"tEXt", b"Comment\0" + LONG),
    "packed": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(LONG)),
    "XMP": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + LONG),
    "packed XMP": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0\0" + zlib.compress(LONG)),
}


@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize("text", TEXTS)
def test_a_long_text_is_passed_over(text, end, plain, tmp_path):
    values, data = plain
    (tmp_path / "a.png").write_bytes(insert(data, TEXTS[text], end=end))
    np.testing.assert_allclose(read_picture(tmp_path / "a.png").rgb * 255, values, atol=1e-4)


def test_many_texts_are_passed_over(plain, tmp_path):
    values, data = plain
    many = [chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes([65 + k]) * 10**6)) for k in range(70)]
    (tmp_path / "a.png").write_bytes(insert(data, *many))
    np.testing.assert_allclose(read_picture(tmp_path / "a.png").rgb * 255, values, atol=1e-4)


def test_the_settings_beside_a_long_text_are_read(tmp_path):
    from nst.pictures.picture import Picture

    path = tmp_path / "a.png"
    write_picture(Picture(np.zeros((2, 2, 3), np.float32)), path, {"steps": 7})
    path.write_bytes(insert(path.read_bytes(), TEXTS["packed"]))
    assert read_settings(path) == {"steps": 7}


def test_texts_that_are_bombs_or_broken_cost_nothing(plain, tmp_path):
    values, data = plain
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(10**8)))
    broken = chunk(b"zTXt", b"Comment\0\0" + b"not deflated")
    (tmp_path / "a.png").write_bytes(insert(data, bomb, broken))
    np.testing.assert_allclose(read_picture(tmp_path / "a.png").rgb * 255, values, atol=1e-4)
    (tmp_path / "a.png").write_bytes(insert(data, b"\xff\xff\xff\xffzTXt"))
    with pytest.raises(ImageError, match="damaged"):
        read_picture(tmp_path / "a.png")
