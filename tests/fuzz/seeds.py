"""Small files of every kind that nst reads, made here: pictures by Pillow, weights by the tests of the importers."""

import io
import runpy
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

WIDTH, HEIGHT = 24, 18


def pictures() -> dict[str, bytes]:
    """By name: the formats, and the modes of them that take another way through the reader."""
    rng = np.random.default_rng(5)
    rgb = Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)).resize((2 * WIDTH, 2 * HEIGHT))
    rgba = rgb.convert("RGBA")
    rgba.putalpha(rgb.convert("L"))
    grey = rgb.convert("L")
    deep = Image.fromarray(rng.integers(0, 65536, (HEIGHT, WIDTH), np.uint16))
    palette = rgb.quantize(16)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    turned = Image.Exif()
    turned[274] = 6
    found = {
        "png": _saved(rgb, "PNG", icc_profile=profile, exif=turned),
        "png-palette": _saved(palette, "PNG", transparency=3),
        "png-16": _saved(deep, "PNG"),
        "png-alpha": _saved(rgba, "PNG"),
        "jpeg": _saved(rgb, "JPEG", icc_profile=profile, exif=turned),
        "jpeg-progressive": _saved(rgb, "JPEG", progressive=True),
        "jpeg-cmyk": _saved(rgb.convert("CMYK"), "JPEG"),
        "webp": _saved(rgba, "WEBP", quality=60, exif=turned),
        "webp-lossless": _saved(rgb, "WEBP", lossless=True, icc_profile=profile),
        "tiff": _saved(rgb, "TIFF", icc_profile=profile),
        "tiff-lzw": _saved(rgba, "TIFF", compression="tiff_lzw"),
        "tiff-deflate": _saved(deep, "TIFF", compression="tiff_adobe_deflate"),
        "tiff-jpeg": _saved(rgb, "TIFF", compression="jpeg"),
        "tiff-float": _saved(Image.fromarray(rng.random((HEIGHT, WIDTH), np.float32)), "TIFF"),
        "tiff-lab": _saved(rgb.convert("YCbCr"), "TIFF"),
        "gif": _saved(palette, "GIF", transparency=2),
        "bmp": _saved(rgb, "BMP"),
        "jpeg2000": _saved(rgb, "JPEG2000"),
        "tga": _saved(rgba, "TGA", compression="tga_rle"),
        "ppm": _saved(rgb, "PPM"),
        "ico": _saved(rgba.resize((16, 16)), "ICO"),
        "pcx": _saved(grey, "PCX"),
        **animations(),
    }
    if "AVIF" in Image.SAVE:
        found["avif"] = _saved(rgb, "AVIF")
    return found


def animations() -> dict[str, bytes]:
    """Three frames each."""
    rng = np.random.default_rng(6)
    frames = [Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)) for _ in range(3)]
    more = {"save_all": True, "append_images": frames[1:], "duration": 40}
    kinds = {"gif-animated": "GIF", "webp-animated": "WEBP", "png-animated": "PNG"}
    return {name: _saved(frames[0], kind, **more) for name, kind in kinds.items()}


def weights() -> dict[str, bytes]:
    """What the tests of the importers write, of two blocks, and nst's own file."""
    tests = runpy.run_path(str(Path(__file__).parents[1] / "models" / "test_weights_import.py"))
    tensors = tests["native_tensors"](depth="conv2_1")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights")
        for write, *_ in tests["CASES"]:
            write(path, tensors)
            found[write.__name__] = path.read_bytes()
        coarse = {layer: (np.round(weight * 8) / 8, bias) for layer, (weight, bias) in tensors.items()}
        for dtype in ("float32", "clustered"):
            tests["save_weights"](tests["NetworkWeights"]("own", coarse), path, dtype)
            found[f"own {dtype}"] = path.read_bytes()
        np.savez_compressed(path.with_suffix(".npz"), **tests["flat"](tensors, tests["own_name"]))
        found["npz deflated"] = path.with_suffix(".npz").read_bytes()
    return found


def _saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
