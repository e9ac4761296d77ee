"""Frames in: folders of pictures, animations by Pillow, everything else by PyAV."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise, repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nst.cli.movies.animation import Animation, is_animation
from nst.cli.movies.timing import Timing, repeats
from nst.cli.movies.writing import ACCURATE, SD, pyav
from nst.errors import ImageError
from nst.pictures.opening import suffixes
from nst.pictures.picture import to_uint8
from nst.pictures.profiles import HDR, SRGB, from_code_points, needs_conversion

__all__ = ["FrameSource", "open_source"]

UNSPECIFIED, FULL = 2, 2  # of matrices in H.273, and of ranges in FFmpeg
SQUEEZED = 8  # pixels of larger aspects are a fault of the file


@dataclass(frozen=True)
class FrameSource:
    """A video that is read frame by frame.

    Attributes:
        frames: starts to read: pictures of a kind that `StyleTransfer` takes, one after the other.
        count: how many there are, or are thought to be; None where nothing tells.
        timing: when they are shown.
    """

    frames: Callable[[], Iterator[Any]]
    count: int | None
    timing: Timing


def open_source(path: str, rate: Fraction | None) -> FrameSource:
    """Look at a folder of pictures, an animation or a video.

    Args:
        path: what to read. The pictures of a folder come in natural order: 2 before 10.
        rate: frames a second, for a folder (25 unless given) or in place of the file's own.

    Raises:
        ImageError: nothing is there, no frame is in it, or PyAV is needed and not there.
    """
    file = Path(path)
    if file.is_dir():
        known = suffixes()
        pictures = [p for p in file.iterdir() if p.suffix.lower() in known and not p.name.startswith(".")]
        if not pictures:
            raise ImageError(f"cannot read {path}: there is no picture in the folder")
        pictures.sort(key=lambda p: [int(w) if w.isdigit() else w for w in re.split(r"(\d+)", p.name)])
        return FrameSource(lambda: iter(pictures), len(pictures), Timing(rate or Fraction(25)))
    if not file.is_file():
        raise ImageError(f"cannot read {path}: no such file or folder; check the name")
    if is_animation(file):
        animation = Animation(file)
        return FrameSource(animation.frames, animation.count, Timing(rate) if rate else animation.timing)
    return _movie(file, rate)


def _movie(file: Path, rate: Fraction | None) -> FrameSource:
    av = pyav(f"cannot read {file}", "give a folder of frames")
    try:
        with av.open(str(file)) as container:
            stream = _pictures_of(container, file)
            own = stream.average_rate or stream.guessed_rate or Fraction(25)
            shown = sorted(
                (packet.pts * packet.time_base, packet.duration * packet.time_base or 1 / own)
                for packet in container.demux(stream)
                if packet.pts is not None and not packet.is_discard
            )
            count, tick = len(shown) or stream.frames, stream.time_base
    except av.FFmpegError as error:
        raise ImageError(f"cannot read {file}: {error.strerror}") from error
    start = shown[0][0] if shown else Fraction(0)
    times = [time - start for time, _ in shown] + [shown[-1][0] + shown[-1][1] - start] if shown else []
    durations = [after - before for before, after in pairwise(times)]
    again: Iterable[int] = repeat(1)
    if rate and times:  # another rate for the same length, so that sound and pictures stay together
        again = repeats(times, rate)
        count, durations = sum(again), []
    elif max(durations, default=0) - min(durations[:-1], default=0) <= 2 * tick:  # which are rounded to ticks
        durations = []

    def frames() -> Iterator[Any]:
        with av.open(str(file)) as container:
            stream = _pictures_of(container, file)
            stream.thread_type = "AUTO"
            aspect = stream.sample_aspect_ratio or Fraction(1)
            try:
                for frame, often in zip(container.decode(stream), chain(again, repeat(1)), strict=False):
                    for _ in range(often):
                        yield _picture(frame, aspect)
            except av.FFmpegError as error:
                raise ImageError(f"cannot read {file}: {error.strerror}") from error

    return FrameSource(frames, count or None, Timing(rate or own, durations or None, file, start))


def _pictures_of(container: Any, file: Path) -> Any:
    stream = container.streams.best("video")
    if stream is None:
        raise ImageError(f"cannot read {file}: there is no picture in it")
    return stream


def _picture(frame: Any, aspect: Fraction) -> Image.Image:
    """A frame as people see it: in sRGB, its pixels square, turned and mirrored as its display matrix says."""
    pixels = _in_srgb(frame)
    if aspect != 1 and 1 / SQUEEZED <= aspect <= SQUEEZED:
        height, width = pixels.shape[:2]
        size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    matrix = next((data for data in frame.side_data if data.type.name == "DISPLAYMATRIX"), None)
    if matrix is not None:
        # x' = a x + c y, y' = b x + d y; of quarter turns two of the four are 0
        a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
        if abs(b) > abs(a):
            pixels, a, d = pixels.swapaxes(0, 1), c, b
        pixels = pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return Image.fromarray(np.ascontiguousarray(pixels))


def _in_srgb(frame: Any) -> NDArray[np.uint8]:
    """(H, W, 3), by the matrix, the range, the primaries and the tones that the frame names."""
    said = frame.colorspace != UNSPECIFIED  # else it is taken as players take it
    coded = frame.colorspace if said else "ITU709" if frame.height > SD else "ITU601"
    # said in full, since PyAV before 17 converts by neither otherwise; RGB has no matrix, one is named all the same
    ranged = "JPEG" if frame.color_range == FULL else "MPEG"
    how = {"src_colorspace": coded, "src_color_range": ranged, "dst_colorspace": "ITU601"}
    tones = getattr(frame, "color_trc", UNSPECIFIED)
    points = getattr(frame, "color_primaries", UNSPECIFIED), tones if tones in HDR else SRGB
    if not needs_conversion(*points):
        return np.asarray(frame.to_ndarray(format="rgb24", interpolation=ACCURATE, **how))
    signal = frame.to_ndarray(format="rgb48le", interpolation=ACCURATE, **how)
    return to_uint8(from_code_points(signal.astype(np.float32) / 65535, *points))
