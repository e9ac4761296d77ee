"""`nst show PICTURE` and `nst stylize --like PICTURE`."""

import json
import shlex

import pytest
from PIL import Image

from nst.cli.options import PRESETS

# every kind of option, and numbers that ten digits do not hold
OPTIONS = [
    *("--style-layers", "conv1_1=0.3333333333333333,conv2_1=0.1", "--content-layers", "conv3_1,conv3_2"),
    *("--init", "noise", "--seed", 7, "--style-weights", "2,1", "--style-weight", 0.1, "--smoothing"),
    *("--steps", "2,1,...", "--scales", "20,32", "--padding", "replicate", "--average", 0.3, "--tile", "off"),
]


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_like_makes_the_same_picture(suffix, stylize, command, pictures, tmp_path):
    made, again = tmp_path / f"made.{suffix}", tmp_path / f"again.{suffix}"
    Image.linear_gradient("L").resize((32, 24)).save(tmp_path / "mask.png")
    mask = ["--mask", f"style1={tmp_path / 'mask.png'}", "--feather", 1.5]
    assert stylize(*OPTIONS, *mask, style=[pictures.style, pictures.other], output=made).status == 0
    result = command("stylize", "--like", made, "-o", again)
    assert (result.status, result.stderr) == (0, "")
    assert again.read_bytes() == made.read_bytes()


def test_the_command_that_is_shown_makes_the_same_picture(stylize, command, pictures, tmp_path):
    assert stylize(*OPTIONS, style=[pictures.style, pictures.other], output="made.png").status == 0
    shown = command("show", "made.png")
    assert (shown.status, shown.stderr) == (0, "")
    *table, empty, line = shown.stdout.splitlines()
    assert empty == ""
    rows = dict(row.split(maxsplit=1) for row in table)
    assert (rows["seed"], rows["step"], rows["size"]) == ("7", "3", "32")
    first, *words = shlex.split(line)
    assert (first, words[0]) == ("nst", "stylize")
    assert "--rate" not in words  # what is as always is not said
    assert command(*words).status == 0
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "made.png").read_bytes()


def test_what_is_typed_wins(stylize, command, pictures):
    assert stylize("--init", "noise", "--steps", 1, output="made.png").status == 0
    assert stylize("--init", "noise", "--steps", 2, "--seed", 3, content=pictures.other).status == 0
    typed = ["--seed", 3, "--like", "made.png", "--steps", 2]
    assert command("stylize", pictures.other, *typed, "-o", "again.png").status == 0
    assert Image.open("again.png").tobytes() == Image.open("out.png").tobytes()


def test_settings_that_no_option_has(stylize, command):
    """Of a preset: the power of the total variation. Weights that were carried over to this network stay."""
    assert PRESETS["neural-style-pt"].settings["tv_power"] == 1
    preset = ["--preset", "neural-style-pt", "--steps", 2, "--history", 5]
    assert stylize(*preset, output="made.png").status == 0
    assert command("show", "made.png").stdout.endswith("\n\nnst stylize --like made.png -o out.png\n")
    assert command("stylize", "--like", "made.png", "-o", "again.png").status == 0
    assert Image.open("again.png").tobytes() == Image.open("made.png").tobytes()


def test_show_as_json_and_of_other_commands(command, pictures, weights_file):
    options = ["--weights", weights_file, "--backend", "numpy", "--steps", 1]
    assert command("texture", pictures.style, "-o", "made.png", "--size", "32x24", *options).status == 0
    shown = command("show", "made.png").stdout
    assert "nst stylize" not in shown
    assert f"styles            {pictures.style}\n" in shown
    assert json.loads(command("show", "made.png", "--json").stdout)["settings"]["styles"] == [
        str(pictures.style)
    ]


def test_what_cannot_be_done(command, pictures, stylize):
    for words in (["show", pictures.content], ["stylize", "--like", pictures.content, "-o", "out.png"]):
        result = command(*words)
        assert (result.status, result.stderr.count("\n")) == (2, 1)
        assert "carries no settings of nst" in result.stderr
    assert stylize(output="made.png").status == 0
    both = command("stylize", "--like", "made.png", "--preset", "quality", "-o", "out.png")
    assert "give one of them" in both.stderr
    assert "Missing argument 'CONTENT'" in command("stylize", "-o", "out.png").stderr
    assert "Missing argument 'STYLE...'" in command("stylize", pictures.content, "-o", "out.png").stderr
