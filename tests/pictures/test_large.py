"""Pictures of too many pixels, made small by making the bound small."""

import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from nst.errors import ImageError
from nst.pictures import png
from nst.pictures.kinds import from_any
from nst.pictures.large import reduction
from nst.pictures.masks import make_masks
from nst.pictures.reading import read_picture

WIDTH, HEIGHT = 160, 120
PIXELS = WIDTH * HEIGHT


def smooth(channels):
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    planes = [127 + 50 * np.sin(x / (19 + c)) + 50 * np.cos(y / (17 + c)) for c in range(channels)]
    return np.rint(np.stack(planes, axis=-1)).astype(np.uint8)


def blocks(values, factor):
    """Means of factor x factor; both sides are whole multiples of it."""
    height, width = values.shape[:2]
    shape = (height // factor, factor, width // factor, factor, *values.shape[2:])
    return values.astype(float).reshape(shape).mean((1, 3))


@pytest.mark.parametrize(
    ("size", "longest", "factor"),
    [
        ((300, 100), None, 1),  # 3 x 30000 pixels are just as many as are allowed
        ((300, 100), 10, 1),
        ((400, 100), 100, 2),  # 200 x 50 are left, twice what is wanted
        ((1200, 300), 400, 3),  # 3 x 400 x 100 are too many
    ],
)
def test_the_factor_by_hand(size, longest, factor):
    if factor == 3:
        with pytest.raises(ImageError, match=r"set max_pixels \(--max-pixels\) to 1080000 "):
            reduction(size, longest, 90000, "a.png")
        return
    assert reduction(size, longest, 90000, "a.png") == factor


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "webp"])
def test_a_large_picture_is_reduced_by_means(suffix, tmp_path):
    values = smooth(3)
    Image.fromarray(values).save(tmp_path / f"a.{suffix}", lossless=True)
    picture = read_picture(tmp_path / f"a.{suffix}", longest=20, max_pixels=PIXELS)
    assert picture.size == (40, 30)
    np.testing.assert_allclose(picture.rgb * 255, blocks(values, 4), atol=1)


def test_jpeg_is_decoded_smaller(tmp_path):
    """To a quarter: fewer pixels are allowed than it has."""
    values = smooth(3)
    Image.fromarray(values).save(tmp_path / "a.jpg", quality=95)
    picture = read_picture(tmp_path / "a.jpg", longest=20, max_pixels=PIXELS // 5)
    assert picture.size == (40, 30)
    np.testing.assert_allclose(picture.rgb * 255, blocks(values, 4), atol=4)
    with pytest.raises(ImageError, match=f"{PIXELS:,} pixels"):
        read_picture(tmp_path / "a.jpg", longest=100, max_pixels=PIXELS // 5)


def test_jpeg_2000_is_decoded_smaller(tmp_path):
    """By two levels of its wavelets, whose values belong to every fourth pixel."""
    values = smooth(3)
    Image.fromarray(values).save(tmp_path / "a.jp2")
    picture = read_picture(tmp_path / "a.jp2", longest=20, max_pixels=PIXELS // 5)
    assert picture.size == (40, 30)
    np.testing.assert_allclose(picture.rgb * 255, values[::4, ::4], atol=4)
    # none to leave out: more pixels than are allowed
    Image.fromarray(values).save(tmp_path / "b.jp2", num_resolutions=1)
    with pytest.raises(ImageError, match=f"{PIXELS:,} pixels"):
        read_picture(tmp_path / "b.jp2", longest=20, max_pixels=PIXELS // 5)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_a_png_is_read_some_rows_at_a_time(mode, tmp_path, monkeypatch):
    """Every kind of filter looks at the row above, across the parts too; the last block of rows is narrower."""
    monkeypatch.setattr(png, "_SLAB", 3000)
    values = smooth(4)[:118]
    values[..., 3] = 255
    image = Image.fromarray(values).convert(mode)
    image.save(tmp_path / "a.png", icc_profile=b"none", dpi=(72, 72))
    picture = read_picture(tmp_path / "a.png", longest=20, max_pixels=PIXELS // 5)
    assert picture.size == (40, 30)
    want = np.asarray(image.convert("RGB"))
    np.testing.assert_allclose(picture.rgb[:29] * 255, blocks(want[:116], 4), atol=1)
    np.testing.assert_allclose(picture.rgb[29] * 255, blocks(want[116:].repeat(2, 0), 4)[0], atol=1)


@pytest.mark.parametrize("how", ["interlaced", "palette", "16 bits"])
def test_a_png_that_has_to_be_whole(how, tmp_path):
    image = Image.fromarray(smooth(1)[..., 0])
    if how == "palette":
        image = Image.fromarray(smooth(3)).quantize(16)
    if how == "16 bits":
        image = Image.fromarray(smooth(1)[..., 0].astype(np.uint16) * 257)
    path = tmp_path / "a.png"
    image.save(path)
    if how == "interlaced":  # by its header: what follows is never looked at
        data = bytearray(path.read_bytes())
        data[28] = 1
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
        path.write_bytes(data)
    with pytest.raises(ImageError, match=f"{PIXELS:,} pixels"):
        read_picture(path, longest=20, max_pixels=PIXELS // 5)


def test_a_png_cut_short_is_damaged_in_parts_too(tmp_path):
    Image.fromarray(smooth(3)).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    for part in (0.3, 0.9):
        (tmp_path / "a.png").write_bytes(data[: int(part * len(data))])
        with pytest.raises(ImageError, match="damaged or cut short"):
            read_picture(tmp_path / "a.png", longest=20, max_pixels=PIXELS // 5)


def test_what_is_read_in_parts_may_be_no_bomb(tmp_path):
    """20 megabytes of nothing, of which less may be held."""
    flat = np.zeros((2000, 3000, 3), np.uint8)
    Image.fromarray(flat).save(tmp_path / "a.png")
    tifffile.imwrite(
        tmp_path / "a.tif", flat, photometric="rgb", compression="zlib", rowsperstrip=10, metadata=None
    )
    for suffix in ("png", "tif"):
        with pytest.raises(ImageError, match="above the limit against decompression bombs"):
            read_picture(tmp_path / f"a.{suffix}", longest=16, max_pixels=10**6)
    # the same uncompressed is as large as it says
    tifffile.imwrite(tmp_path / "a.tif", flat, photometric="rgb", metadata=None)
    assert max(read_picture(tmp_path / "a.tif", longest=16, max_pixels=10**6).size) >= 16


def test_every_mode_is_reduced(tmp_path):
    grey, colour, alpha = smooth(1)[..., 0], smooth(3), smooth(4)
    alpha[..., 3] = np.where(np.arange(WIDTH) < WIDTH // 2, 255, 128)
    wide = grey.astype(np.uint16) * 257
    for image, want in (
        (Image.fromarray(grey), blocks(grey, 4)),
        (Image.fromarray(wide), blocks(grey, 4)),
        (
            Image.fromarray(colour).quantize(4),
            blocks(np.asarray(Image.fromarray(colour).quantize(4).convert("RGB")), 4),
        ),
        (Image.fromarray(grey > 127), blocks((grey > 127) * 255, 4)),
        (Image.fromarray(alpha), blocks(alpha[..., :3], 4)),
    ):
        image.save(tmp_path / "a.png")
        picture = read_picture(tmp_path / "a.png", longest=20, max_pixels=PIXELS)
        want = np.broadcast_to(want[..., None], picture.rgb.shape) if want.ndim == 2 else want
        np.testing.assert_allclose(picture.rgb * 255, want, atol=1.5)
    np.testing.assert_allclose(picture.alpha * 255, blocks(alpha[..., 3], 4), atol=1)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_reduced_picture_is_upright(suffix, tmp_path):
    values = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    values[:, : WIDTH // 2] = 200  # stored left half: the upper half of what is seen
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(values).save(tmp_path / f"a.{suffix}", exif=exif)
    picture = read_picture(tmp_path / f"a.{suffix}", longest=20, max_pixels=PIXELS)
    assert picture.size == (30, 40)
    np.testing.assert_allclose(picture.rgb[[2, -3], 15, 0] * 255, [200, 0], atol=2)


def test_smaller_pictures_come_as_they_are(tmp_path):
    Image.fromarray(smooth(3)).save(tmp_path / "a.jpg")
    whole = read_picture(tmp_path / "a.jpg")
    assert whole.size == (WIDTH, HEIGHT)
    assert np.array_equal(read_picture(tmp_path / "a.jpg", longest=4, max_pixels=3 * PIXELS).rgb, whole.rgb)


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "gif"])
def test_what_is_not_wanted_smaller_is_refused(suffix, tmp_path):
    Image.fromarray(smooth(3)).save(tmp_path / f"a.{suffix}")
    for longest in (None, WIDTH):
        with pytest.raises(
            ImageError, match=rf"a\.{suffix}: 19,200 pixels, .* to {3 * PIXELS} if you trust it"
        ):
            read_picture(tmp_path / f"a.{suffix}", longest, PIXELS)


def test_the_bound_reaches_every_picture(tmp_path, small_network):
    """Content, style, start and mask; each is read with the size of the result."""
    import nst

    Image.fromarray(smooth(3)).save(tmp_path / "large.png")
    Image.fromarray(smooth(1)[..., 0]).save(tmp_path / "mask.png")
    Image.fromarray(smooth(3)[:32, :32]).save(tmp_path / "small.png")
    large, small, mask = (str(tmp_path / f"{name}.png") for name in ("large", "small", "mask"))
    options = {"backend": "numpy", "weights": small_network, "steps": 0, "max_pixels": PIXELS}
    transfer = nst.StyleTransfer(large, large, init=large, masks={"protect": mask}, size=32, **options)
    assert transfer.size == (32, 24)
    for content, style, more in ((large, small, {}), (small, large, {}), (small, small, {"init": large})):
        with pytest.raises(ImageError, match="19,200 pixels"):
            nst.StyleTransfer(content, style, size=160, **options, **more)
    with pytest.raises(ImageError, match="19,200 pixels"):
        make_masks({"protect": mask}, 1, 0, 160, PIXELS)
    assert from_any(large, 20, PIXELS)[0].size == (40, 30)
