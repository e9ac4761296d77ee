"""`nst poster`: painted at --size, brought up to --long-side; planned, resumed, refused."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nst.pictures.enlarging import enlarged
from nst.pictures.picture import resize
from nst.pictures.reading import read_picture
from nst.pictures.writing import read_settings
from nst.transfer import StyleTransfer


@pytest.fixture
def poster(command, pictures, small_run):
    """`nst poster` of the small pictures, painted at 24 pixels, brought up to 100."""

    def run(*options, output="out.png", content=pictures.content):
        fixed = [*small_run, "--size", 24, "--steps", 2, "--long-side", 100]
        return command("poster", content, pictures.style, "-o", output, *fixed, *options)

    return run


def test_it_is_the_small_painting_brought_up(poster, command, pictures, weights_file):
    result = poster()
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout.startswith("out.png: 100x75, 2 of 2 steps in ")
    found = read_settings("out.png")
    assert (found["settings"]["size"], found["step"], found["command"]["long_side"]) == (24, 2, 100)
    transfer = StyleTransfer(
        pictures.content, pictures.style, backend="numpy", weights=weights_file, size=24, steps=2
    )
    *_, last = transfer.iterate()
    content = read_picture(pictures.content)
    expected = enlarged(last.picture(), resize(content, 24, 18), content, 100, 75)
    assert Image.open("out.png").tobytes() == expected.tobytes()
    given = ["--like", "out.png", "--weights", weights_file]
    assert command("poster", pictures.content, pictures.style, *given, "-o", "again.png").status == 0
    assert Path("again.png").read_bytes() == Path("out.png").read_bytes()


def test_alpha_is_kept_and_laid_on_white(poster, pictures):
    assert poster(content=pictures.rgba).status == 0
    assert poster(content=pictures.rgba, output="out.jpg").status == 0
    image, flat = Image.open("out.png"), np.asarray(Image.open("out.jpg"), int)
    assert (image.mode, image.size, flat.shape) == ("RGBA", (100, 75), (75, 100, 3))
    assert flat[0, 0].min() >= 250  # transparent there
    expected = np.asarray(read_picture(pictures.rgba).resized(100, 75).alpha) * 255
    assert np.abs(np.asarray(image)[..., 3] - expected).max() <= 1


def test_a_poster_that_was_cut_off_goes_on(poster, command, monkeypatch, tmp_path):
    """In the middle of the steps, and in the middle of bringing up."""
    assert poster().status == 0
    whole = (tmp_path / "out.png").read_bytes()
    iterate, saved = StyleTransfer.iterate, ["--checkpoint", "run.nst", "--checkpoint-every", 0]

    def one_step(self):
        for record in iterate(self):
            yield record
            if record.step == 1:
                raise KeyboardInterrupt

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    for name, function in (
        ("nst.transfer.StyleTransfer.iterate", one_step),
        ("nst.cli.running.enlarged", interrupted),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(name, function)
            assert poster(*saved).status == 130
        assert command("resume", "run.nst").status == 0
        assert (tmp_path / "out.png").read_bytes() == whole
        assert [path.name for path in tmp_path.iterdir()] == ["out.png"]


def test_what_an_interrupted_poster_has_come_to_is_brought_up(poster, monkeypatch):
    """Also from a coarser scale than the last."""
    iterate = StyleTransfer.iterate

    def interrupted(self):
        for record in iterate(self):
            if record.step == 1:
                os.kill(os.getpid(), signal.SIGINT)
            yield record

    monkeypatch.setattr(StyleTransfer, "iterate", interrupted)
    result = poster("--size", 32, "--scales", "20,32")
    assert result.status == 130
    assert "100x75, 1 of 2 steps" in result.stderr
    assert "; interrupted" in result.stderr
    image = Image.open("out.png")
    assert image.size == (100, 75)
    assert read_settings("out.png")["step"] == 1


def test_the_plan_tells_memory_and_does_nothing(poster, tmp_path):
    result = poster("--plan", "--long-side", 8000)
    assert (result.status, result.stderr) == (0, "")
    rows = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert rows["size"].startswith("24x18 pixels")
    assert rows["poster"] == "8000x6000 pixels, 431 MB on top of the framework"
    assert list(tmp_path.iterdir()) == []


def test_what_is_refused(poster, tmp_path):
    for options, cause in (
        (["--long-side", 24], "--long-side 24 is not above --size 24"),
        (["-o", "out.webp", "--long-side", 20000], "WEBP ends at 16383"),
    ):
        result = poster(*options)
        assert (result.status, result.stderr.count("\n")) == (2, 1)
        assert cause in result.stderr
    assert list(tmp_path.iterdir()) == []
