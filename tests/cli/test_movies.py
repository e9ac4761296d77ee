"""Films in and out through PyAV: colours, rate, rotation and sound stay what they were. The films are made here."""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nst.cli.movies import writing
from nst.cli.movies.film import Timing, repeats
from nst.cli.movies.reading import open_source
from nst.cli.movies.writing import write_movie
from nst.errors import ImageError

av = pytest.importorskip("av")
sys.path.insert(0, str(Path(__file__).parent))
from films import (  # noqa: E402
    BT601,
    BT709,
    PATCHES,
    PICTURE,
    TONE,
    film,
    packets_of,
    pictures,
    pitch,
    saved,
    shown,
    sound_of,
    times_in,
)


@pytest.mark.parametrize(("matrix", "range_"), [(BT709, "MPEG"), (BT601, "MPEG"), (BT709, "JPEG")])
def test_colours_are_read_by_the_matrix_and_the_range_that_the_file_names(matrix, range_, tmp_path):
    source = open_source(str(film(tmp_path / "in.mp4", matrix=matrix, range_=range_)), None)
    assert (source.count, source.timing.rate, source.timing.durations) == (5, 25, None)
    for number, frame in enumerate(pictures(source)):
        assert np.abs(frame - shown(number)).max() <= 3


def test_a_file_that_names_no_matrix_is_taken_as_players_take_it(tmp_path):
    """BT.709 for more than 576 rows, BT.601 for others."""
    small = film(tmp_path / "small.mp4", [0, 40], matrix=("ITU601", 2))
    assert np.abs(pictures(open_source(str(small), None))[0] - shown(0)).max() <= 3
    picture = PICTURE.repeat(19, 0)  # 608 rows
    large = film(tmp_path / "large.mp4", [0, 40], picture, ("ITU709", 2))
    assert np.abs(pictures(open_source(str(large), None))[0] - shown(0, picture)).max() <= 3


@pytest.mark.parametrize(
    ("turn", "seen"),
    [
        ((90,), lambda p: np.rot90(p, 1)),
        ((180,), lambda p: np.rot90(p, 2)),
        ((-90,), lambda p: np.rot90(p, -1)),
        ((0, True), lambda p: p[:, ::-1]),
        ((0, False, True), lambda p: p[::-1]),
        ((90, True), None),
    ],
)
def test_a_film_is_turned_as_its_display_matrix_says(turn, seen, tmp_path):
    if not hasattr(av.VideoStream, "set_display_rotation"):
        pytest.skip("this PyAV writes no display matrix")
    path = film(tmp_path / "in.mp4", turn=turn)
    (frame, *_) = pictures(open_source(str(path), None))
    if seen is None:  # a quarter turn and a mirror: one of the two diagonals is the axis
        kinds = [PICTURE.swapaxes(0, 1), PICTURE[::-1, ::-1].swapaxes(0, 1)]
        assert min(np.abs(frame - shown(0, kind)).max() for kind in kinds) <= 3
    else:
        assert np.abs(frame - seen(shown(0))).max() <= 3


def hdr_film(path, light, transfer, signal):
    """Two frames of HEVC's colours in H.264: BT.2020, 10 bits, almost without loss; `light` in cd/m^2, (H, W, 3)."""
    pixels = np.rint(signal(light) * 65535).astype(np.uint16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "4", "preset": "ultrafast"})
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt = "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = (
            9,
            9,
            transfer,
            1,
        )
        for number in range(2):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb48le").reformat(
                format="yuv420p10le", dst_colorspace=9, dst_color_range="MPEG"
            )
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def pq(light):
    """BT.2100, table 4."""
    y = (light / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def hlg(light):
    """BT.2100, table 5, on a display of 1000 cd/m^2: the inverse OOTF, then the OETF."""
    luminance = (light / 1000) @ [0.2627, 0.6780, 0.0593]
    scene = light / 1000 * luminance[..., None] ** (1 / 1.2 - 1)
    bright = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)


@pytest.mark.parametrize(("transfer", "signal"), [(16, pq), (18, hlg)])
def test_hdr_films_have_the_colours_that_were_filmed(transfer, signal, tmp_path):
    """Colours of sRGB, none brighter than half of diffuse white, 203 cd/m^2."""
    picture = (PATCHES * 0.7).astype(np.uint8).repeat(16, 0).repeat(16, 1)
    linear = np.where(picture <= 10, picture / 255 / 12.92, ((picture / 255 + 0.055) / 1.055) ** 2.4)
    matrix = np.array(
        [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
    )  # BT.2087
    path = hdr_film(tmp_path / "in.mp4", 203 * linear @ matrix.T, transfer, signal)
    first = pictures(open_source(str(path), None))[0]
    middles = np.abs(first - picture)[8::16, 8::16]
    assert middles.max() <= 6  # 10 bits of limited range, and half the chroma


@pytest.mark.parametrize(
    ("aspect", "turn", "size"),
    [
        (Fraction(16, 15), None, (51, 32)),
        (Fraction(1, 2), None, (48, 64)),
        (Fraction(4, 3), (90,), (32, 64)),
        (Fraction(500, 1), None, (48, 32)),  # which is a fault
    ],
)
def test_pixels_that_are_not_square_become_so(aspect, turn, size, tmp_path):
    path = film(tmp_path / "in.mp4", [0, 40], turn=turn, aspect=aspect)
    (frame, *_) = pictures(open_source(str(path), None))
    assert frame.shape == (*size[::-1], 3)
    middle = PATCHES if turn is None else np.rot90(PATCHES)
    rows, columns = (side // (2 * count) for side, count in zip(size[::-1], middle.shape, strict=False))
    assert np.abs(frame[rows :: 2 * rows, columns :: 2 * columns][: len(middle)] - (middle * 0.8)).max() <= 4


UNEVEN = [0, 40, 60, 200, 230]


def test_frames_that_last_unequally_keep_their_times(tmp_path):
    source = open_source(str(film(tmp_path / "in.mp4", UNEVEN)), None)
    assert [round(1000 * d) for d in source.timing.durations[:4]] == [40, 20, 140, 30]
    assert len(pictures(source)) == source.count == 5
    write_movie(tmp_path / "out.mp4", saved(tmp_path / "frames"), source.timing)
    assert times_in(tmp_path / "out.mp4") == [Fraction(ms, 1000) for ms in UNEVEN]
    write_movie(tmp_path / "out.webp", saved(tmp_path / "frames"), source.timing)
    with Image.open(tmp_path / "out.webp") as image:
        pauses = []
        for number in range(4):
            image.seek(number)
            image.load()
            pauses.append(image.info["duration"])
    assert pauses == [40, 20, 140, 30]


def test_another_rate_shows_the_same_for_as_long(tmp_path):
    """50 frames a second: a frame is shown from the tick nearest to its time to that of the next one."""
    path = film(tmp_path / "in.mp4", UNEVEN)
    source = open_source(str(path), Fraction(50))
    levels = [frame[16, 24].mean() for frame in pictures(source)]
    # 0, 2, 3, 10 and 11.5 ticks: 2 of the first, 1 of the second, 7 of the third, 1 or 2 of the fourth
    bright = [shown(number)[16, 24].mean() for number in range(5)]
    which = [int(np.argmin(np.abs(np.array(bright) - level))) for level in levels]
    assert which[:10] == [0, 0, 1, *[2] * 7]
    assert source.timing.durations is None
    assert source.count == len(levels)


def test_repeats_are_worked_out_at_the_nearest_ticks():
    times = [Fraction(ms, 1000) for ms in (0, 40, 60, 200, 240)]
    assert repeats(times, Fraction(25)) == [1, 1, 3, 1]  # ticks 0, 1, 1.5 -> 2, 5, 6
    assert repeats(times, Fraction(10)) == [0, 1, 1, 0]  # 0, 0.4 -> 0, 0.6 -> 1, 2, 2.4 -> 2


def test_a_rate_of_ntsc_is_kept_exactly(tmp_path):
    ntsc = Fraction(30000, 1001)
    write_movie(tmp_path / "a.mp4", saved(tmp_path / "frames"), Timing(ntsc))
    source = open_source(str(tmp_path / "a.mp4"), None)
    assert (source.timing.rate, source.timing.durations, source.count) == (ntsc, None, 5)


@pytest.mark.parametrize("suffix", ["mp4", "m4v", "mov", "mkv", "webm", "avi"])
def test_what_is_written_has_the_colours_of_its_frames(suffix, tmp_path):
    assert round_trip(tmp_path / f"out.{suffix}") <= (5 if suffix != "avi" else 8)


@pytest.mark.parametrize(("suffix", "lossless"), [("mp4", {"qp": "0"}), ("webm", {"lossless": "1"})])
def test_without_the_loss_of_the_codec_colours_stay_within_3(suffix, lossless, tmp_path, monkeypatch):
    codec, _, sound = writing.CODECS[f".{suffix}"]
    monkeypatch.setitem(writing.CODECS, f".{suffix}", (codec, lossless, sound))
    assert round_trip(tmp_path / f"out.{suffix}") <= 3


def test_a_large_film_is_in_the_matrix_that_players_expect_of_it(tmp_path):
    assert round_trip(tmp_path / "out.avi", PICTURE.repeat(19, 0), row=19 * 16) <= 8


def round_trip(path, picture=PICTURE, row=16):
    """The largest error in the middle of a patch; chroma is of half the size, so colours mix at the edges."""
    write_movie(path, saved(path.parent / "frames", 5, picture), Timing(Fraction(25)))
    height, width, _ = picture.shape
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height, frame.format.name) == (width, height, "yuv420p")
        if path.suffix != ".avi":  # MPEG-4 part 2 has no place for it
            context = container.streams.video[0].codec_context
            tags = frame.colorspace, context.color_primaries, context.color_trc, frame.color_range
            assert tags == (1, 1, 1, 1)
    source = open_source(str(path), None)
    frames = pictures(source)
    assert len(frames) == 5
    assert float(source.timing.rate) == pytest.approx(25, rel=1e-3)
    assert not list(path.parent.glob(".nst-*"))
    middles = [(y, x) for y in (row // 2, row * 3 // 2) for x in (8, 24, 40)]
    return max(
        np.abs(frame[place] - shown(number, picture)[place]).max()
        for number, frame in enumerate(frames)
        for place in middles
    )


def test_odd_sides_lose_their_last_row_and_column(tmp_path):
    write_movie(tmp_path / "a.mp4", saved(tmp_path / "frames", 2, PICTURE[:31, :47]), Timing(Fraction(25)))
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (46, 30)


def test_sound_is_copied_to_a_file_of_the_same_kind(tmp_path):
    source = open_source(str(film(tmp_path / "in.mp4", [0, 500, 1000], sound="aac")), None)
    write_movie(tmp_path / "out.mp4", saved(tmp_path / "frames", 3), source.timing)
    assert packets_of(tmp_path / "out.mp4") == packets_of(tmp_path / "in.mp4") != []
    codec, samples, begin = sound_of(tmp_path / "out.mp4")
    assert codec == "aac"
    assert pitch(samples) == pytest.approx(TONE, abs=2)
    assert begin == pytest.approx(sound_of(tmp_path / "in.mp4")[2], abs=1e-3)


@pytest.mark.parametrize(("suffix", "codec"), [("webm", "opus"), ("mkv", "aac"), ("avi", "mp3float")])
def test_sound_is_encoded_anew_for_another_kind(suffix, codec, tmp_path):
    source = open_source(str(film(tmp_path / "in.mp4", [0, 500, 1000], sound="aac")), None)
    path = tmp_path / f"out.{suffix}"
    write_movie(path, saved(tmp_path / "frames", 3), source.timing)
    name, samples, begin = sound_of(path)
    assert name.removeprefix("lib") == codec
    assert len(samples) / 48000 == pytest.approx(1, abs=0.06)
    assert pitch(samples) == pytest.approx(TONE, abs=2)
    assert abs(begin) < 0.06


def test_sound_stays_with_the_pictures_of_a_film_that_begins_late(tmp_path):
    """The first picture is shown at 0.3 s of the sound's clock, so the sound begins 0.3 s before it."""
    path = film(tmp_path / "in.mkv", [0, 500], sound="aac", start=300)
    source = open_source(str(path), None)
    assert source.timing.start == Fraction(3, 10)
    write_movie(tmp_path / "out.mkv", saved(tmp_path / "frames", 2), source.timing)
    with av.open(str(tmp_path / "out.mkv")) as container:
        first = next(container.decode(video=0)).time
    begin, before = sound_of(tmp_path / "out.mkv")[2], sound_of(path)[2]
    assert first - begin == pytest.approx(0.3 - before, abs=2e-3)


def test_a_film_without_sound_has_none(tmp_path):
    source = open_source(str(film(tmp_path / "in.mp4")), None)
    write_movie(tmp_path / "out.mp4", saved(tmp_path / "frames"), source.timing)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert len(container.streams) == 1


def test_files_that_are_no_films(tmp_path):
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(ImageError, match=r"cannot read .*text.mp4: \w"):
        open_source(str(tmp_path / "text.mp4"), None)
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        tone = container.add_stream("aac", rate=48000, layout="mono")
        part = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        part.sample_rate, part.pts = 48000, 0
        container.mux(tone.encode(part))
        container.mux(tone.encode())
    with pytest.raises(ImageError, match="there is no picture in it"):
        open_source(str(tmp_path / "sound.mp4"), None)


def test_a_film_that_breaks_off_is_reported_or_ends_but_never_hangs(tmp_path):
    path = film(tmp_path / "in.mkv")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames = pictures(open_source(str(path), None))
    assert 0 < len(frames) <= 5


def test_a_folder_that_cannot_be_written_to_leaves_nothing(tmp_path):
    frames = saved(tmp_path / "frames", 2)
    (tmp_path / "out.mp4").mkdir()
    with pytest.raises(ImageError, match="cannot write"):
        write_movie(tmp_path / "out.mp4", frames, Timing(Fraction(25)))
    assert not list(tmp_path.glob(".nst-*"))
