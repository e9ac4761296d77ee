"""Frames out: animated GIF and WebP by Pillow, videos by ffmpeg."""

from __future__ import annotations

import io
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from nst.errors import ImageError
from nst.files import check_writable, write_atomically

__all__ = ["ANIMATIONS", "MOVIES", "check_movie", "last_line", "tool", "write_movie"]

ANIMATIONS = {".gif": "GIF", ".webp": "WEBP"}
MOVIES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")


def check_movie(path: Path) -> None:
    """Before the work starts: can this file be written?

    Raises:
        ImageError: another extension, a folder that cannot be written to, or ffmpeg is needed and not there.
    """
    suffix = path.suffix.lower()
    if suffix not in (*ANIMATIONS, *MOVIES):
        known = ", ".join([*ANIMATIONS, *MOVIES])
        raise ImageError(f"cannot write {path}: give a folder without an extension, or one of {known}")
    if suffix in MOVIES:
        tool("ffmpeg", f"cannot write {path}", "write a folder of frames or .webp")
    try:
        check_writable(path)
    except OSError as error:
        raise ImageError(f"cannot write {path}: {error.strerror}") from error


def write_movie(
    path: Path,
    frames: Sequence[Path],
    rate: Fraction,
    durations: Sequence[int] | None = None,
    sound: Path | None = None,
) -> None:
    """Put PNG files together; whole or not at all.

    Args:
        path: what to write.
        frames: the pictures.
        rate: of frames a second.
        durations: of each frame of an animation in milliseconds, in place of the rate.
        sound: a file whose sound a video gets, if there is any.

    Raises:
        ImageError: encoding or writing failed.
    """
    try:
        if path.suffix.lower() in ANIMATIONS:
            write_atomically(path, _animated(ANIMATIONS[path.suffix.lower()], frames, rate, durations))
        else:
            _encode(path, frames, rate, sound)
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot write {path}: {' '.join(str(error).split())}") from error


def _animated(kind: str, frames: Sequence[Path], rate: Fraction, durations: Sequence[int] | None) -> bytes:
    images = [Image.open(frame).copy() for frame in frames]  # a copy, so that no file stays open
    pauses = list(durations or [round(1000 / rate)] * len(images))
    options: dict[str, Any] = {"quality": 90, "method": 4} if kind == "WEBP" else {}
    buffer = io.BytesIO()
    images[0].save(buffer, kind, save_all=True, append_images=images[1:], duration=pauses, loop=0, **options)
    return buffer.getvalue()


def _encode(path: Path, frames: Sequence[Path], rate: Fraction, sound: Path | None) -> None:
    """By ffmpeg, whose choice the codec is; players want even sides and BT.709, so an odd last row or column goes."""
    temporary = path.with_name(f".nst-{secrets.token_hex(8)}{path.suffix}")
    pictures = ["-f", "image2pipe", "-framerate", str(rate), "-c:v", "png", "-i", "-", "-map", "0:v:0"]
    if sound is not None:
        same = sound.suffix.lower() == path.suffix.lower()
        copied = ["-c:a", "copy"] if same else []
        pictures[-2:-2] = ["-i", "file:" + str(sound)]
        pictures += ["-map", "1:a?", *copied]
    even = "crop=trunc(iw/2)*2:trunc(ih/2)*2,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"
    colors = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
    target = ["-vf", even, *colors, "-crf", "18", "file:" + str(temporary)]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            ["ffmpeg", "-v", "error", "-y", *pictures, *target], stdin=subprocess.PIPE, stderr=errors
        )
        assert process.stdin is not None
        try:
            for frame in frames:
                process.stdin.write(frame.read_bytes())
            process.stdin.close()
        except BrokenPipeError:
            pass  # its status tells
        try:
            if process.wait() != 0:
                errors.seek(0)
                raise ValueError(f"ffmpeg: {last_line(errors.read())}")
            temporary.replace(path)
        finally:
            process.kill()
            temporary.unlink(missing_ok=True)


def tool(name: str, problem: str, instead: str) -> str:
    """The path of ffmpeg or ffprobe.

    Raises:
        ImageError: it is not there.
    """
    found = shutil.which(name)
    if found is None:
        raise ImageError(f"{problem}: that needs {name} on the PATH; install ffmpeg, or {instead}")
    return found


def last_line(output: bytes) -> str:
    """What ffmpeg said last, which is what it failed at."""
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""
