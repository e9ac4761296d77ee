"""Frames in: folders of pictures, animations by Pillow, everything else by PyAV.

Of a film, what cannot be decoded is skipped as players skip it, and colours become sRGB.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise, repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nst.cli.movies.animation import FRAME, Animation, is_animation
from nst.cli.movies.film import HOLE, Timing, demuxed, open_film, pyav, repeats
from nst.cli.movies.writing import ACCURATE, SD
from nst.errors import ImageError
from nst.pictures.opening import HEAD, format_of, open_file, open_picture, suffixes
from nst.pictures.picture import to_uint8
from nst.pictures.profiles import HDR, SRGB, from_code_points, needs_conversion

UNSPECIFIED, FULL = 2, 2  # of matrices in H.273, and of ranges in FFmpeg
SQUEEZED = 8  # pixels of larger aspects are a fault of the file
_FASTEST = 1000  # frames a second that are believed
_LATE = Fraction(1, 5)  # seconds without a picture at the beginning that are worth a line
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders leave it out


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


@dataclass(frozen=True)
class Film:
    """What there is to decode."""

    file: Path  # where
    # when each frame is shown, and when the last one ends, in seconds on the file's clock
    times: Sequence[Fraction]
    rate: Fraction  # frames a second as the file says, or 25
    tick: Fraction  # of the file's clock, in seconds
    interlaced: bool  # whether a frame says so of itself
    threads: str  # of the decoder, as PyAV names them


def look_at(file: Path) -> Film:
    """Decode all frames, which is nothing beside painting them: what is lost is known then, and when each is shown.

    ImageError: there is no film in it, its size changes, or it is too large.
    """
    av = pyav(f"cannot read {file}", "give a folder of frames")
    try:
        film, damaged, begin = _look_at(av, file, "AUTO")
        if damaged:  # threads that are ahead of an error lose frames, now these and now those
            film, damaged, begin = _look_at(av, file, "NONE")
    except av.FFmpegError as error:
        raise ImageError(f"cannot read {file}: {error.strerror}") from error
    logger, late = logging.getLogger("nst"), film.times[0] - begin
    if damaged:
        line = (
            "%s is damaged: packets of its pictures that cannot be decoded are skipped (%d, from %.2f s on)"
        )
        logger.warning(line, file, len(damaged), damaged[0] - begin)
    if late > _LATE:
        line = "%s does not begin with a key frame, as a film that was cut: its first %.2f s have no picture"
        logger.warning(line, file, late)
    return film


def frames_of(film: Film, deinterlace: str = "") -> Iterator[Image.Image]:
    """The frames as people see them, RGB or RGBA; `deinterlace`: "interlaced" ones, "all", or "" for none.

    ImageError: the film has changed since it was looked at.
    """
    av = pyav(f"cannot read {film.file}")
    try:
        with open_film(film.file) as container:
            stream = _pictures_of(av, container, film.file)
            aspect = stream.sample_aspect_ratio or Fraction(1)
            found = _decoded(av, container, stream, film.threads)
            frames = (frame for _, some in found for frame in some or ())
            for frame in _deinterlaced(av, frames, deinterlace) if deinterlace else frames:
                yield _picture(frame, aspect)
    except av.FFmpegError as error:
        raise ImageError(f"cannot read {film.file}: {error.strerror}") from error


def one_picture(file: Path) -> ImageError:
    """What to say of a photograph."""
    return ImageError(f"{file} is one picture, not a film: nst stylize paints it")


def _look_at(av: Any, file: Path, threads: str) -> tuple[Film, list[Fraction], Fraction]:
    """(the film, the times of packets that are damaged, the time of the first packet)."""
    with open_film(file) as container:
        if container.format.name.endswith(("_pipe", "image2")):
            raise one_picture(file)
        stream = _pictures_of(av, container, file)
        rates = (stream.average_rate, stream.guessed_rate)
        rate = next((rate for rate in rates if rate and rate <= _FASTEST), Fraction(25))
        times: list[Fraction] = []
        damaged: list[Fraction] = []
        begin, size, interlaced, end = None, None, False, Fraction(0)
        for due, frames in _decoded(av, container, stream, threads):
            if due is not None and not times:
                begin = due if begin is None else min(begin, due)
            if frames is None:
                damaged.append(end if due is None else due)
            for frame in frames or ():
                time = end if frame.pts is None else frame.pts * frame.time_base
                if times and not 0 < time - times[-1] <= HOLE:
                    time = end
                times.append(time)
                end = time + (frame.duration * frame.time_base or 1 / rate)
                interlaced = interlaced or frame.interlaced_frame
                now = f"{frame.width}x{frame.height}"
                size = size or now
                if now != size:
                    at = f"{float(time - times[0]):.2f} s"
                    raise ImageError(
                        f"cannot paint {file}: its frames go from {size} to {now} at {at}; cut it there"
                    )
        if not times:
            raise ImageError(f"cannot read {file}: no frame of it can be decoded; copy or download it again")
        film = Film(file, [*times, end], rate, stream.time_base, interlaced, threads)
        return film, damaged, times[0] if begin is None else begin


def _pictures_of(av: Any, container: Any, file: Path) -> Any:
    stream = container.streams.best("video")
    if stream is None or stream.disposition & av.stream.Disposition.attached_pic:  # the cover of a song
        raise ImageError(f"cannot read {file}: there is no picture in it")
    if stream.codec_context is None:
        raise ImageError(
            f"cannot read {file}: FFmpeg does not know the codec of its pictures; convert it to MP4"
        )
    pixels = stream.width * stream.height
    if pixels > FRAME:
        raise ImageError(
            f"cannot read {file}: frames of {pixels:,} pixels, above the limit of {FRAME:,}; make it smaller"
        )
    return stream


def _decoded(
    av: Any, container: Any, stream: Any, threads: str
) -> Iterator[tuple[Fraction | None, list[Any] | None]]:
    """When packets are due, and the frames that come out when they go in: None where that fails."""
    decoder = stream.codec_context
    if stream.metadata.get("alpha_mode") == "1" and decoder.name in _WITH_ALPHA:
        decoder = av.CodecContext.create(_WITH_ALPHA[decoder.name], "r")
    decoder.thread_type = threads
    decoder.options = {"max_pixels": str(FRAME)}
    for packet in demuxed(container, [stream]):
        due = None if packet.pts is None else packet.pts * packet.time_base
        try:
            yield due, decoder.decode(packet)
        except av.FFmpegError:
            yield due, None
    with suppress(av.FFmpegError):  # what the decoder has kept, where the film breaks off
        yield None, decoder.decode(None)


def _deinterlaced(av: Any, frames: Iterable[Any], which: str) -> Iterator[Any]:
    """As many frames as there are, each of its first field, the other lines worked out (bwdif)."""
    source: Any = None
    graph = av.filter.Graph()
    for frame in chain(frames, [None]):
        if source is None:
            if frame is None:
                return
            source = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
            )
            sink = graph.add("buffersink")
            graph.link_nodes(source, graph.add("bwdif", f"mode=send_frame:deint={which}"), sink).configure()
        source.push(frame)
        while True:
            try:
                yield sink.pull()
            except (av.BlockingIOError, av.EOFError):
                break


def _picture(frame: Any, aspect: Fraction) -> Image.Image:
    """A frame as people see it: in sRGB, its pixels square, turned and mirrored as its display matrix says."""
    pixels = _in_srgb(frame)
    if aspect != 1 and 1 / SQUEEZED <= aspect <= SQUEEZED:
        height, width = pixels.shape[:2]
        size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # beside it is data of a kind that this PyAV does not know
        return Image.fromarray(np.rot90(pixels, round(frame.rotation / 90)))
    if matrix is not None:
        # x' = a x + c y, y' = b x + d y; of quarter turns two of the four are 0
        a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
        if abs(b) > abs(a):
            pixels, a, d = pixels.swapaxes(0, 1), c, b
        pixels = pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return Image.fromarray(np.ascontiguousarray(pixels))


def _in_srgb(frame: Any) -> NDArray[np.uint8]:
    """(H, W, 3), or 4 with alpha, by the matrix, the range, the primaries and the tones that the frame names."""
    said = frame.colorspace != UNSPECIFIED  # else it is taken as players take it
    coded = frame.colorspace if said else "ITU709" if frame.height > SD else "ITU601"
    # said in full, since PyAV before 17 converts by neither otherwise; RGB has no matrix, one is named all the same
    ranged = "JPEG" if frame.color_range == FULL else "MPEG"
    how = {"src_colorspace": coded, "src_color_range": ranged, "dst_colorspace": "ITU601"}
    channels = "rgba" if any(component.is_alpha for component in frame.format.components) else "rgb"
    tones = getattr(frame, "color_trc", UNSPECIFIED)
    points = getattr(frame, "color_primaries", UNSPECIFIED), tones if tones in HDR else SRGB
    if not needs_conversion(*points):
        eight = "rgba" if channels == "rgba" else "rgb24"
        return np.asarray(frame.to_ndarray(format=eight, interpolation=ACCURATE, **how))
    sixteen = "rgba64le" if channels == "rgba" else "rgb48le"
    signal = frame.to_ndarray(format=sixteen, interpolation=ACCURATE, **how).astype(np.float32) / 65535
    rgb = from_code_points(signal[..., :3], *points)
    return to_uint8(np.concatenate([rgb, signal[..., 3:]], axis=2))
