"""Pictures in memory: Pillow images and numpy arrays in, the same kind out."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nst.errors import ImageError
from nst.pictures.kinds import from_object
from nst.pictures.picture import Picture, to_uint8


def _rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 5, 3), (3, 5, 4), (1, 3, 5, 3), (1, 3, 5, 4), (1, 1, 3)])
def test_array_round_trip(dtype, shape):
    values = _rng().random(shape)
    if shape[-1] == 4:
        values[..., 3] = 0.25 + 0.75 * values[..., 3]
    top = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    array = (values * top).astype(dtype)
    before = array.copy()
    picture, restore = from_object(array)
    assert picture.size == (shape[-2], shape[-3])
    assert (picture.alpha is None) == (shape[-1] == 3)
    result = restore(picture)
    assert type(result) is np.ndarray
    assert result.dtype == np.dtype(dtype)
    np.testing.assert_allclose(result, array, rtol=1e-6)
    if top > 1:
        assert np.array_equal(result, array)
    assert np.array_equal(array, before)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (1, 2, 3, 1)])
def test_grey_arrays_come_back_as_rgb(shape):
    array = np.arange(6, dtype=np.uint8).reshape(shape)
    picture, restore = from_object(array)
    result = restore(picture)
    assert result.shape == ((1, 2, 3, 3) if len(shape) == 4 else (2, 3, 3))
    assert np.array_equal(result[..., 1].ravel(), np.arange(6))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("batched", [False, True])
def test_results_are_c_contiguous(dtype, batched):
    """OpenCV and many others refuse anything else."""
    array = np.zeros((1, 4, 5, 3) if batched else (4, 5, 3), dtype)
    _, restore = from_object(array)
    planes = np.zeros((3, 4, 5), np.float32)
    assert restore(Picture(planes.transpose(1, 2, 0))).flags.c_contiguous


def _png(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def test_the_bytes_of_a_file_and_open_files(tmp_path):
    array = (_rng().random((4, 5, 3)) * 255).astype(np.uint8)
    data = _png(array)
    path = tmp_path / "picture.png"
    path.write_bytes(b"head" + data)
    with path.open("rb") as file:
        file.seek(4)
        sources = [data, bytearray(data), memoryview(data), io.BytesIO(data), file]
        for source in sources:
            picture, restore = from_object(source)
            np.testing.assert_array_equal(to_uint8(picture.rgb), array)
            assert isinstance(restore(picture), Image.Image)
        assert file.read() == b""
        file.seek(4)
        assert from_object(file)[0].size == (5, 4)


def test_an_open_file_that_stands_at_its_end_is_read_from_its_beginning():
    """As `image.save(buffer, "PNG")` leaves it."""
    buffer = io.BytesIO()
    Image.new("RGB", (5, 4)).save(buffer, "PNG")
    for _ in range(2):
        assert from_object(buffer)[0].size == (5, 4)
    with pytest.raises(ImageError, match="is empty"):
        from_object(io.BytesIO())


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"", "cannot read the 0 bytes: the file is empty"),
        (b"<html>", "cannot read the 6 bytes: "),
        (io.StringIO("text"), "cannot read the open file: it is open for text; open it with mode 'rb'"),
    ],
)
def test_bytes_that_are_no_picture(source, words):
    with pytest.raises(ImageError, match=words):
        from_object(source)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_arrays_of_the_array_api(dtype):
    import array_api_strict as xp

    values = (_rng().random((4, 5, 3)) * (255 if dtype == "uint8" else 1)).astype(dtype)
    picture, restore = from_object(xp.asarray(values))
    result = restore(picture)
    assert type(result) is type(xp.asarray(values))
    np.testing.assert_allclose(np.asarray(result), values, rtol=1e-6)


def test_arrays_that_have_nothing_but_dlpack():
    class Array:
        def __init__(self, values):
            self._values = values

        def __dlpack__(self, **options):
            return self._values.__dlpack__(**options)

        def __dlpack_device__(self):
            return self._values.__dlpack_device__()

    values = _rng().random((4, 5, 3), np.float32)
    picture, restore = from_object(Array(values))
    assert type(restore(picture)) is np.ndarray
    np.testing.assert_array_equal(restore(picture), values)


def test_arrays_that_do_not_move_to_the_host_unasked():
    """As CuPy's: `__array__` raises TypeError, `get()` copies."""

    class Array:
        def __array_namespace__(self):
            return np

        def __array__(self, *_, **__):
            raise TypeError("Implicit conversion to a NumPy array is not allowed.")

        def get(self):
            return np.full((4, 5, 3), 0.25, np.float32)

    picture, _ = from_object(Array())
    assert np.all(picture.rgb == 0.25)


def test_the_result_may_have_another_size():
    _, restore = from_object(np.zeros((4, 5, 3), np.uint16))
    result = restore(Picture(np.full((2, 7, 3), 1.5, np.float32)))
    assert result.shape == (2, 7, 3)
    assert np.all(result == 65535)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 8, 9), np.uint8), "channels last"),
        (np.zeros((1, 3, 8, 9), np.float32), "channels last"),
        (np.zeros((2, 8, 9, 3), np.uint8), "of a batch one picture at a time"),
        (np.zeros((8, 9, 2), np.uint8), "shape"),
        (np.zeros((5,), np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "shape"),
        (np.zeros((4, 4, 3), np.int32), "int32"),
        (np.zeros((4, 4, 3), np.uint32), "uint32"),
        (np.zeros((4, 4, 3), bool), "bool"),
        (np.zeros((4, 4, 3), complex), "complex128"),
        (np.full((4, 4, 3), 255.0), "[0, 1]"),
        (np.full((4, 4, 3), -0.1), "[0, 1]"),
        (np.full((4, 4, 3), np.nan), "[0, 1]"),
        (np.full((4, 4, 3), np.inf), "[0, 1]"),
    ],
)
def test_arrays_that_are_no_pictures(array, words):
    with pytest.raises(ImageError) as caught:
        from_object(array)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rounding_outside_the_range_is_clipped():
    picture, _ = from_object(np.array([[[-1e-6, 0.5, 1 + 1e-6]]]))
    assert picture.rgb.tolist() == [[[0.0, 0.5, 1.0]]]


@pytest.mark.parametrize("obj", [None, 3, [[1, 2]], b"x.png"])
def test_other_objects(obj):
    with pytest.raises(ImageError, match=type(obj).__name__):
        from_object(obj)


@pytest.mark.parametrize(
    ("mode", "back"),
    [
        ("1", "RGB"),
        ("L", "RGB"),
        ("P", "RGB"),
        ("RGB", "RGB"),
        ("YCbCr", "RGB"),
        ("CMYK", "RGB"),
        ("HSV", "RGB"),
        ("I", "RGB"),
        ("RGBX", "RGB"),
        ("LA", "RGBA"),
        ("La", "RGBA"),
        ("PA", "RGBA"),
        ("RGBA", "RGBA"),
        ("RGBa", "RGBA"),
    ],
)
def test_pillow_modes(mode, back):
    via = {"La": "LA", "PA": "P", "RGBX": "RGB", "RGBa": "RGBA"}.get(mode, mode)
    image = Image.new("L", (3, 2), 255).convert(via).convert(mode)
    picture, restore = from_object(image)
    result = restore(picture)
    assert isinstance(result, Image.Image)
    assert result.mode == back
    np.testing.assert_allclose(picture.rgb, 1, atol=1e-6)
    assert result.size == (3, 2)


def test_a_pillow_image_is_turned_upright_and_not_changed():
    image = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    image.getexif()[274] = 6
    picture, _ = from_object(image)
    assert to_uint8(picture.rgb[..., 0]).tolist() == [[3, 0], [4, 1], [5, 2]]
    assert image.size == (3, 2)


def test_a_path_gives_a_pillow_image(tmp_path: Path):
    Image.new("RGB", (3, 2), (1, 2, 3)).save(tmp_path / "a.png")
    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        picture, restore = from_object(path)
        assert restore(picture).getpixel((0, 0)) == (1, 2, 3)
