"""Frames out: animated GIF and WebP by Pillow, videos by PyAV."""

from __future__ import annotations

import heapq
import io
import json
import logging
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from errno import ENOSPC
from fractions import Fraction
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nst.cli.movies.film import Timing, open_film, pyav, repeats
from nst.cli.movies.tracks import KINDS, Timed, add_tracks, copy_texts, kinds_in
from nst.errors import ImageError
from nst.files import check_writable, read_json, unwritten, write_atomically
from nst.pictures.picture import Picture
from nst.pictures.writing import write_picture

ANIMATIONS = {".gif": "GIF", ".webp": "WEBP"}
MOVIES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
CODECS: dict[str, tuple[str, dict[str, str], str]] = {
    ".mp4": ("libx264", {"crf": "18"}, "aac"),
    ".webm": ("libvpx-vp9", {"crf": "18", "b": "0", "row-mt": "1"}, "libopus"),
    ".avi": ("mpeg4", {"flags": "+qscale", "global_quality": "236"}, "libmp3lame"),  # 118 times the quantiser
}
"""Pictures, how, and sound, by the suffix; all others as .mp4."""

CLEAR: dict[str, tuple[str, dict[str, str], str]] = {
    ".mov": ("prores_ks", {"profile": "4444"}, "yuva444p10le"),
    ".webm": (*CODECS[".webm"][:2], "yuva420p"),
}
"""Pictures that have alpha, how, and in which format, where the container takes it; else they are laid on white."""

_WEBP_ALPHA = 0x10  # WebP Container Specification, the chunk VP8X
_DESCRIPTION = 270  # EXIF 2.32, section 4.6.4: ImageDescription
BT709, LIMITED = 1, 1  # H.273
SD = 576  # rows of the largest picture that players take for BT.601 where nothing is said
TRIED = 100  # packets of sound: a second or more
_MPEG4 = 65535  # ticks a second, which its 16 bits can say
CLOCK = Fraction(1, 90000)  # seconds, of films whose frames do not all last equally long
ACCURATE = 4 | 1 << 13 | 1 << 14 | 1 << 18  # swscale: bicubic, all chroma, exact rounding


def check_movie(path: Path) -> None:
    """Before the work starts: ImageError for a file that cannot be written.

    That is another extension, a folder that cannot be written to, or PyAV is needed and not there.
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


def try_movie(path: Path, picture: Picture, timing: Timing) -> None:
    """Before the work starts: one picture and some of the sound go into such a file, which is thrown away.

    ImageError: it cannot be written. Sound and subtitles that do not go into it are a note.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".nst-", dir=path.parent) as folder:
            frame = Path(folder, "frame.png")
            write_picture(picture, frame)
            _write(Path(folder, path.name), path, [frame], replace(timing, durations=None), None, TRIED)
    except OSError as error:
        raise _unwritable(path, error) from error


def write_movie(
    path: Path, frames: Sequence[Path], timing: Timing, description: Mapping[str, Any] | None = None
) -> None:
    """Put PNG files together, and the description into the metadata; whole or not at all.

    ImageError: encoding or writing failed.
    """
    text = None if description is None else json.dumps(description, default=str)
    _write(path, path, frames, timing, text)


def _write(
    place: Path, name: Path, frames: Sequence[Path], timing: Timing, text: str | None, most: int | None = None
) -> None:
    """Into `place`; `name` is for messages. Of sound and subtitles, the first `most` packets."""
    kind = ANIMATIONS.get(place.suffix.lower())
    try:
        if kind is not None:
            write_atomically(place, _animated(kind, frames, timing, text))
        else:
            _encode(place, name, frames, timing, text, most)
    except (OSError, ValueError) as error:
        raise _unwritable(name, error) from error


def _unwritable(path: Path, error: Exception) -> ImageError:
    reason = unwritten(error) if isinstance(error, OSError) else " ".join(str(error).split())
    return ImageError(f"cannot write {path}: {reason}")


def description_in(path: str) -> dict[str, Any]:
    """What `write_movie` was told about a film that is there.

    ImageError, OSError, ValueError: it cannot be read, or another program has written it.
    """
    if Path(path).suffix.lower() in ANIMATIONS:
        with Image.open(path, formats=tuple(ANIMATIONS.values())) as image:
            text = image.info.get("comment") if image.format == "GIF" else image.getexif().get(_DESCRIPTION)
    else:
        av = pyav(f"cannot read {path}")
        try:
            with open_film(Path(path)) as container:
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
    data = bytearray(buffer.getvalue())
    if data[12:16] == b"VP8X" and any(image.has_transparency_data for image in images):
        data[20] |= _WEBP_ALPHA  # libwebp leaves it out where what can be seen is a rectangle
    return bytes(data)


def _encode(
    place: Path, name: Path, frames: Sequence[Path], timing: Timing, text: str | None, most: int | None
) -> None:
    """With less and less of what is not pictures, where that cannot be written."""
    av = pyav(f"cannot write {name}")
    wanted = list(KINDS)
    temporary = place.with_name(f".nst-{secrets.token_hex(8)}{place.suffix}")
    try:
        while True:
            try:
                _encode_with(wanted, temporary, frames, timing, text, most)
                break
            except Exception as error:  # PyAV has many
                reason, film = error.strerror if isinstance(error, av.FFmpegError) else error, timing.film
                if getattr(error, "errno", None) == ENOSPC:
                    raise OSError(ENOSPC, reason) from error
                if film is None:
                    raise ValueError(reason) from error
                lost = wanted.pop() if wanted else ""
                if not lost:  # not even title and chapters
                    timing = replace(timing, film=None)
                elif lost in kinds_in(film):
                    line = "%s has to go without the %s of %s (%s)"
                    logging.getLogger("nst").warning(line, name, KINDS[lost], film, reason)
        temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)


def _encode_with(
    kinds: Sequence[str],
    place: Path,
    frames: Sequence[Path],
    timing: Timing,
    text: str | None,
    most: int | None,
) -> None:
    av = pyav(f"cannot write {place}")
    suffix = place.suffix.lower()
    kind = "mp4" if suffix == ".m4v" else None  # which is raw MPEG-4 to FFmpeg
    if suffix == ".avi":  # which has one rate
        often = repeats(timing.times(len(frames)), timing.rate)
        frames = [frame for frame, count in zip(frames, often, strict=True) for _ in range(count)]
        timing = replace(timing, durations=None, rate=1 / (1 / timing.rate).limit_denominator(_MPEG4))
    codec, options, sound = CODECS.get(suffix, CODECS[".mp4"])
    pixels = "yuv420p"
    if suffix in CLEAR and any(map(_has_alpha, frames)):
        codec, options, pixels = CLEAR[suffix]
    counted = {"avoid_negative_ts": "disabled"} if suffix == ".avi" else {}  # or pictures come a frame late
    with av.open(str(place), "w", format=kind, container_options=counted) as container, ExitStack() as opened:
        stream = container.add_stream(codec, rate=timing.rate, options=options)
        parts = [_pictures(av, stream, frames, timing, pixels)]
        if timing.film is not None:
            source = opened.enter_context(open_film(timing.film))
            copy_texts(source, container, timing.start)
            parts.append(add_tracks(source, container, timing.start, sound, kinds, most))
        if text is not None:
            container.metadata["comment"] = text
        for _, packets in heapq.merge(*parts, key=itemgetter(0)):
            container.mux(packets)


def _has_alpha(path: Path) -> bool:
    with Image.open(path) as image:
        return image.has_transparency_data


def _pixels(path: Path, format_: str) -> Any:
    """(H, W, 4) where the film has transparency, else (H, W, 3): on white, as in a browser."""
    with Image.open(path) as image:
        if format_.startswith("yuva"):
            return np.asarray(image.convert("RGBA"))
        if not image.has_transparency_data:
            return np.asarray(image.convert("RGB"))
        white = Image.new("RGBA", image.size, "white")
        return np.asarray(Image.alpha_composite(white, image.convert("RGBA")).convert("RGB"))


def _pictures(av: Any, stream: Any, frames: Sequence[Path], timing: Timing, format_: str) -> Iterator[Timed]:
    """In BT.709, as players want it, with even sides: an odd last row or column goes."""
    context = stream.codec_context
    with Image.open(frames[0]) as first:
        width, height = stream.width, stream.height = [side // 2 * 2 for side in first.size]
    if not width * height:
        raise ValueError("a film has two pixels a side at least; give a folder of frames")
    stream.pix_fmt = format_
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = LIMITED
    # MPEG-4 does not say what it is in
    matrix = "ITU601" if context.name == "mpeg4" and height <= SD else "ITU709"
    context.time_base = tick = CLOCK if timing.durations else 1 / timing.rate
    times = timing.times(len(frames))
    for path, time in zip(frames, times[:-1], strict=True):
        pixels = np.ascontiguousarray(_pixels(path, format_)[:height, :width])
        frame = av.VideoFrame.from_ndarray(
            pixels, format="rgba" if pixels.shape[2] == 4 else "rgb24"
        ).reformat(format=format_, dst_colorspace=matrix, dst_color_range="MPEG", interpolation=ACCURATE)
        frame.pts, frame.time_base = round(time / tick), tick
        yield time, stream.encode(frame)
    yield times[-1], stream.encode()
