"""What films of real cameras, recorders and editors have: the films are made, and broken, here."""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nst.cli.movies import tracks, writing
from nst.cli.movies.film import Timing
from nst.cli.movies.reading import open_source
from nst.cli.movies.writing import try_movie, write_movie
from nst.errors import ImageError
from nst.pictures.picture import Picture

av = pytest.importorskip("av")
sys.path.insert(0, str(Path(__file__).parent))
from films import TONE, film, pictures, pitch, saved, shown, sound_of, times_in  # noqa: E402

SECOND = [0, 500, 960]


def rewritten(path, out, count=None):
    """The film through the reader and the writer, without paint between them."""
    source = open_source(str(path), None)
    folder = out.parent / "frames"
    folder.mkdir(exist_ok=True)
    frames = [folder / f"{number}.png" for number in range(source.count)]
    for frame, place in zip(source.frames(), frames, strict=True):
        frame.save(place)
    write_movie(out, frames, source.timing)
    return out


def change(path, place, data):
    """Other bytes at a place of a file."""
    whole = bytearray(path.read_bytes())
    whole[place : place + len(data)] = data
    path.write_bytes(bytes(whole))


def places(path, kind):
    """(where a packet begins, its length) of the first track of a kind."""
    with av.open(str(path)) as container:
        return [(p.pos, p.size) for p in container.demux(getattr(container.streams, kind)[0]) if p.size]


@pytest.mark.parametrize(
    ("source", "codec", "rate", "layout", "target", "expected"),
    [
        (
            "avi",
            "pcm_s16le",
            44100,
            "stereo",
            "mp4",
            ("aac", 44100, "stereo"),
        ),  # whose channels have no names
        ("mkv", "pcm_s16le", 48000, "stereo", "mp4", ("aac", 48000, "stereo")),
        ("avi", "libmp3lame", 48000, "stereo", "mp4", ("aac", 48000, "stereo")),  # in ticks of 24 ms
        ("mkv", "ac3", 48000, "5.1(side)", "webm", ("opus", 48000, "5.1")),
        ("mkv", "ac3", 48000, "5.1(side)", "avi", ("mp3float", 48000, "stereo")),
        ("mov", "pcm_s24le", 192000, "stereo", "mkv", ("aac", 96000, "stereo")),
        ("mov", "pcm_s16le", 96000, "mono", "avi", ("mp3float", 48000, "mono")),
        ("mov", "pcm_s16le", 22000, "mono", "mkv", ("aac", 22050, "mono")),
        ("mkv", "flac", 48000, "quad", "mp4", ("aac", 48000, "stereo")),
    ],
)
def test_sound_of_every_kind_goes_along(source, codec, rate, layout, target, expected, tmp_path, caplog):
    times = range(0, 1000, 40) if source == "avi" else SECOND
    path = film(tmp_path / f"in.{source}", times, sound=codec, sound_rate=rate, layout=layout)
    out = rewritten(path, tmp_path / f"out.{target}")
    name, samples, begin = sound_of(out)
    with av.open(str(out)) as container:
        stream = container.streams.audio[0]
        assert (name.removeprefix("lib"), stream.rate, stream.layout.name) == expected
    assert len(samples) / stream.rate == pytest.approx(1, abs=0.08)
    assert pitch(samples, stream.rate) == pytest.approx(TONE, abs=2)
    assert abs(begin) < 0.06
    assert caplog.messages == []


def test_a_track_of_an_unknown_codec_is_left_out(tmp_path, caplog):
    """As the spatial sound of a telephone, beside which there is a track of stereo."""
    path = film(tmp_path / "in.mov", SECOND, sound="pcm_s16le")
    path.write_bytes(path.read_bytes().replace(b"sowt", b"apac"))
    out = rewritten(path, tmp_path / "out.mp4")
    assert caplog.messages == [f"track 2 of {path} (sound) is left out: FFmpeg does not know it"]
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_damaged_sound_is_silence_and_what_comes_after_it_is_in_time(tmp_path, caplog):
    path = film(tmp_path / "in.mp4", SECOND, sound="aac", silence=0.5)
    for place, size in places(path, "audio")[5:10]:  # 107 ms
        change(path, place, bytes((number * 73 + 11) % 256 for number in range(size)))
    _, samples, begin = sound_of(rewritten(path, tmp_path / "out.mkv"))
    assert np.argmax(np.abs(samples) > 0.2) / 48000 + begin == pytest.approx(0.5, abs=0.03)
    assert caplog.messages == [f"the sound of {path} is damaged: there is silence for lost packets (5)"]


def test_a_rate_that_mpeg_4_cannot_say(tmp_path):
    rate = Fraction(2997003, 100003)
    out = tmp_path / "out.avi"
    write_movie(out, saved(tmp_path / "frames"), Timing(rate))
    source = open_source(str(out), None)
    assert source.count == 5
    assert float(source.timing.rate) == pytest.approx(float(rate), rel=1e-4)


def test_what_cannot_be_written_is_known_before_the_work(tmp_path, monkeypatch, caplog):
    source = open_source(str(film(tmp_path / "in.mkv", SECOND, sound="flac")), None)
    before = set(tmp_path.iterdir())
    painted = Picture(np.zeros((32, 48, 3), np.float32))
    for suffix in ("mp4", "m4v", "mov", "mkv", "webm", "avi", "gif", "webp"):
        try_movie(tmp_path / f"out.{suffix}", painted, source.timing)
    assert caplog.messages == []
    codec, options, _ = writing.CODECS[".mp4"]
    monkeypatch.setitem(writing.CODECS, ".mp4", (codec, options, "libmp2twolame"))
    try_movie(tmp_path / "out.mp4", painted, source.timing)
    (line,) = caplog.messages
    assert line.startswith(f"{tmp_path / 'out.mp4'} has to go without the sound of {tmp_path / 'in.mkv'} (")
    monkeypatch.setitem(writing.CODECS, ".mp4", ("no such codec", {}, "aac"))
    with pytest.raises(ImageError, match=r"cannot write .*out.mp4: "):
        try_movie(tmp_path / "out.mp4", painted, source.timing)
    with pytest.raises(ImageError, match=r"cannot write .*out.webp: "):  # WebP has 16383 columns
        try_movie(tmp_path / "out.webp", Picture(np.zeros((2, 16400, 3), np.float32)), source.timing)
    with pytest.raises(ImageError, match=r"cannot write .*out.avi: a film has two pixels a side at least"):
        try_movie(tmp_path / "out.avi", Picture(np.zeros((1, 40, 3), np.float32)), Timing(Fraction(25)))
    assert set(tmp_path.iterdir()) == before


def test_sound_that_fails_after_all_does_not_cost_the_film(tmp_path, monkeypatch, caplog):
    take = tracks._Sound.take

    def failing(self, packet):
        if packet.pts * packet.time_base > 0.5:
            raise ValueError("no more")
        return take(self, packet)

    monkeypatch.setattr(tracks._Sound, "take", failing)
    out = rewritten(film(tmp_path / "in.mkv", SECOND, sound="flac"), tmp_path / "out.mp4")
    assert caplog.messages == [f"{out} has to go without the sound of {tmp_path / 'in.mkv'} (no more)"]
    assert [round(1000 * time) for time in times_in(out)] == SECOND
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_a_film_that_is_gone_when_its_frames_are_painted(tmp_path, caplog):
    path = film(tmp_path / "in.mkv", SECOND, sound="flac")
    source = open_source(str(path), None)
    frames = saved(tmp_path / "frames", 3)
    path.unlink()
    out = tmp_path / "out.mp4"
    write_movie(out, frames, source.timing)
    assert caplog.messages == [
        f"{out} has to go without the {what} of {path} (No such file or directory)"
        for what in ("subtitles", "sound")
    ]
    assert [round(1000 * time) for time in times_in(out)] == SECOND
    assert not list(tmp_path.glob(".nst-*"))


FLASH = 45  # the number of the frame that is bright, and when that is, in seconds
AT = 1.8


def cut_film(path):
    """A flash and a beep at 1.8 s, behind a key frame at 1.6 s; the film begins at a frame that is none."""
    with av.open(str(path), "w", format="mpegts") as container:
        options = {"preset": "ultrafast", "sc_threshold": "0", "bf": "0"}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.codec_context.gop_size = 48, 32, 40
        tone = container.add_stream("mp2", rate=48000, layout="mono")
        packets = []
        for number in range(75):
            level = 230 if number == FLASH else 20
            packets += stream.encode(av.VideoFrame.from_ndarray(np.full((32, 48, 3), level, np.uint8)))
        packets += stream.encode()
        del packets[:3]
        time = np.arange(144000) / 48000
        wave = np.where((time >= AT) & (time < AT + 0.1), np.sin(2 * np.pi * TONE * time) / 2, 0)
        part = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), format="fltp", layout="mono")
        part.sample_rate, part.pts, part.time_base = 48000, 0, Fraction(1, 48000)
        packets += [*tone.encode(part), *tone.encode()]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "avi"])
def test_a_film_that_was_cut_between_key_frames_stays_in_step(suffix, tmp_path, caplog):
    """Its pictures begin at the first key frame, as in players, and its sound with them."""
    path = cut_film(tmp_path / "in.ts")
    source = open_source(str(path), None)
    assert source.count == len(pictures(source)) == 35
    assert caplog.messages == [
        f"{path} does not begin with a key frame, as a film that was cut: its first 1.48 s have no picture"
    ]
    out = rewritten(path, tmp_path / f"out.{suffix}")
    with av.open(str(out)) as container:
        frames = [(frame.time, frame.to_ndarray(format="gray").max()) for frame in container.decode(video=0)]
    (flash,) = [time for time, level in frames if level > 128]
    _, samples, begin = sound_of(out)
    assert flash - frames[0][0] == pytest.approx(0.2, abs=1e-3)
    beep = begin + np.argmax(np.abs(samples) > 0.2) / 48000
    assert beep == pytest.approx(flash, abs=0.035)  # MP3 in AVI says nothing of its first 23 ms


def test_recordings_put_together_go_on_where_the_clock_begins_anew(tmp_path):
    """Two broadcasts of 40 frames, the first in stereo; both begin at the same time of day."""
    parts = []
    for layout in ("stereo", "5.1(side)"):
        part = film(
            tmp_path / f"{len(parts)}.ts", range(0, 1600, 40), sound="ac3", layout=layout, silence=0.5
        )
        parts.append(part.read_bytes())
    (tmp_path / "in.ts").write_bytes(b"".join(parts))
    out = rewritten(tmp_path / "in.ts", tmp_path / "out.mkv")
    times = times_in(out)
    assert len(times) == 80
    assert float(times[-1]) == pytest.approx(79 * 0.04, abs=0.01)
    _, samples, begin = sound_of(out)
    loud = np.abs(samples) > 0.1
    assert np.argmax(loud) / 48000 + begin == pytest.approx(0.5, abs=0.04)
    assert len(samples) / 48000 == pytest.approx(2, abs=0.1)


def test_damaged_packets_of_the_picture_are_skipped(tmp_path, caplog):
    path = tmp_path / "in.mkv"
    with av.open(str(path), "w") as container:  # key frames throughout, so that no other one suffers
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuvj420p"
        for number in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shown(number))))
        container.mux(stream.encode())
    whole = pictures(open_source(str(path), None))
    place, size = places(path, "video")[2]
    data = path.read_bytes()
    at = data.index(b"\xff\xd8", place)
    change(path, at, b"\xa5" * (size - 20))
    source = open_source(str(path), None)
    line = "is damaged: packets of its pictures that cannot be decoded are skipped (1, from 0.08 s on)"
    assert caplog.messages == [f"{path} {line}"]
    assert source.count == 4
    for frame, expected in zip(pictures(source), [*whole[:2], *whole[3:]], strict=True):
        np.testing.assert_array_equal(frame, expected)
    out = rewritten(path, tmp_path / "out.mp4")
    assert [round(1000 * time) for time in times_in(out)] == [0, 40, 120, 160]


def test_films_of_which_nothing_can_be_shown(tmp_path):
    path = film(tmp_path / "in.mp4")
    for place, size in places(path, "video"):
        change(path, place + 4, b"\xa5" * (size - 4))
    with pytest.raises(ImageError, match="no frame of it can be decoded; copy or download it again"):
        open_source(str(path), None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("in.mp4", "ffconcat version 1.0\nfile other.ts\n"),
        ("in.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{}/other.ts\n#EXT-X-ENDLIST\n"),
    ],
)
def test_a_list_of_films_is_not_followed(name, text, tmp_path):
    """Another film of this machine would come into the result."""
    cut_film(tmp_path / "other.ts")
    (tmp_path / name).write_text(text.format(tmp_path))
    with pytest.raises(ImageError, match="it is no film, or a list of films; give one film"):
        open_source(str(tmp_path / name), None)


def test_a_film_whose_size_changes_is_refused_before_the_work(tmp_path):
    parts = []
    for number, size in enumerate(((48, 32), (32, 32))):
        part = tmp_path / f"{number}.ts"
        with av.open(str(part), "w") as container:
            stream = container.add_stream("mpeg2video", rate=25)
            stream.width, stream.height = size
            for _ in range(4):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((*size[::-1], 3), np.uint8))))
            container.mux(stream.encode())
        parts.append(part.read_bytes())
    (tmp_path / "in.ts").write_bytes(b"".join(parts))
    with pytest.raises(ImageError, match=r"its frames go from 48x32 to 32x32 at 0\.1\d s; cut it there"):
        open_source(str(tmp_path / "in.ts"), None)
    saved(tmp_path / "frames", 3)
    Image.new("RGB", (40, 32)).save(tmp_path / "frames" / "7.png")
    with pytest.raises(ImageError, match=r"7.png has 40x32 pixels, .*0.png 48x32: give frames of one size"):
        open_source(str(tmp_path / "frames"), None)


def test_a_rate_that_counts_fields_is_not_believed(tmp_path):
    path = film(tmp_path / "in.mkv", [40 * number for number in range(9)], rate=50)
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 50
    timing = open_source(str(path), None).timing
    assert (timing.rate, timing.durations) == (25, None)


def woven_film(path, interlaced=True):
    """A bar that moves 8 pixels from field to field: even rows are of one time, odd rows of the next."""
    options = {"flags": "+ildct+ilme", "top": "1"} if interlaced else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25, options={**options, "qscale": "1"})
        stream.width, stream.height = 96, 32
        for number in range(4):
            frame = np.zeros((32, 96, 3), np.uint8)
            frame[::2, 16 * number : 16 * number + 16] = 255
            frame[1::2, 16 * number + 8 : 16 * number + 24] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode())
    return str(path)


def combed(frame):
    """How much neighbouring rows differ, in the middle rows."""
    return np.abs(np.diff(frame[4:28, :, 1].astype(float), axis=0)).mean()


def test_interlaced_films_are_deinterlaced(tmp_path):
    path = woven_film(tmp_path / "in.mpg")
    left = [pictures(open_source(path, None, how)) for how in ("off", "auto", "on")]
    off, auto, on = ([combed(frame) for frame in frames] for frames in left)
    assert len(off) == len(auto) == len(on) == 4
    assert min(off) > 30  # 16 of 96 columns differ by 255
    assert max(auto) < 10
    assert auto == on
    bar = np.flatnonzero(left[1][2][16, :, 1] > 128)  # of one field, not of both
    assert len(bar) == pytest.approx(16, abs=2)
    assert min(abs(bar[0] - 32), abs(bar[0] - 40)) <= 2


def test_films_that_do_not_say_that_they_are_interlaced_are_left_alone(tmp_path):
    path = woven_film(tmp_path / "in.mpg", interlaced=False)
    off, auto, on = (pictures(open_source(path, None, how)) for how in ("off", "auto", "on"))
    np.testing.assert_array_equal(auto, off)
    assert combed(on[1]) < combed(off[1]) / 3


HOLE = np.s_[8:24, 16:32]


def clear_picture(number):
    """Green, with magenta below what is hidden."""
    picture = np.zeros((32, 48, 4), np.uint8)
    picture[..., :3] = 255, 0, 255
    picture[HOLE] = 20, 150 + 20 * number, 20, 255
    return picture


def clear_film(path, codec, format_):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            codec, rate=25, bit_rate=10**6, options={"auto-alt-ref": "0"} if codec == "libvpx" else {}
        )
        stream.width, stream.height, stream.pix_fmt = 48, 32, format_
        for number in range(2):
            frame = av.VideoFrame.from_ndarray(clear_picture(number), format="rgba")
            container.mux(stream.encode(frame.reformat(format=format_, dst_colorspace="ITU601")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("name", "codec", "format_"),
    [
        ("in.mov", "png", "rgba"),
        ("in.mov", "qtrle", "argb"),
        ("in.mov", "prores_ks", "yuva444p10le"),
        ("in.webm", "libvpx-vp9", "yuva420p"),
        ("in.webm", "libvpx", "yuva420p"),
    ],
)
def test_films_have_the_alpha_that_they_say(name, codec, format_, tmp_path):
    source = open_source(str(clear_film(tmp_path / name, codec, format_)), None)
    for number, frame in enumerate(source.frames()):
        assert (frame.mode, frame.size) == ("RGBA", (48, 32))
        read, drawn = np.asarray(frame).astype(int), clear_picture(number).astype(int)
        assert np.abs(read[..., 3] - drawn[..., 3]).max() <= 8
        assert np.abs(read[12:20, 20:28] - drawn[12:20, 20:28]).max() <= 24


@pytest.mark.parametrize("suffix", ["mov", "webm", "webp", "gif", "mp4", "mkv", "avi"])
def test_alpha_stays_where_it_can_and_else_there_is_white(suffix, tmp_path):
    path = clear_film(tmp_path / "in.mov", "png", "rgba")
    (first, second) = open_source(str(rewritten(path, tmp_path / f"out.{suffix}")), None).frames()
    assert first.size == second.size == (48, 32)
    if suffix in ("mov", "webm", "webp", "gif"):
        alpha = np.asarray(second.convert("RGBA"))[..., 3]
        assert alpha[HOLE].min() >= 247
        assert np.delete(alpha, np.s_[6:26], axis=0).max() <= 8
    else:
        seen = np.asarray(second.convert("RGB"))
        assert np.delete(seen, np.s_[4:28], axis=0).min() >= 245
    inner = np.asarray(second.convert("RGB")).astype(int)[12:20, 20:28]
    assert np.abs(inner - [20, 170, 20]).max() <= 24


HEADER = b"""[Script Info]
ScriptType: v4.00+
[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour
Style: Default,Arial,16,&Hffffff
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def film_with_texts(path, codec):
    """A second with a title, two chapters, and two subtitles at 0.2 and 0.5 s."""
    from av.subtitles.subtitle import SubtitleSet

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height = 48, 32
        texts = container.add_stream(codec)
        texts.codec_context.subtitle_header = HEADER
        texts.metadata["language"] = "deu"
        container.metadata.update(title="A cat", artist="Somebody", location="+47.0+008.5/")
        container.set_chapters(
            [
                {
                    "id": n,
                    "start": 400 * n,
                    "end": 400 * n + 400,
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": t},
                }
                for n, t in enumerate(("awake", "asleep"))
            ]
        )
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 48, 3), np.uint8))))
        container.mux(stream.encode())
        for number, (time, text) in enumerate(((200, b"Miau"), (500, b"zwei\\NZeilen"))):
            line = b"%d,0,Default,,0,0,0,,%s" % (number, text)
            packet = texts.codec_context.encode_subtitle(SubtitleSet.create(line, 0, 200))
            packet.pts = packet.dts = time
            packet.duration, packet.time_base, packet.stream = 200, Fraction(1, 1000), texts
            container.mux(packet)
    return path


@pytest.mark.parametrize(("source", "codec"), [("mkv", "subrip"), ("mkv", "ass"), ("mp4", "mov_text")])
@pytest.mark.parametrize("target", ["mp4", "mkv", "webm", "mov", "avi"])
def test_title_chapters_and_subtitles_come_along(source, codec, target, tmp_path, caplog):
    path = film_with_texts(tmp_path / f"in.{source}", codec)
    with av.open(str(rewritten(path, tmp_path / f"out.{target}"))) as container:
        said = {key.lower(): text for key, text in container.metadata.items()}
        assert (said["title"], said["artist"]) == ("A cat", "Somebody")
        assert "location" not in said
        found = [
            (float(packet.pts * packet.time_base), line.dialogue.decode().removeprefix("{\\an0}"))
            for stream in container.streams.subtitles
            for packet in container.demux(stream)
            if packet.size
            for line in stream.codec_context.decode2(packet) or ()
        ]
        chapters = [
            (float(c["start"] * c["time_base"]), c["metadata"]["title"]) for c in container.chapters()
        ]
        if target == "avi":
            assert (found, chapters) == ([], [])
        else:
            assert found == [(0.2, "Miau"), (0.5, "zwei\nZeilen")]
            assert chapters == [(0, "awake"), (0.4, "asleep")]
            assert container.streams.subtitles[0].metadata.get("language", "deu") == "deu"
    line = f"track 2 of {path} (subtitles) is left out: {codec} does not go into avi"
    assert caplog.messages == ([line] if target == "avi" else [])


def test_titles_in_another_encoding(tmp_path):
    path = film_with_texts(tmp_path / "in.mkv", "subrip")
    path.write_bytes(path.read_bytes().replace(b"A cat", b"A c\xe4t"))
    assert open_source(str(path), None).count == 20


def photograph(path, **more):
    exif = Image.Exif()
    exif[271] = "a camera"
    Image.fromarray(shown(0)).save(path, exif=exif, **more)
    return path


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.tif", "photo.webp"])
def test_a_photograph_is_no_film(name, tmp_path):
    path = photograph(tmp_path / name)
    with pytest.raises(ImageError) as refused:
        open_source(str(path), None)
    assert str(refused.value) == f"{path} is one picture, not a film: nst stylize paints it"


def test_a_telephones_picture_is_no_film():
    path = Path(__file__).parents[1] / "data" / "phone.heic"
    with pytest.raises(ImageError, match="is one picture, not a film"):
        open_source(str(path), None)


def test_the_cover_of_a_song_is_no_film(tmp_path):
    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as container:
        tone = container.add_stream("libmp3lame", rate=48000, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 48, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic.value
        container.mux([*cover.encode(av.VideoFrame.from_ndarray(shown(0))), *cover.encode()])
        part = av.AudioFrame.from_ndarray(np.zeros((1, 4608), np.float32), format="fltp", layout="mono")
        part.sample_rate, part.pts = 48000, 0
        container.mux([*tone.encode(part), *tone.encode()])
    with pytest.raises(ImageError, match="there is no picture in it"):
        open_source(str(path), None)


def test_frames_with_data_that_pyav_does_not_know(tmp_path):
    """A camera's film of JPEGs with EXIF, filmed upright."""
    if not hasattr(av.VideoStream, "set_display_rotation"):
        pytest.skip("this PyAV writes no display matrix")
    frame = photograph(tmp_path / "a.jpg", quality=95, subsampling=0).read_bytes()
    path = tmp_path / "in.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuvj444p"
        stream.set_display_rotation(90)
        for number in range(2):
            packet = av.Packet(frame)
            packet.pts = packet.dts = number
            packet.time_base, packet.stream = Fraction(1, 25), stream
            container.mux(packet)
    (first, _) = pictures(open_source(str(path), None))
    assert np.abs(first - np.rot90(shown(0)))[8::16, 8::16].max() <= 6
