"""What reading and writing moving pictures have in common: when frames are shown, and PyAV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from errno import EINVAL
from fractions import Fraction
from importlib import import_module
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from nst.errors import ImageError

HOLE = 3600  # seconds between two times that are a fault of the file if there are more
_LISTS = {
    "concat",
    "dash",
    "hls",
    "imf",
    "rtp",
    "rtsp",
    "sdp",
}  # FFmpeg's names of formats that name other files


@dataclass(frozen=True)
class Timing:
    """What goes from the source of a video to its result, beside the pictures."""

    rate: Fraction  # frames a second; their mean where `durations` tell more
    # how long each frame is shown, in seconds, where they are not all alike
    durations: Sequence[Fraction] | None = None
    film: Path | None = None  # the file whose sound, subtitles, chapters and title go along
    start: Fraction = Fraction(0)  # when the first frame is shown, in seconds on that file's clock

    def times(self, count: int) -> list[Fraction]:
        """When each of `count` frames begins, and when the last one ends, in seconds after the first."""
        durations = self.durations
        if durations is None or len(durations) != count:
            durations = [1 / self.rate] * count
        return [Fraction(0), *accumulate(durations)]


def repeats(times: Sequence[Fraction], rate: Fraction) -> list[int]:
    """How often each frame comes, for these times at a constant rate; times as of `Timing.times`."""
    return [round(end * rate) - round(begin * rate) for begin, end in pairwise(times)]


def pyav(problem: str, instead: str = "write a folder of frames, .gif or .webp") -> Any:
    """The package `av`. ImageError: it is not there."""
    try:
        return import_module("av")
    except ImportError as error:
        raise ImageError(f"{problem}: that needs av: pip install 'nst[video]', or {instead}") from error


def open_film(file: Path) -> Any:
    """PyAV's container; titles of whatever encoding are no reason to refuse a film.

    ImageError: PyAV is not there, or it is a list of other files: places come from the person alone.
    """
    av = pyav(f"cannot read {file}", "give a folder of frames")
    kinds = ",".join(sorted(set(av.formats_available) - _LISTS))
    try:
        return av.open(str(file), metadata_errors="replace", container_options={"format_whitelist": kinds})
    except av.FFmpegError as error:
        if error.errno != EINVAL:
            raise
        raise ImageError(f"cannot read {file}: it is no film, or a list of films; give one film") from error


def demuxed(film: Any, streams: Sequence[Any]) -> Iterator[Any]:
    """Packets, until the film ends or breaks off."""
    av = pyav(f"cannot read {film.name}")
    try:
        yield from film.demux(list(streams))
    except av.FFmpegError:
        return
