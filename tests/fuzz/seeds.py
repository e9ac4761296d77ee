"""Small files of every kind that nst reads, made here: pictures by Pillow, weights by the tests of the importers."""

import io
import json
import runpy
import tempfile
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from nst.description import describe
from nst.pictures.writing import write_picture

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


def films() -> dict[str, bytes]:
    """Four frames each, with sound and texts: for the demuxers, decoders, filters and muxers of FFmpeg."""
    import av
    from av.subtitles.subtitle import SubtitleSet

    kinds = {  # picture, its format, sound, subtitles
        "mp4": ("libx264", "yuv420p", "aac", "mov_text"),
        "mkv": ("libx264", "yuv444p", "flac", "ass"),
        "webm": ("libvpx-vp9", "yuva420p", "libopus", "webvtt"),
        "avi": ("mpeg4", "yuv420p", "libmp3lame", None),
        "ts": ("mpeg2video", "yuv420p", "mp2", None),
        "mov": ("png", "rgba", "pcm_s16le", None),
        "mpg": ("mpeg2video", "yuv420p", "ac3", None),
    }
    rng = np.random.default_rng(8)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (codec, format_, sound, texts) in kinds.items():
            path = Path(folder, f"film.{name}")
            with av.open(str(path), "w") as container:
                container.metadata.update(title="A film", comment='{"settings": {"steps": 4}}')
                woven = {"flags": "+ildct+ilme"} if name == "mpg" else {}
                stream = container.add_stream(codec, rate=25, options={"threads": "1", **woven})
                stream.width, stream.height, stream.pix_fmt = 48, 32, format_
                tone = container.add_stream(sound, rate=48000, layout="stereo")
                lines = texts and container.add_stream(texts)
                if lines:
                    lines.codec_context.subtitle_header = b"[Script Info]\n[V4+ Styles]\n[Events]\n"
                    one = {
                        "start": 0,
                        "end": 80,
                        "time_base": Fraction(1, 1000),
                        "metadata": {"title": "one"},
                    }
                    container.set_chapters([{"id": 1, **one}])
                if name == "mov":
                    stream.set_display_rotation(90)
                for _ in range(4):
                    picture = rng.integers(0, 256, (32, 48, 4), np.uint8)
                    frame = av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format=format_)
                    container.mux(stream.encode(frame))
                container.mux(stream.encode())
                part = av.AudioFrame.from_ndarray(
                    rng.random((2, 7680), np.float32) / 2, format="fltp", layout="stereo"
                )
                part.sample_rate, part.pts = 48000, 0
                container.mux([*tone.encode(part), *tone.encode()])
                if lines:
                    packet = lines.codec_context.encode_subtitle(
                        SubtitleSet.create(b"0,0,Default,,0,0,0,,said", 0, 40)
                    )
                    packet.pts, packet.dts, packet.duration, packet.time_base = 40, 40, 40, Fraction(1, 1000)
                    packet.stream = lines
                    container.mux(packet)
            found[name] = path.read_bytes()
    return found


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


def documents() -> dict[str, bytes]:
    """What nst writes for itself, one of each kind; the suffix says which reader takes it."""
    import nst
    from nst.cli.job import Job
    from nst.cli.web.recipe import Recipe, Upload
    from nst.cli.web.session import Session
    from nst.description import Sources
    from nst.export.style import export_style
    from nst.models.random import random_weights

    rng = np.random.default_rng(7)
    content, style = (rng.integers(0, 256, (24, 32, 3), np.uint8) for _ in range(2))
    network = random_weights(0, 1 / 16)
    shallow = {"content_layers": "conv2_1", "style_layers": "conv1_1,conv2_1", "backend": "numpy", "size": 32}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, more in enumerate(
            [{}, {"optimizer": "adam", "average": 0.5}, {"steps": [2, 3], "scales": 2}]
        ):
            transfer = nst.StyleTransfer(
                content, style, weights=network, **{"steps": 4, "scales": 1, **shallow, **more}
            )
            path = Path(folder, "run.nst")
            for record in transfer.iterate():
                if record.step == 2:
                    paths = Sources("a.png", ["b.png"], weights="embedded")
                    job = asdict(Job(paths, "out.png", "trace.json", animate="out.gif"))
                    transfer.save(path, {"job": job, "first": 1.5, "frames": []}, {"trace": _bytes(b"[]")})
            found[f"run{number}.nst"] = path.read_bytes()
            made = describe(transfer, paths, record.settings, record.step)
            write_picture(record.picture(), Path(folder, "made.png"), {**made, "step": 4})
            found[f"made{number}.png"] = Path(folder, "made.png").read_bytes()
            found[f"made{number}.metadata"] = json.dumps({**made, "step": 4}).encode()
        export_style(
            style,
            Path(folder, "style.safetensors"),
            32,
            weights=network,
            **{name: shallow[name] for name in ("backend", "style_layers", "content_layers")},
        )
        found["style.safetensors"] = Path(folder, "style.safetensors").read_bytes()
        buffer = io.BytesIO()
        np.savez(buffer, number=0, raw=rng.random((24, 32, 3), np.float32))
        found["last.npz"] = buffer.getvalue()
    entry = {
        "output": "a.png",
        "status": "done",
        "key": "0" * 64,
        "sha256": "0" * 64,
        "losses": {"total": 1.5},
    }
    found["manifest.jsonl"] = b"".join(
        json.dumps({**entry, "output": f"{n}.png"}).encode() + b"\n" for n in range(3)
    )
    found["rows.csv"] = (
        b"content,style,output,steps,style-strength,mask,content-layers\n"
        b'a.png,b.png,,20,0.7,,\na.png,b.png;a.png,x.png,,,style1=a.png,"conv1_1=0.5,conv2_1=0.5"\n'
    )
    found["pictures.txt"] = b"a.png\n# remark\nb.png\n*.png\n"
    upload = Upload("p", "source-1.png", "view-1.jpg", 96, 72)
    session = asdict(Session("d058a376376941ee"))
    session["subject"] = {
        "photo": asdict(upload),
        "styles": [asdict(upload)],
        "recipe": asdict(Recipe()),
        "masks": {},
    }
    session["history"] = [
        {
            "run": 3,
            "why": "done",
            "subject": session["subject"],
            "size": [64, 48],
            "step": 40,
            "steps": 40,
            "seconds": 3.5,
            "made": 1e9,
            "command": "nst",
            "files": dict.fromkeys(("picture", "thumb", "raw"), "a.png"),
        }
    ]
    found["session.session"] = json.dumps(session).encode()
    order = {
        "session": "d058a376376941ee",
        "run": 3,
        "folder": "f",
        "subject": session["subject"],
        "size": 512,
    }
    job = {
        "name": "job",
        "order": order,
        "present": "raw.png",
        "above": 64,
        "state": "queued",
        "error": "",
    }
    found["job.queue"] = json.dumps(
        {**job, "crashes": 0, "step": 0, "steps": 0, "left": 0.0, "asked": 1e9}
    ).encode()
    return found


def _bytes(data):
    return np.frombuffer(data, np.uint8)


def _saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
