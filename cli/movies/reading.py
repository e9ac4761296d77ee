"""Frames in: folders of pictures, animations by Pillow, everything else by ffmpeg."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

from PIL import Image

from nst.cli.movies.writing import ANIMATIONS, last_line, tool
from nst.errors import ImageError

__all__ = ["Source", "open_source"]


@dataclass(frozen=True)
class Source:
    """A video that is read frame by frame.

    Attributes:
        frames: starts to read: pictures of a kind that `StyleTransfer` takes, one after the other.
        count: how many there are, or are thought to be; None where nothing tells.
        rate: frames a second.
        durations: of each frame in milliseconds, for an animation.
        sound: the file that may have it.
    """

    frames: Callable[[], Iterator[Any]]
    count: int | None
    rate: Fraction
    durations: tuple[int, ...] | None = None
    sound: Path | None = None


def open_source(path: str, rate: Fraction | None) -> Source:
    """Look at a folder of pictures, an animation or a video.

    Args:
        path: what to read. The pictures of a folder come in natural order: 2 before 10.
        rate: frames a second, for a folder (25 unless given) or in place of the file's own.

    Raises:
        ImageError: nothing is there, no frame is in it, or ffmpeg is needed and not there.
    """
    file = Path(path)
    if file.is_dir():
        known = Image.registered_extensions()
        pictures = [p for p in file.iterdir() if p.suffix.lower() in known and not p.name.startswith(".")]
        if not pictures:
            raise ImageError(f"cannot read {path}: there is no picture in the folder")
        pictures.sort(key=lambda p: [int(w) if w.isdigit() else w for w in re.split(r"(\d+)", p.name)])
        return Source(lambda: iter(pictures), len(pictures), rate or Fraction(25))
    if not file.is_file():
        raise ImageError(f"cannot read {path}: no such file or folder; check the name")
    if file.suffix.lower() in (*ANIMATIONS, ".png", ".apng"):
        return _animation(file, rate)
    return _movie(file, rate)


def _animation(file: Path, rate: Fraction | None) -> Source:
    try:
        with Image.open(file) as image:
            count, durations = getattr(image, "n_frames", 1), []
            for number in range(count):
                image.seek(number)
                image.load()  # WebP tells the duration then
                durations.append(max(10, round(image.info.get("duration", 0)) or 100))
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"cannot read {file}: not a picture that Pillow knows, or damaged") from error

    def frames() -> Iterator[Any]:
        with Image.open(file) as image:
            for number in range(count):
                image.seek(number)
                yield image.convert("RGBA" if image.has_transparency_data else "RGB")

    own = Fraction(1000 * count, sum(durations))
    return Source(frames, count, rate or own, None if rate else tuple(durations))


def _movie(file: Path, rate: Fraction | None) -> Source:
    instead = "give a folder of frames"
    ffmpeg = tool("ffmpeg", f"cannot read {file}", instead)
    ffprobe = tool("ffprobe", f"cannot read {file}", instead)
    entries = "stream=avg_frame_rate,r_frame_rate,nb_frames,duration:format=duration"
    question = ["-v", "error", "-select_streams", "v:0", "-show_entries", entries, "-of", "json"]
    done = subprocess.run([ffprobe, *question, "file:" + str(file)], capture_output=True)
    answer = json.loads(done.stdout or "{}")
    reason = last_line(done.stderr).removeprefix(f"file:{file}: ")
    if done.returncode != 0 or not answer.get("streams"):
        raise ImageError(f"cannot read {file}: {reason or 'there is no picture in it'}")
    stream = answer["streams"][0]
    pace = rate or _rate(stream.get("avg_frame_rate")) or _rate(stream.get("r_frame_rate")) or Fraction(25)
    seconds = stream.get("duration") or answer.get("format", {}).get("duration")
    count = round(float(seconds) * pace) if seconds else int(stream.get("nb_frames", 0))

    def frames() -> Iterator[Any]:
        # constant rate, so that sound and pictures stay together; PPM, since each picture tells its size
        target = [
            "-map",
            "0:v:0",
            "-r",
            str(pace),
            "-f",
            "image2pipe",
            "-c:v",
            "ppm",
            "-pix_fmt",
            "rgb24",
            "-",
        ]
        command = [ffmpeg, "-nostdin", "-v", "error", "-i", "file:" + str(file), *target]
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
            assert process.stdout is not None
            try:
                while picture := _ppm(process.stdout):
                    yield picture
                if process.wait() != 0:
                    errors.seek(0)
                    raise ImageError(f"cannot read {file}: {last_line(errors.read())}")
            finally:
                process.kill()
                process.stdout.close()
                process.wait()

    return Source(frames, count or None, pace, sound=file)


def _ppm(stream: IO[bytes]) -> Image.Image | None:
    """The next picture of a stream of them, as ffmpeg writes them: P6, width and height, 255, then bytes."""
    if not stream.readline():
        return None
    width, height = map(int, stream.readline().split())
    stream.readline()
    data = stream.read(3 * width * height)
    return Image.frombytes("RGB", (width, height), data) if len(data) == 3 * width * height else None


def _rate(text: str | None) -> Fraction | None:
    """Frames a second as ffprobe says it: "30000/1001", or "0/0" where it does not know."""
    top, _, bottom = (text or "0/0").partition("/")
    return Fraction(int(top), int(bottom or 1)) if int(top) and int(bottom or 1) else None
