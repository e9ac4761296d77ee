"""`nst vary`: what is varied, what is run, and the commands in the page."""

import html
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nst.errors import ImageError
from nst.pictures.writing import read_settings
from nst.transfer import StyleTransfer


@pytest.fixture
def begun(monkeypatch):
    """The balance, the scale and the colour of every optimisation that is begun."""
    found, iterate = [], StyleTransfer.iterate

    def counting(self):
        found.append((round(self.settings.balance, 2), self.settings.style_scale, self.settings.color))
        return iterate(self)

    monkeypatch.setattr(StyleTransfer, "iterate", counting)
    return found


@pytest.fixture
def vary(command, pictures, small_run):
    """vary(*options): a small `nst vary` into the folder "s"."""

    def run(*options, styles=(pictures.style,)):
        fixed = [*small_run, "--size", 32, "--steps", 2, "--style-scale", "1,2"]
        return command("vary", pictures.content, *styles, "-o", "s", *fixed, *options)

    return run


def commands():
    """Those in the page, split as a shell does."""
    page = Path("s/vary.html").read_text()
    return [shlex.split(html.unescape(text)) for text in re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)]


def test_a_sheet_a_page_and_commands_that_work(vary, begun, command, tmp_path):
    made = vary("--style-strength", "0.3,0.7", "--color", "none,lab", "--full-size", 40, "--full-steps", 3)
    assert made.status == 0
    assert made.stdout == "s/vary.png and .html: 8 of 8 pictures\n"
    assert re.fullmatch(r"8 pictures from 4 runs, about [\d.]+ s\n", made.stderr)
    assert begun == [
        (balance, scale, "none") for scale in (1.0, 2.0) for balance in (5.51, 163.33)
    ]  # 30 (s / (1 - s))^2
    sheet = Image.open("s/vary.png")
    assert sheet.width > 2 * 32
    assert sheet.height > 4 * 24
    found = commands()
    assert len(found) == 8
    assert len({words[words.index("-o") + 1] for words in found}) == 8
    wanted = [words for words in found if {"0.7", "lab", "2.0"} <= set(words)]
    assert len(wanted) == 1
    assert wanted[0][:2] == ["nst", "stylize"]
    assert command(*wanted[0][1:]).status == 0
    path = wanted[0][wanted[0].index("-o") + 1]
    assert Image.open(path).size == (40, 30)
    assert wanted[0][wanted[0].index("--style-strength") + 1] == "0.7"
    settings = read_settings(path)["settings"]
    named = ("balance", "style_scale", "color", "size", "steps", "backend")
    assert [settings[name] for name in named] == [
        pytest.approx(30 * (7 / 3) ** 2),
        2.0,
        "lab",
        40,
        3,
        "numpy",
    ]
    # and the same command at the small size makes the picture of the sheet
    small = wanted[0] + ["--size", "32", "--steps", "2"]
    assert command(*small[1:]).status == 0
    cells = [Image.open(cell) for cell in (tmp_path / "s" / "cells").glob("*.png")]
    assert any(np.array_equal(np.asarray(cell), np.asarray(Image.open(path))) for cell in cells)


def test_what_is_done_is_not_done_again(vary, begun):
    one = ["--style-strength", 0.5, "--style-scale", 1]
    assert vary(*one, "--color", "none").status == 0
    again = vary(*one, "--color", "none,yuv")
    assert begun == [(30, 1.0, "none")]
    assert again.stderr == "2 pictures, nothing to be painted\n"
    assert again.stdout == "s/vary.png and .html: 2 of 2 pictures\n"


def test_several_styles_and_their_blends(vary, begun, pictures):
    one = ["--style-strength", 0.5, "--style-scale", 1, "--color", "none"]
    assert vary(*one, styles=(pictures.style, pictures.other)).status == 0
    shares = [words[words.index("--style-weights") + 1] for words in commands()]
    assert shares == ["1.0,0.0", "0.0,1.0", "1.0,1.0"]
    page = Path("s/vary.html").read_text()
    assert "style weights" not in page
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        f"{name}, style scale 1, color none" for name in ("style", "other", "style + other")
    ]
    assert vary(*one, "--no-blends", styles=(pictures.style, pictures.other)).stdout.endswith(
        "2 of 2 pictures\n"
    )
    assert len(begun) == 3


def test_the_page_needs_nothing_from_elsewhere(vary, tmp_path):
    assert vary("--style-strength", 0.5, "--style-scale", 1, "--color", "none").status == 0
    page = Path("s/vary.html").read_text()
    assert "http" not in page
    assert f"in the folder {tmp_path.name}." in page
    assert str(tmp_path) not in page
    assert all(
        source.startswith("data:image/jpeg;base64,") for source in re.findall(r'<img[^>]* src="([^"]*)', page)
    )


def test_masks_and_presets_go_into_the_commands(vary, command):
    mask = np.zeros((24, 32), np.uint8)
    mask[6:18, 8:24] = 255
    Image.fromarray(mask).save("mask.png")
    one = ["--style-strength", 0.5, "--style-scale", 1, "--color", "none", "--full-size", 33]
    preset = ["--protect", "mask.png", "--preset", "neural-style-pt", "--full-steps", 1]
    made = vary(*one, *preset)
    assert (made.status, made.stdout) == (0, "s/vary.png and .html: 1 of 1 picture\n")
    (words,) = commands()
    assert command(*words[1:]).status == 0
    settings = read_settings(words[words.index("-o") + 1])["settings"]
    assert settings["masks"] == {"protect": "mask.png"}
    assert [settings[name] for name in ("tv_power", "size", "steps")] == [1, 33, 1]
    Image.fromarray(255 - mask).save("mask.png")
    assert "1 picture from 1 run," in vary(*one, *preset).stderr  # another mask is another run


def test_the_plan_does_nothing(vary, begun, tmp_path):
    told = vary("--plan", "--style-strength", 0.5)
    assert told.status == 0
    assert re.fullmatch(r"4 pictures from 2 runs, about [\d.]+ s\n", told.stdout)
    assert begun == []
    assert not (tmp_path / "s").exists()


def test_the_plan_makes_no_colours_of_what_is_there(vary, tmp_path):
    one = ["--style-strength", 0.5, "--style-scale", 1]
    assert vary(*one, "--color", "none").status == 0
    there = sorted((tmp_path / "s").rglob("*"))
    assert vary(*one, "--color", "none,lab", "--plan").stdout == "2 pictures, nothing to be painted\n"
    assert sorted((tmp_path / "s").rglob("*")) == there


@pytest.mark.slow
def test_windows_of_all_runs_are_shared_out_among_the_same_workers(vary, tmp_path, monkeypatch):
    from nst.workers import local

    started, begin = [], local.local_workers

    def counting(makers, weights):
        started.append([name for name, _ in makers])
        return begin(makers, weights)

    monkeypatch.setattr(local, "local_workers", counting)
    windows = ["--size", 80, "--tile", 48, "--scales", 1, "--steps", 1, "--style-scale", 1, "--color", "none"]
    windows += ["--content-layers", "conv2_1", "--style-layers", "conv1_1,conv2_1"]
    for folder, devices in (("one", "cpu"), ("two", "cpu,cpu")):
        made = vary(*windows, "--style-strength", "0.3,0.7", "--device", devices, "-o", folder)
        assert made.status == 0, made.stderr
    assert started == [["cpu", "cpu"]]
    one, two = (
        sorted(Image.open(path).tobytes() for path in (tmp_path / folder / "cells").glob("*.png"))
        for folder in ("one", "two")
    )
    assert len(two) == 2
    assert one == two


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--style-strength", "2"], "--style-strength: 2 must be a number from 0 to 1"),
        (["--color", "none,sepia"], "--color: 'sepia' is not one of"),
        (["--style-scale", "1,1"], "--style-scale: a value comes twice"),
        (["--style-scale", ","], "--style-scale: give one value or more"),
    ],
)
def test_mistakes(vary, options, says):
    result = vary(*options)
    assert result.status == 2
    assert says in result.stderr


def test_a_folder_that_cannot_be_made(vary, begun):
    Path("file").write_text("")
    result = vary("-o", "file/s")
    assert (result.status, result.stderr) == (
        2, "nst: error: cannot make the folder file/s: Not a directory\n"
    )  # fmt: skip
    assert begun == []


def test_the_page_is_there_at_once_and_fills_as_the_pictures_come(vary, monkeypatch):
    seen, iterate = [], StyleTransfer.iterate

    def page():
        text = Path("s/vary.html").read_text()
        return 'http-equiv="refresh"' in text, len(re.findall("<pre>", text)), text.count("not finished")

    def looking(self):
        seen.append(page())
        if len(seen) == 3:
            raise ImageError("the disk is full")
        return iterate(self)

    monkeypatch.setattr(StyleTransfer, "iterate", looking)
    options = ["--style-strength", "0.3,0.5,0.7", "--style-scale", 1, "--color", "none"]
    assert vary(*options).status == 2
    assert seen == [(True, 0, 3), (True, 1, 2), (True, 2, 1)]
    assert page() == (False, 2, 1 + 1)  # the run that failed, and a line about it
    assert vary(*options).status == 0
    assert seen[3:] == [(True, 2, 1)]
    assert page() == (False, 3, 0)
