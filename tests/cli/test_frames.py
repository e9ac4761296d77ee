"""`nst stylize --save-every --save-at --animate`: which steps, which files, and what is in them."""

import os
import sys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from nst.cli.movies import writing
from nst.cli.recorder import frame_steps, saved_steps, step_path, write_animation
from nst.pictures.writing import read_settings


def test_frame_steps_crowd_at_the_start_of_each_size():
    assert frame_steps([100], 10) == (0, 1, 4, 9, 16, 25, 36, 49, 64, 81, 100)
    assert frame_steps([8, 8], 4) == (0, 2, 8, 10, 16)
    assert frame_steps([3]) == (0, 1, 2, 3)
    assert frame_steps([0]) == (0,)
    assert frame_steps([1000, 1], 10)[-2:] == (1000, 1001)
    for counts in ([300], [75, 75, 150], [1, 5000]):
        steps = frame_steps(counts)
        assert len(steps) <= 62
        assert list(steps) == sorted(set(steps))
        assert set(np.cumsum(counts)) <= set(steps)


def test_saved_steps():
    assert saved_steps(10, (), 35) == {10, 20, 30}
    assert saved_steps(10, (), 30) == {10, 20}  # the result is the last one
    assert saved_steps(None, (0, 5), 5) == {0, 5}
    assert saved_steps(2, (3,), 5) == {2, 3, 4}
    assert saved_steps(None, (), 5) == set()


def test_step_path_sorts_as_the_steps_do():
    assert str(step_path("a/out.png", 40, 300)) == os.path.join("a", "out-040.png")
    assert step_path("out.v2.jpg", 7, 9).name == "out.v2-7.jpg"


def test_saved_pictures_are_the_results_of_shorter_runs(stylize, tmp_path):
    options = ["--steps", 4, "--scales", 1, "--octave-noise", 0]
    assert stylize(*options, "--save-every", 2, "--save-at", "0,3,4").status == 0
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        *("out-0.png", "out-2.png", "out-3.png", "out-4.png", "out.png"),
    ]
    assert Image.open("out-4.png").tobytes() == Image.open("out.png").tobytes()
    assert read_settings("out-3.png")["step"] == 3
    third = Image.open("out-3.png").tobytes()
    assert stylize(*options, "--steps", 3).status == 0
    assert Image.open("out.png").tobytes() == third


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_animation_has_every_frame(suffix, tmp_path):
    path = str(tmp_path / f"a.{suffix}")
    levels = (0, 60, 120, 180)
    frames = [tmp_path / f"{level}.png" for level in levels]
    for frame, level in zip(frames, levels, strict=True):
        Image.new("RGB", (32, 24), (level, level, level)).save(frame)
    write_animation(path, frames)
    movie = Image.open(path)
    assert (movie.format, movie.size, movie.n_frames) == (suffix.upper(), (32, 24), 4)
    assert movie.info["loop"] == 0
    for number, level in enumerate(levels):
        movie.seek(number)
        assert np.abs(np.asarray(movie.convert("RGB"), float) - level).max() <= 2
        assert movie.info["duration"] == (2000 if number == 3 else 80)


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_animation_goes_from_the_start_to_the_result(suffix, stylize):
    options = ["--init", "style", "--optimizer", "adam"]
    assert stylize(*options, "--steps", 30, "--animate", f"run.{suffix}").status == 0
    assert stylize(*options, "--steps", 0, output="start.png").status == 0
    movie = Image.open(f"run.{suffix}")
    ends = [np.asarray(Image.open(name), float) for name in ("start.png", "out.png")]
    for number, (own, other) in ((0, ends), (movie.n_frames - 1, ends[::-1])):
        movie.seek(number)
        frame = np.asarray(movie.convert("RGB"), float)  # a palette, or lossy
        assert np.abs(frame - own).mean() < 0.8 * np.abs(frame - other).mean()


@pytest.mark.slow
def test_animation_over_two_sizes_has_the_final_size(stylize, pictures):
    assert stylize("--size", 64, "--scales", "32,64", "--steps", "2,2", "--animate", "run.gif").status == 0
    assert Image.open("run.gif").size == (64, 48)
    assert Image.open("run.gif").n_frames == 5


def test_mp4_holds_its_last_frame_for_two_seconds(stylize, tmp_path, monkeypatch):
    av = pytest.importorskip("av")
    assert stylize("--steps", 3, "--animate", "run.mp4").status == 0
    with av.open("run.mp4") as container:
        assert container.streams.video[0].average_rate == Fraction(25, 2)
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    assert len(frames) == 4 + 24  # the last frame stays for 2 s, 80 ms each
    assert all(np.abs(frame - frames[3]).mean() < 2 for frame in frames[4:])
    monkeypatch.setitem(writing.CODECS, ".mp4", ("no such codec", {}, "aac"))
    result = stylize("--steps", 1, "--animate", "bad.mp4")
    assert (result.status, result.stderr.count("\n")) == (2, 1)
    assert "cannot write bad.mp4: " in result.stderr
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["out.png", "run.mp4"]  # nothing was painted
    assert read_settings("out.png")["step"] == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--animate", "run.avi"], "an animation is .gif, .webp or .mp4"),
        (
            ["--animate", "run.mp4"],
            "run.mp4: that needs av: pip install 'nst[video]', or write a folder of frames, .gif or .webp",
        ),
        (["--animate", "nowhere/run.gif"], "there is no folder"),
        (["--animate", "out.webp"], "is another output too"),
        (["--save-at", "2,9"], "--save-at 9: the run has 3 steps"),
        (["--save-at", "2;9"], "is not a list of steps"),
        (["--save-every", "0"], "0 is not in the range"),
    ],
)
def test_mistakes_are_found_before_the_work(options, message, stylize, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    result = stylize(*options, output="out.webp")
    assert (result.status, result.stderr.count("\n")) == (2, 1)
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_saved_does_not_cost_the_run(stylize, tmp_path):
    (tmp_path / "out-2.png").mkdir()
    result = stylize("--save-every", 2, "--trace", "trace.json")  # of 3 steps
    assert result.status == 2
    assert "out-2.png" in result.stderr
    assert read_settings("out.png")["step"] == 2
    assert (tmp_path / "trace.json").is_file()
