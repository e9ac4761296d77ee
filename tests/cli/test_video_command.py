"""`nst video`: folders, animations and videos in and out; what is done is kept."""

import io
import json
import shutil
import signal
import sys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image
from skimage import data

from nst import transfer
from nst.cli.movies.frame_store import FrameStore
from nst.pictures.picture import Picture

CAT = data.chelsea()[100:250:2, 100:300:2]
FRAMES = [CAT[10 + k : 42 + k, 4 + 3 * k : 52 + 3 * k] for k in range(3)]
NAMES = [f"frame-{number:06d}.png" for number in (1, 2, 3)]


@pytest.fixture
def clip(tmp_path):
    """A folder of three frames whose names sort otherwise than they count."""
    folder = tmp_path / "clip"
    folder.mkdir()
    for number, frame in zip((2, 9, 10), FRAMES, strict=True):
        Image.fromarray(frame).save(folder / f"shot{number}.png")
    (folder / "notes.txt").write_text("not a frame")
    return folder


@pytest.fixture
def video(command, pictures, small_run):
    """video(source, output, *options): `nst video` at little cost."""

    def run(source, output, *options):
        fixed = [*small_run, "--size", 48, "--steps", 3, "--next-steps", 2]
        fixed += ["--content-layers", "conv3_1", "--style-layers", "conv1_1,conv3_1"]
        return command("video", source, pictures.style, "-o", output, *fixed, *options)

    return run


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("frame-*.png"))}


def test_a_folder_becomes_a_folder(video, clip, tmp_path):
    Image.new("L", (48, 32), 255).save(tmp_path / "mask.png")
    done = video(clip, "out", "--trace", "trace.json", "--mask", "style1=mask.png")
    assert (done.status, done.stdout, done.stderr) == (0, "out: 3 frames in out\n", "")
    assert list(contents(tmp_path / "out")) == NAMES
    results = [np.asarray(Image.open(tmp_path / "out" / name)).astype(float) for name in NAMES]
    assert {result.shape for result in results} == {(32, 48, 3)}
    for result, frame in zip(results, FRAMES, strict=True):  # in natural order
        own = np.abs(result - frame).mean()
        assert 0 < own < min(np.abs(result - other).mean() for other in FRAMES if other is not frame)
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert trace["settings"]["masks"] == {"style1": "mask.png"}
    assert trace["weights"]["from"]
    steps = trace["steps"]
    assert [(step["frame"], step["step"], sorted(step["terms"])) for step in steps] == [
        (1, 3, ["content", "style"]),
        (2, 2, ["content", "style", "temporal"]),
        (3, 2, ["content", "style", "temporal"]),
    ]


def test_it_goes_on_where_it_was_to_the_last_bit(video, clip, tmp_path):
    assert video(clip, "whole").status == 0
    later = clip / "shot10.png"
    later.rename(tmp_path / "later.png")
    assert video(clip, "parts").stdout == "parts: 2 frames in parts\n"
    before = {name: (tmp_path / "parts" / name).stat().st_mtime_ns for name in NAMES[:2]}
    (tmp_path / "later.png").rename(later)
    assert video(clip, "parts").status == 0
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert {name: (tmp_path / "parts" / name).stat().st_mtime_ns for name in NAMES[:2]} == before


def test_a_missing_frame_is_made_again_and_no_other(video, clip, tmp_path):
    """It goes on from a picture of 8 bits, whose rounding the quasi-Newton steps of a strong style would magnify."""
    weak = ["--style-strength", 0.3]
    assert video(clip, "out", *weak).status == 0
    before = contents(tmp_path / "out")
    (tmp_path / "out" / NAMES[1]).unlink()
    assert video(clip, "out", *weak).status == 0
    after = contents(tmp_path / "out")
    assert [after[name] == before[name] for name in (NAMES[0], NAMES[2])] == [True, True]
    old, new = (np.asarray(Image.open(io.BytesIO(each[NAMES[1]]))).astype(int) for each in (before, after))
    assert np.abs(new - old).mean() < 0.5


def test_ctrl_c_keeps_the_frames_that_are_done(video, clip, tmp_path, monkeypatch):
    assert video(clip, "whole").status == 0
    iterate, calls = transfer.Run.iterate, []

    def interrupted(self, *arguments):
        calls.append(self)
        for record in iterate(self, *arguments):
            if len(calls) == 2 and record.step == 1:
                signal.raise_signal(signal.SIGINT)
            yield record

    with monkeypatch.context() as patch:
        patch.setattr(transfer.Run, "iterate", interrupted)
        done = video(clip, "out")
    assert (done.status, done.stdout, done.stderr) == (130, "", "1 frames in out; interrupted\n")
    assert list(contents(tmp_path / "out")) == NAMES[:1]
    assert video(clip, "out").status == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("option", "what"),
    [
        (["--next-steps", 3], "next steps"),
        (["--temporal-weight", 7], "temporal weight"),
        (["--style-weight", 7], "style weight"),
        (["--init", "other.png"], "init"),
    ],
)
def test_other_settings_want_another_folder(option, what, video, clip, tmp_path, pictures):
    shutil.copy(pictures.other, tmp_path / "other.png")
    assert video(clip, "out").status == 0
    before = contents(tmp_path / "out")
    done = video(clip, "out", *option)
    expected = (
        f"nst: error: out holds frames made with other settings ({what}): use another folder, or --restart\n"
    )
    assert (done.status, done.stderr) == (2, expected)
    assert contents(tmp_path / "out") == before
    assert video(clip, "out", *option, "--restart").status == 0
    assert contents(tmp_path / "out") != before


def test_windows_do_not_count_as_settings(video, clip):
    assert video(clip, "out").status == 0
    assert video(clip, "out", "--tile", "off").status == 0


def test_other_frames_want_another_folder(video, clip, tmp_path):
    assert video(clip, "out").status == 0
    Image.fromarray(FRAMES[2]).save(clip / "shot1.png")
    assert "(first frame)" in video(clip, "out").stderr


def test_frames_of_somebody_else_are_left_alone(video, clip, tmp_path):
    (tmp_path / "out").mkdir()
    shutil.copy(clip / "shot2.png", tmp_path / "out" / NAMES[0])
    done = video(clip, "out")
    assert (done.status, done.stderr.count("\n")) == (2, 1)
    assert "did not make" in done.stderr


def test_an_animation_becomes_an_animation_at_its_own_pace(video, tmp_path):
    images = [Image.fromarray(frame) for frame in FRAMES]
    images[0].save(
        tmp_path / "in.gif", save_all=True, append_images=images[1:], duration=[100, 250, 40], loop=0
    )
    done = video(tmp_path / "in.gif", "out.webp", "-q")
    assert (done.status, done.stdout, done.stderr) == (0, "", "")
    assert list(contents(tmp_path / "out.webp.frames")) == NAMES
    with Image.open(tmp_path / "out.webp") as result:
        durations = []
        for number in range(result.n_frames):
            result.seek(number)
            result.load()
            durations.append(result.info["duration"])
        shown = np.asarray(result.convert("RGB")).astype(int)
    assert (durations, result.size) == ([100, 250, 40], (48, 32))
    last = np.asarray(Image.open(tmp_path / "out.webp.frames" / NAMES[2])).astype(int)
    assert np.abs(shown - last).mean() < 8


def test_a_rate_overrides_the_pace(video, clip, tmp_path):
    assert video(clip, "out.gif", "--fps", "12.5").status == 0
    with Image.open(tmp_path / "out.gif") as result:
        assert (result.n_frames, result.info["duration"]) == (3, 80)


def test_a_video_keeps_its_rate_and_its_sound(video, tmp_path):
    """What films keep is in test_movies.py; this is the whole way, with nothing on the PATH."""
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "in.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30000, 1001), options={"crf": "10"})
        stream.height, stream.width = FRAMES[0].shape[:2]
        tone = container.add_stream("aac", rate=48000, layout="mono")
        part = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
        part.sample_rate, part.pts = 48000, 0
        container.mux([*tone.encode(part), *tone.encode()])
        for frame in FRAMES:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame))))
        container.mux(stream.encode())
    done = video(tmp_path / "in.mp4", "out.mp4")
    assert (done.stdout, done.stderr) == ("out.mp4: 3 frames in out.mp4.frames\n", "")
    with av.open(str(tmp_path / "out.mp4")) as container:
        shown, sound = container.streams
        assert (shown.type, shown.width, shown.height, shown.frames) == ("video", 48, 32, 3)
        assert shown.average_rate == Fraction(30000, 1001)
        assert (sound.type, sound.codec_context.name) == ("audio", "aac")
    assert not list(tmp_path.glob(".nst-*"))


def test_what_cannot_be_written_is_said_before_a_frame_is_painted(video, clip, tmp_path, monkeypatch):
    pytest.importorskip("av")
    from nst.cli.movies import writing

    monkeypatch.setitem(writing.CODECS, ".mp4", ("no such codec", {}, "aac"))
    done = video(clip, "out.mp4")
    assert (done.status, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("nst: error: cannot write out.mp4: ")
    assert not (tmp_path / "out.mp4.frames").exists()


def test_a_film_with_alpha_and_fields_and_sound_that_nobody_knows(video, tmp_path):
    """The whole way; what films may have is in test_real_movies.py."""
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "in.mov"), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "rgba"
        tone = container.add_stream("pcm_s16le", rate=48000, layout="mono")
        part = av.AudioFrame.from_ndarray(np.zeros((1, 480), np.int16), format="s16", layout="mono")
        part.sample_rate, part.pts = 48000, 0
        container.mux(tone.encode(part))
        for frame in FRAMES[:2]:
            clear = np.dstack([frame, np.full((32, 48), 255, np.uint8)])
            clear[:, :24] = 255, 0, 255, 0
            container.mux(stream.encode(av.VideoFrame.from_ndarray(clear, format="rgba")))
    whole = (tmp_path / "in.mov").read_bytes()
    (tmp_path / "in.mov").write_bytes(whole.replace(b"sowt", b"apac"))
    done = video("in.mov", "out.webm", "--deinterlace", "on", "--fps", "24.99999999999")
    assert (done.status, done.stdout) == (0, "out.webm: 2 frames in out.webm.frames\n")
    assert done.stderr == "nst: track 2 of in.mov (sound) is left out: FFmpeg does not know it\n"
    with Image.open(tmp_path / "out.webm.frames" / NAMES[1]) as frame:
        assert frame.mode == "RGBA"
        assert np.asarray(frame)[16, [4, 40], 3].tolist() == [0, 255]
    with av.open(str(tmp_path / "out.webm")) as container:
        (shown,) = container.streams
        assert (shown.metadata["alpha_mode"], shown.average_rate) == ("1", 25)


def test_a_photograph(video, pictures):
    done = video(pictures.content, "out")
    assert (done.status, done.stderr.count("\n")) == (2, 1)
    assert "is one picture, not a film: nst stylize paints it" in done.stderr


def test_a_file_that_is_no_video(video, tmp_path):
    pytest.importorskip("av")
    (tmp_path / "in.mp4").write_text("no video")
    done = video(tmp_path / "in.mp4", "out")
    assert (done.status, done.stderr.count("\n")) == (2, 1)
    assert f"cannot read {tmp_path / 'in.mp4'}: " in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("source", "output"), [("clip", "out.mp4"), ("in.mp4", "out")])
def test_without_pyav_nothing_is_begun(source, output, video, clip, tmp_path, monkeypatch):
    (tmp_path / "in.mp4").write_text("a video")
    monkeypatch.setitem(sys.modules, "av", None)
    done = video(source, output)
    assert (done.status, done.stderr.count("\n")) == (2, 1)
    assert "that needs av: pip install 'nst[video]', or " in done.stderr
    assert not (tmp_path / "out.mp4.frames").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        ("nothing", "out", "no such file or folder"),
        ("empty", "out", "there is no picture in the folder"),
        ("clip", "out.xyz", "give a folder without an extension, or one of .gif"),
        ("clip", "clip", "IN and OUT are both clip"),
        ("clip", "there/is/none.gif", "there is no folder"),
        ("clip", "there/is/none", "cannot write to there/is/none"),
    ],
)
def test_what_cannot_be(source, output, message, video, clip, tmp_path):
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    done = video(source, output)
    assert (done.status, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr
    assert [
        path for path in sorted(tmp_path.rglob("*")) if path not in before and "home" not in path.parts
    ] == []


@pytest.mark.parametrize("rate", ["0", "-3", "25/0", "fast"])
def test_rates_that_are_none(rate, video, clip):
    assert "frames a second" in video(clip, "out.gif", "--fps", rate).stderr


def test_the_store_goes_on_from_the_picture_where_the_state_is_gone(tmp_path):
    store = FrameStore(tmp_path / "out", {"steps": 3})
    raw = np.random.default_rng(0).random((4, 5, 3), np.float32)
    for number in (0, 1):
        store.save(number, Picture(1 - raw), raw)
    np.testing.assert_array_equal(store.raw(1), raw)
    np.testing.assert_allclose(store.raw(0), 1 - raw, atol=0.5 / 255 + 1e-6)
    (store.folder / "nst-video-last.npz").write_bytes(b"broken")
    np.testing.assert_allclose(store.raw(1), 1 - raw, atol=0.5 / 255 + 1e-6)
    assert FrameStore(tmp_path / "out", {"steps": 3}).done == 2


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_video_is_replaced_after_a_question(video, clip, tmp_path, monkeypatch):
    """As ffmpeg does; a script, which cannot answer, gets what it asked for."""
    assert video(clip, "out.gif").status == 0
    target = tmp_path / "out.gif"
    target.write_bytes(b"mine")
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    refused = video(clip, "out.gif")
    assert refused.status == 2
    assert "out.gif is there already. Overwrite it?" in refused.stderr
    assert "nst: error: out.gif is left as it is" in refused.stderr
    assert target.read_bytes() == b"mine"
    for stdin, options in ((Terminal("y\n"), []), (Terminal(""), ["--yes"]), (io.StringIO(""), [])):
        target.write_bytes(b"mine")
        monkeypatch.setattr("sys.stdin", stdin)
        assert video(clip, "out.gif", *options).status == 0
        assert target.read_bytes()[:3] == b"GIF"
