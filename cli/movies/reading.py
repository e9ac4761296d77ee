"""Frames in: folders of pictures, animations by Pillow, everything else by PyAV."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any

from nst.cli.movies.animation import Animation, is_animation
from nst.cli.movies.decoding import frames_of, look_at, one_picture
from nst.cli.movies.timing import Timing, repeats
from nst.errors import ImageError
from nst.pictures.opening import HEAD, format_of, open_file, open_picture, suffixes


@dataclass(frozen=True)
class FrameSource:
    """A video that is read frame by frame."""

    # starts to read: pictures of a kind that `StyleTransfer` takes, one after the other
    frames: Callable[[], Iterator[Any]]
    count: int | None  # how many there are, or are thought to be; None where nothing tells
    timing: Timing  # when they are shown


def open_source(path: str, rate: Fraction | None, deinterlace: str = "auto") -> FrameSource:
    """Look at a folder of pictures, an animation or a video.

    The pictures of a folder come in natural order, 2 before 10, at 25 frames a second unless `rate` says otherwise.
    `deinterlace`: "auto" the frames of a film that say that they are interlaced, "on" all, "off" none.

    ImageError: nothing is there, no frame is in it, frames are of several sizes, it is one picture, or PyAV is needed
    and not there.
    """
    file = Path(path)
    if file.is_dir():
        known = suffixes()
        pictures = [p for p in file.iterdir() if p.suffix.lower() in known and not p.name.startswith(".")]
        if not pictures:
            raise ImageError(f"cannot read {path}: there is no picture in the folder")
        pictures.sort(key=lambda p: [int(w) if w.isdigit() else w for w in re.split(r"(\d+)", p.name)])
        _require_one_size(pictures)
        return FrameSource(lambda: iter(pictures), len(pictures), Timing(rate or Fraction(25)))
    if not file.is_file():
        raise ImageError(f"cannot read {path}: no such file or folder; check the name")
    if is_animation(file):
        animation = Animation(file)
        if animation.count == 1:
            raise one_picture(file)
        return FrameSource(animation.frames, animation.count, Timing(rate) if rate else animation.timing)
    return _movie(file, rate, deinterlace)


def _require_one_size(pictures: Sequence[Path]) -> None:
    sizes = []
    for picture in pictures:
        with open_file(picture) as opened:
            sizes.append(open_picture(opened, picture).size)
        if sorted(sizes[-1]) != sorted(sizes[0]):  # some may lie on their side, and say so
            one, other = (f"{width}x{height}" for width, height in (sizes[-1], sizes[0]))
            raise ImageError(f"{picture} has {one} pixels, {pictures[0]} {other}: give frames of one size")


def _movie(file: Path, rate: Fraction | None, deinterlace: str) -> FrameSource:
    film = look_at(file)
    times = [time - film.times[0] for time in film.times]
    durations = [after - before for before, after in pairwise(times)]
    with open_file(file) as opened:
        format_ = format_of(opened.read(HEAD))
    if len(durations) == 1 and format_ is not None and format_.pillow:  # HEIC, which is built as films are
        raise one_picture(file)
    woven = {"on": "all", "auto": "interlaced" if film.interlaced else ""}.get(deinterlace, "")
    often, own = [1] * len(durations), film.rate
    if rate:  # another rate for the same length, so that sound and pictures stay together
        often, durations = repeats(times, rate), []
    elif max(durations) - min(durations[:-1], default=durations[0]) <= min(
        2 * film.tick, 1 / (2 * own)
    ):  # rounded to ticks
        mean = times[-2] / max(1, len(durations) - 1)
        if abs(own * mean - 1) > Fraction(1, 50) and mean:  # as of broadcasts, which may count fields
            own = (1 / mean).limit_denominator(1001)
        durations = []

    def frames() -> Iterator[Any]:
        for frame, count in zip(frames_of(film, woven), often, strict=False):
            yield from repeat(frame, count)

    return FrameSource(frames, sum(often), Timing(rate or own, durations or None, file, film.times[0]))
