"""Frames out: animated GIF and WebP by Pillow, videos by PyAV."""

from __future__ import annotations

import heapq
import io
import json
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from importlib import import_module
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nst.cli.movies.timing import Timing, repeats
from nst.documents import read_json
from nst.errors import ImageError
from nst.files import check_writable, unwritten, write_atomically

__all__ = ["ACCURATE", "ANIMATIONS", "MOVIES", "SD", "check_movie", "description_in", "pyav", "write_movie"]

ANIMATIONS = {".gif": "GIF", ".webp": "WEBP"}
MOVIES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
CODECS: dict[str, tuple[str, dict[str, str], str]] = {
    ".mp4": ("libx264", {"crf": "18"}, "aac"),
    ".webm": ("libvpx-vp9", {"crf": "18", "b": "0", "row-mt": "1"}, "libopus"),
    ".avi": ("mpeg4", {"flags": "+qscale", "global_quality": "236"}, "libmp3lame"),  # 118 times the quantiser
}
"""Pictures, how, and sound, by the suffix; all others as .mp4."""

Timed = tuple[Fraction, Any]
"""When packets are due, in seconds, and the packets."""

_DESCRIPTION = 270  # EXIF 2.32, section 4.6.4: ImageDescription
BT709, LIMITED = 1, 1  # H.273
SD = 576  # rows of the largest picture that players take for BT.601 where nothing is said
CLOCK = Fraction(1, 90000)  # seconds, of films whose frames do not all last equally long
ACCURATE = 4 | 1 << 13 | 1 << 14 | 1 << 18  # swscale: bicubic, all chroma, exact rounding


def check_movie(path: Path) -> None:
    """Before the work starts: can this file be written?

    Raises:
        ImageError: another extension, a folder that cannot be written to, or PyAV is needed and not there.
    """
    suffix = path.suffix.lower()
    if suffix not in (*ANIMATIONS, *MOVIES):
        known = ", ".join([*ANIMATIONS, *MOVIES])
        raise ImageError(f"cannot write {path}: give a folder without an extension, or one of {known}")
    if suffix in MOVIES:
        pyav(f"cannot write {path}")
    try:
        check_writable(path)
    except OSError as error:
        raise ImageError(f"cannot write {path}: {unwritten(error)}") from error


def write_movie(
    path: Path, frames: Sequence[Path], timing: Timing, description: Mapping[str, Any] | None = None
) -> None:
    """Put PNG files together; whole or not at all.

    Args:
        path: what to write.
        frames: the pictures.
        timing: when they are shown, and the sound of a video.
        description: what it was made with, for its metadata.

    Raises:
        ImageError: encoding or writing failed.
    """
    text = None if description is None else json.dumps(description, default=str)
    try:
        if path.suffix.lower() in ANIMATIONS:
            write_atomically(path, _animated(ANIMATIONS[path.suffix.lower()], frames, timing, text))
        else:
            _encode(path, frames, timing, text)
    except OSError as error:
        raise ImageError(f"cannot write {path}: {unwritten(error)}") from error
    except ValueError as error:
        raise ImageError(f"cannot write {path}: {' '.join(str(error).split())}") from error


def description_in(path: str) -> dict[str, Any]:
    """What `write_movie` was told about a film that is there.

    Raises:
        ImageError, OSError, ValueError: it cannot be read, or another program has written it.
    """
    if Path(path).suffix.lower() in ANIMATIONS:
        with Image.open(path, formats=tuple(ANIMATIONS.values())) as image:
            text = image.info.get("comment") if image.format == "GIF" else image.getexif().get(_DESCRIPTION)
    else:
        av = pyav(f"cannot read {path}")
        try:
            with av.open(path) as container:
                text = container.metadata.get("comment")
        except av.FFmpegError as error:
            raise ValueError(error.strerror) from error
    found: dict[str, Any] = read_json(text or b"", {str: object})
    return found


def _animated(kind: str, frames: Sequence[Path], timing: Timing, text: str | None) -> bytes:
    images = [Image.open(frame).copy() for frame in frames]  # a copy, so that no file stays open
    times = [round(1000 * time) for time in timing.times(len(images))]
    pauses = [end - begin for begin, end in pairwise(times)]
    options: dict[str, Any] = {"quality": 90, "method": 4} if kind == "WEBP" else {}
    if text is not None and kind == "WEBP":
        options["exif"] = exif = Image.Exif()
        exif[_DESCRIPTION] = text
    elif text is not None:
        options["comment"] = text
    buffer = io.BytesIO()
    images[0].save(buffer, kind, save_all=True, append_images=images[1:], duration=pauses, loop=0, **options)
    return buffer.getvalue()


def _encode(path: Path, frames: Sequence[Path], timing: Timing, text: str | None) -> None:
    av = pyav(f"cannot write {path}")
    suffix = path.suffix.lower()
    temporary = path.with_name(f".nst-{secrets.token_hex(8)}{path.suffix}")
    kind = "mp4" if suffix == ".m4v" else None  # which is raw MPEG-4 to FFmpeg
    if suffix == ".avi":  # which has one rate
        often = repeats(timing.times(len(frames)), timing.rate)
        frames = [frame for frame, count in zip(frames, often, strict=True) for _ in range(count)]
        timing = replace(timing, durations=None)
    try:
        with av.open(str(temporary), "w", format=kind) as container, ExitStack() as opened:
            if text is not None:
                container.metadata["comment"] = text
            codec, options, sound_codec = CODECS.get(suffix, CODECS[".mp4"])
            stream = container.add_stream(codec, rate=timing.rate, options=options)
            parts = [_pictures(av, stream, frames, timing)]
            if timing.sound is not None:
                source = opened.enter_context(av.open(str(timing.sound)))
                parts.append(_sound(source, container, timing.start, sound_codec))
            for _, packets in heapq.merge(*parts, key=itemgetter(0)):
                container.mux(packets)
        temporary.replace(path)
    except av.FFmpegError as error:
        raise ValueError(error.strerror) from error
    finally:
        temporary.unlink(missing_ok=True)


def _pictures(av: Any, stream: Any, frames: Sequence[Path], timing: Timing) -> Iterator[Timed]:
    """In BT.709, as players want it, with even sides: an odd last row or column goes."""
    context = stream.codec_context
    with Image.open(frames[0]) as first:
        width, height = stream.width, stream.height = [side // 2 * 2 for side in first.size]
    stream.pix_fmt = "yuv420p"
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = LIMITED
    # MPEG-4 does not say what it is in
    matrix = "ITU601" if context.name == "mpeg4" and height <= SD else "ITU709"
    context.time_base = tick = CLOCK if timing.durations else 1 / timing.rate
    times = timing.times(len(frames))
    for path, time in zip(frames, times[:-1], strict=True):
        with Image.open(path) as image:
            pixels = np.ascontiguousarray(np.asarray(image.convert("RGB"))[:height, :width])
        frame = av.VideoFrame.from_ndarray(pixels).reformat(
            format="yuv420p", dst_colorspace=matrix, dst_color_range="MPEG", interpolation=ACCURATE
        )
        frame.pts, frame.time_base = round(time / tick), tick
        yield time, stream.encode(frame)
    yield times[-1], stream.encode()


def _sound(source: Any, container: Any, start: Fraction, codec: str) -> Iterator[Timed]:
    """All sound: as it is where both files are of one kind and may hold it, else encoded anew.

    Streams are added at once, packets come as they are asked for.
    """
    alike = container.format.name in source.format.name.split(",")
    targets, copied = {}, set()
    for stream in source.streams.audio:
        if alike and stream.codec_context.codec.canonical_name in container.supported_codecs:
            copied.add(stream.index)
            target = container.add_stream_from_template(stream)
        else:
            rate = 48000 if codec == "libopus" else stream.rate
            target = container.add_stream(codec, rate=rate, layout=stream.layout.name)
        target.metadata.update(stream.metadata)
        targets[stream.index] = target
    return _packets(source, targets, copied, start)


def _packets(
    source: Any, targets: Mapping[int, Any], copied: Collection[int], start: Fraction
) -> Iterator[Timed]:
    for packet in source.demux(list(source.streams.audio)) if targets else ():
        target = targets[packet.stream.index]
        if packet.stream.index not in copied:
            for frame in packet.decode():
                time = frame.pts * frame.time_base - start
                frame.pts -= round(start / frame.time_base)
                yield time, target.encode(frame)
        elif packet.dts is not None:  # the last one is empty
            late = round(start / packet.time_base)
            time = packet.dts * packet.time_base - start
            packet.pts, packet.dts, packet.stream = packet.pts - late, packet.dts - late, target
            yield time, packet
    for index in set(targets).difference(copied):
        yield Fraction(0), targets[index].encode()


def pyav(problem: str, instead: str = "write a folder of frames, .gif or .webp") -> Any:
    """The package `av`.

    Raises:
        ImageError: it is not there.
    """
    try:
        return import_module("av")
    except ImportError as error:
        raise ImageError(f"{problem}: that needs av: pip install 'nst[video]', or {instead}") from error
