"""What goes along with the pictures of a film, into another one: sound, subtitles, chapters and title."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from nst.cli.movies.film import HOLE, demuxed, open_film, pyav
from nst.errors import ImageError

Timed = tuple[Fraction, Any]  # when packets are due, in seconds, and the packets

KINDS = {"audio": "sound", "subtitle": "subtitles"}
_LAYOUTS = {1: "mono", 6: "5.1", 8: "7.1"}  # by channels, those that AAC and Opus take; all others as stereo
_TEXTS = {"matroska": "subrip", "webm": "webvtt", "mp4": "mov_text", "mov": "mov_text"}
_SAID = ("title", "artist", "copyright", "date")


def kinds_in(film: Path) -> set[str]:
    """Those of `KINDS` that a film has; all, if it cannot be read any more."""
    try:
        with open_film(film) as source:
            return {stream.type for stream in source.streams}.intersection(KINDS)
    except (ImageError, pyav("cannot read sound").FFmpegError):
        return set(KINDS)


def copy_texts(source: Any, container: Any, start: Fraction) -> None:
    """Title and chapters; `start` as of `Timing`."""
    said = {key.lower(): text for key, text in source.metadata.items()}
    container.metadata.update({key: said[key] for key in _SAID if key in said})
    chapters = []
    for chapter in source.chapters():
        if not chapter["time_base"]:
            continue
        late = round(start / chapter["time_base"])
        begin, end = max(0, chapter["start"] - late), chapter["end"] - late
        if end > begin:
            chapters.append({**chapter, "start": begin, "end": end})
    container.set_chapters(chapters)


def add_tracks(
    source: Any, container: Any, start: Fraction, codec: str, kinds: Collection[str], most: int | None
) -> Iterator[Timed]:
    """Sound and subtitles: as they are where both files are of one kind and may hold them, else encoded anew.

    Streams are added at once, packets come as they are asked for: all, or the first `most` that are read.
    """
    alike = container.format.name in source.format.name.split(",")
    tracks: dict[int, _Copied] = {}
    for stream in source.streams:
        if stream.type not in kinds:
            continue
        known = stream.codec_context and stream.codec_context.codec
        if alike and known and {known.name, known.canonical_name} & container.supported_codecs:
            track = _Copied(stream, container.add_stream_from_template(stream), start)
        elif known and stream.type == "audio":
            track = _Sound(stream, container, start, codec)
        elif known and stream.type == "subtitle" and known.text_sub and container.format.name in _TEXTS:
            track = _Subtitles(stream, container, start)
        else:
            why = (
                f"{known.canonical_name} does not go into {container.format.name}"
                if known
                else "FFmpeg does not know it"
            )
            _say(
                "track %d of %s (%s) is left out: %s", stream.index + 1, source.name, KINDS[stream.type], why
            )
            continue
        for key in ("language", "title"):
            if key in stream.metadata:
                track.target.metadata[key] = stream.metadata[key]
        track.target.disposition = stream.disposition.value
        tracks[stream.index] = track
    return _packets(source, tracks, most) if tracks else iter(())


def _packets(source: Any, tracks: dict[int, _Copied], most: int | None) -> Iterator[Timed]:
    for packet in islice(demuxed(source, [source.streams[index] for index in tracks]), most):
        yield from tracks[packet.stream.index].take(packet)
    for track in tracks.values():
        yield from track.end()
    damaged = sum(track.damaged for track in tracks.values())
    if damaged and most is None:
        _say("the sound of %s is damaged: there is silence for lost packets (%d)", source.name, damaged)


class _Copied:
    """A track whose packets stay as they are."""

    damaged = 0

    def __init__(self, stream: Any, target: Any, start: Fraction) -> None:
        self.target, self._stream, self._start = target, stream, start
        self._timeless = target.container.format.name == "avi"  # where sound begins with the pictures

    def take(self, packet: Any) -> Iterator[Timed]:
        """What a packet becomes."""
        time = None if packet.dts is None else packet.dts * packet.time_base - self._start
        if time is None or (self._timeless and time < 0):  # the last one is empty
            return
        late = round(self._start / packet.time_base)
        packet.pts = (packet.dts if packet.pts is None else packet.pts) - late
        packet.dts -= late
        packet.stream = self.target
        yield time, packet

    def end(self) -> Iterator[Timed]:
        """What is left."""
        return iter(())


class _Sound(_Copied):
    """A track that is encoded anew, in the rate and the channels nearest to its own that the codec takes."""

    def __init__(self, stream: Any, container: Any, start: Fraction, codec: str) -> None:
        self._av = pyav("cannot read sound")
        rates = self._av.Codec(codec, "w").audio_rates
        rate = min((rate for rate in rates if rate >= stream.rate), default=max(rates))
        layout = _LAYOUTS.get(stream.layout.nb_channels, "stereo")
        if codec == "libmp3lame" and layout != "mono":
            layout = "stereo"
        super().__init__(stream, container.add_stream(codec, rate=rate, layout=layout), start)
        self._last: Any = None
        self._kind: tuple[Any, ...] = ()
        self._heard: Fraction | None = None

    def take(self, packet: Any) -> Iterator[Timed]:
        """What a packet becomes; one that is damaged becomes nothing."""
        try:
            frames = packet.decode()
        except self._av.FFmpegError:
            self.damaged += 1
            return
        for frame in frames:
            if self._heard is None:
                self._heard = self._start if frame.pts is None else frame.pts * frame.time_base
            if frame.pts is None or not -1 < frame.pts * frame.time_base - self._heard < HOLE:
                frame.pts = round(self._heard / frame.time_base)  # a clock that was set, not silence
            self._heard = frame.pts * frame.time_base + Fraction(frame.samples, frame.sample_rate)
            kind = frame.format.name, frame.layout.name, frame.sample_rate
            if kind != self._kind:  # broadcasts go from stereo to 5.1 and back
                yield from self._pulled(None)
                self._open(frame)
                self._kind = kind
            yield from self._pulled(frame)

    def end(self) -> Iterator[Timed]:
        """What the filters and the encoder have kept."""
        yield from self._pulled(None)
        if self._kind:
            yield Fraction(0), self.target.encode()

    def _open(self, frame: Any) -> None:
        """Filters from the kind of this frame to the encoder's.

        Samples are counted, since the ticks of a file may be coarse; gaps above 50 ms, of lost packets, are filled, and
        the sound begins with the pictures.
        """
        context = self.target.codec_context
        begin = "" if self._kind else f":first_pts={round(self._start * context.sample_rate)}"
        self._graph = self._av.filter.Graph()
        self._first, *_, self._last = nodes = [
            self._graph.add(
                "abuffer",
                time_base=str(frame.time_base),
                sample_rate=str(frame.sample_rate),
                sample_fmt=frame.format.name,
                channel_layout=frame.layout.name,
            ),
            self._graph.add("aresample", f"async=1:min_hard_comp=0.05{begin}"),
            self._graph.add(
                "aformat",
                sample_fmts=context.format.name,
                sample_rates=str(context.sample_rate),
                channel_layouts=context.layout.name,
            ),
            self._graph.add("abuffersink"),
        ]
        self._graph.link_nodes(*nodes).configure()

    def _pulled(self, frame: Any) -> Iterator[Timed]:
        if self._last is None:
            return
        self._first.push(frame)
        while True:
            try:
                found = self._last.pull()
            except (self._av.BlockingIOError, self._av.EOFError):
                return
            time = (found.pts or 0) * found.time_base - self._start
            found.pts = round(time / found.time_base)
            yield time, self.target.encode(found)


class _Subtitles(_Copied):
    """Texts, in the form of another container."""

    def __init__(self, stream: Any, container: Any, start: Fraction) -> None:
        super().__init__(stream, container.add_stream(_TEXTS[container.format.name]), start)
        stream.codec_context.open(strict=False)
        self.target.codec_context.subtitle_header = stream.codec_context.subtitle_header

    def take(self, packet: Any) -> Iterator[Timed]:
        """What a text becomes; one from before the first picture becomes nothing."""
        text: Any = None
        try:
            found = self._stream.codec_context.decode2(packet) if packet.size else None
            text = found and self.target.codec_context.encode_subtitle(found)
        except pyav("cannot read subtitles").FFmpegError:  # it is damaged
            return
        for time, timed in super().take(packet) if text else ():
            if time >= 0:
                text.pts, text.dts, text.duration = timed.pts, timed.dts, timed.duration
                text.time_base, text.stream = timed.time_base, self.target
                yield time, text


def _say(line: str, *values: object) -> None:
    logging.getLogger("nst").warning(line, *values)
