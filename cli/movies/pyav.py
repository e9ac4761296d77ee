"""PyAV, looked for when a film is met."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from errno import EINVAL
from importlib import import_module
from pathlib import Path
from typing import Any

from nst.errors import ImageError

_LISTS = {
    "concat",
    "dash",
    "hls",
    "imf",
    "rtp",
    "rtsp",
    "sdp",
}  # FFmpeg's names of formats that name other files


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
