"""`nst show PICTURE` and `nst stylize --like PICTURE`."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image

import nst
from nst.cli.options import PRESETS
from nst.errors import ImageError

# every kind of option, and numbers that ten digits do not hold
OPTIONS = [
    *("--style-layers", "conv1_1=0.3333333333333333,conv2_1=0.1", "--content-layers", "conv3_1,conv3_2"),
    *("--init", "noise", "--seed", 7, "--style-weights", "2,1", "--style-weight", 0.1, "--smoothing"),
    *("--steps", "2,1,...", "--scales", "20,32", "--padding", "replicate", "--average", 0.3, "--tile", "off"),
    *("--metadata", "all"),
]


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_like_makes_the_same_picture(suffix, stylize, command, pictures, tmp_path):
    made, again = tmp_path / f"made.{suffix}", tmp_path / f"again.{suffix}"
    Image.linear_gradient("L").resize((32, 24)).save(tmp_path / "mask.png")
    mask = ["--mask", f"style1={tmp_path / 'mask.png'}", "--feather", 1.5]
    assert stylize(*OPTIONS, *mask, style=[pictures.style, pictures.other], output=made).status == 0
    result = command("stylize", "--like", made, "-o", again, "--metadata", "all")
    assert (result.status, result.stderr) == (0, "")
    assert again.read_bytes() == made.read_bytes()


@pytest.fixture
def here(tmp_path, pictures, weights_file):
    """photo.png, painting.png, clip/ and net.safetensors in the folder that one works in; options of a small run."""
    for name, source in (("photo", pictures.content), ("painting", pictures.style)):
        shutil.copy(source, tmp_path / f"{name}.png")
    (tmp_path / "clip").mkdir()
    for number, source in enumerate((pictures.content, pictures.rgba)):
        shutil.copy(source, tmp_path / "clip" / f"{number}.png")
    shutil.copy(weights_file, tmp_path / "net.safetensors")
    return ["--weights", "net.safetensors", "--backend", "numpy", "--steps", 2]


PAIR = ["photo.png", "painting.png"]
MADE = {
    "stylize": (["stylize", *PAIR, "-o", "made.jpg", "--size", 32, *OPTIONS[:4]], "made.jpg"),
    "labels": (["stylize", *PAIR, "-o", "made.tif", "--size", 32, "--metadata", "all", "--dpi", 300], "made.tif"),
    "saved": (["stylize", *PAIR, "-o", "made.png", "--size", 32, "--save-at", 1], "made-1.png"),
    "poster": (["poster", *PAIR, "-o", "made.png", "--size", 24, "--long-side", 50], "made.png"),
    "recipe": (
        ["poster", *PAIR, "-o", "made.png", "--size", 32, "--long-side", 50, "--preset", "neural-style-pt"],
        "made.png",
    ),
    "texture": (["texture", "painting.png", "-o", "made.webp", "--size", "32x24"], "made.webp"),
    "invert": (["invert", "photo.png", "-o", "made.png", "--layer", "conv2_1", "--size", 32], "made.png"),
    "recipe of a texture": (
        ["texture", "painting.png", "-o", "made.png", "--size", "32x24", "--preset", "gatys-pytorch"], "made.png",
    ),
    "recipe of an inversion": (
        ["invert", "photo.png", "-o", "made.png", "--layer", "conv2_1", "--size", 32, "--scales", "auto",
         "--preset", "neural-style-pt"], "made.png",
    ),
    "batch": (["batch", "photo.png", "--styles", "painting.png", "-o", "out", "--size", 32], "out/photo-painting.png"),
    "vary": (
        ["vary", *PAIR, "-o", "s", "--size", 32, "--style-strength", 0.3, "--style-scale", 2, "--color", "lab"],
        "s/cells/*.png",
    ),
    "video": (
        ["video", "clip", "painting.png", "-o", "frames", "--size", 32, "--next-steps", 1, "--init", "noise"],
        "frames/frame-000002.png",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_the_command_that_is_shown_makes_the_same_picture(name, here, command, tmp_path):
    words, pattern = MADE[name]
    result = command(*words, *here)
    assert result.status == 0, result.stderr
    (made,) = tmp_path.glob(pattern)
    assert shown_again(command, made, tmp_path) == made.read_bytes()


def shown_again(command, made, folder):
    """What the command makes that `nst show` prints for a file."""
    shown = command("show", made.relative_to(folder))
    assert (shown.status, shown.stderr) == (0, "")
    line, empty, *rows = shown.stdout.splitlines()
    assert empty == ""
    assert not [row for row in rows if "neither" in row]
    before = set(folder.rglob("*"))
    assert command(*shlex.split(line)[1:]).status == 0
    written = set(folder.rglob("*")) - before
    (again,) = (path for path in written if path.name == made.name) if "frame" in made.name else {
        path for path in written if re.fullmatch(r".*-again(-1)?\.\w+", path.name)
        and ("-1" in made.name) == ("-1" in path.name)
    }  # fmt: skip
    return again.read_bytes()


@pytest.mark.slow
def test_a_precision_a_size(here, command, tmp_path, need):
    need("torch")
    words = [*here, "--backend", "torch", "--size", 48, "--scales", "24,32", "--steps", 3]
    words += ["--precision", "bf16,...,fp32"]
    result = command("stylize", *PAIR, "-o", "made.png", *words)
    assert result.status == 0, result.stderr
    shown = command("show", "made.png").stdout
    assert "--precision bf16,...,fp32" in shown.splitlines()[0]
    assert "precision         bf16,...,fp32" in shown
    made = tmp_path / "made.png"
    assert shown_again(command, made, tmp_path) == made.read_bytes()
    again = command("stylize", "--like", "made.png", "-o", "larger.png", "--size", 64, "--scales", "auto")
    assert again.status == 0, again.stderr
    plan = command("plan", *PAIR, *words).stdout
    assert "bfloat16, bfloat16, float32" in plan


def test_a_result_of_the_library(here, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"backend": "numpy", "weights": "net.safetensors", "size": 32, "steps": 2, "pooling": "max"}
    result = nst.StyleTransfer("photo.png", "painting.png", **options).paint(progress=False)
    made = tmp_path / "made.png"
    result.save(made)
    assert shown_again(command, made, tmp_path) == made.read_bytes()
    assert nst.settings_of("made.png") == {"pooling": "max", "steps": 2, "size": 32}
    assert nst.settings_of(made.read_bytes()) == nst.settings_of(made)
    result.image.save("plain.png")
    with pytest.raises(ImageError, match="it was written without them, or another program"):
        nst.settings_of("plain.png")
    result.save("none.jpg", metadata="none")
    with pytest.raises(ImageError, match="carries no settings"):
        nst.settings_of("none.jpg")
    unnamed = nst.StyleTransfer(Image.open("photo.png"), "painting.png", **options).paint(progress=False)
    unnamed.save("made.png")
    assert nst.settings_of("made.png")["steps"] == 2
    assert command("show", "made.png").stdout.startswith("pooling ")  # no command names a picture in memory


def test_what_is_recoloured(here, command, tmp_path):
    assert command("stylize", *PAIR, "-o", "none.png", "--size", 32, *here).status == 0
    assert command("recolor", "none.png", "--color", "yuv", "-o", "made.png").status == 0
    made = tmp_path / "made.png"
    assert shown_again(command, made, tmp_path) == made.read_bytes()
    (tmp_path / "none.png").unlink()
    assert "none.png is neither in this folder nor beside made.png\n" in command("show", "made.png").stdout


def test_what_is_shown(stylize, command):
    """What is as always is not; the command stands first."""
    assert stylize("--seed", 7, output="made.png").status == 0
    first, empty, *table = command("show", "made.png").stdout.splitlines()
    assert first.startswith("nst stylize content.png style.png -o made-again.png ")
    assert "--rate" not in first
    assert empty == ""
    assert table[:3] == [
        "content.png is neither in this folder nor beside made.png",
        "style.png is neither in this folder nor beside made.png",
        "small.safetensors is neither in this folder nor beside made.png",
    ]
    rows = dict(row.split(maxsplit=1) for row in table[4:])
    assert (rows["seed"], rows["step"], rows["size"], rows["content"]) == ("7", "3", "32", "content.png")
    assert "rate" not in rows
    assert "\nrate              0.02\n" in command("show", "--all", "made.png").stdout


def test_files_are_found_beside_the_picture_too(here, command, tmp_path, monkeypatch):
    """Under the mere names that are in it, and never the picture itself."""
    assert (
        command(
            "stylize", tmp_path / "photo.png", "painting.png", "-o", "made.png", "--size", 32, *here
        ).status
        == 0
    )
    found = json.loads(command("show", "made.png", "--json").stdout)
    assert (found["settings"]["content"], found["weights"]["from"]) == ("photo.png", "net.safetensors")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert command("stylize", "--like", "../made.png", "-o", "again.png").status == 0
    again, made = tmp_path / "elsewhere" / "again.png", tmp_path / "made.png"
    assert again.read_bytes() == made.read_bytes()
    (tmp_path / "photo.png").unlink()
    made.rename(tmp_path / "photo.png")
    result = command("stylize", "--like", "../photo.png", "-o", "again.png")
    assert (result.status, result.stderr.count("\n")) == (2, 1)
    assert (
        "photo.png, which the picture of --like was made with, is neither in this folder nor" in result.stderr
    )
    assert "give CONTENT" in result.stderr


def test_what_is_typed_wins(stylize, command, pictures):
    assert stylize("--init", "noise", "--steps", 1, "--metadata", "all", output="made.png").status == 0
    assert stylize("--init", "noise", "--steps", 2, "--seed", 3, content=pictures.other).status == 0
    typed = ["--seed", 3, "--like", "made.png", "--steps", 2]
    assert command("stylize", pictures.other, *typed, "-o", "again.png").status == 0
    assert Image.open("again.png").tobytes() == Image.open("out.png").tobytes()


def test_settings_that_no_option_has(stylize, command, pictures):
    """Of a preset: the power of the total variation. Weights that were carried over to this network stay."""
    assert PRESETS["neural-style-pt"].settings["tv_power"] == 1
    preset = ["--preset", "neural-style-pt", "--steps", 2, "--history", 5]
    assert stylize(*preset, "--metadata", "all", output="made.png").status == 0
    shown = command("show", "made.png").stdout
    words = shlex.split(shown.splitlines()[0])
    assert words[2:4] == [str(pictures.content), str(pictures.style)]
    assert words[4:8] == ["-o", "made-again.png", "--like", "made.png"]
    assert command(*words[1:]).status == 0
    assert Path("made-again.png").read_bytes() == Path("made.png").read_bytes()
    assert command("stylize", "--like", "made.png", "-o", "again.png").status == 0
    assert Image.open("again.png").tobytes() == Image.open("made.png").tobytes()


def test_show_as_json_and_of_other_commands(command, pictures, weights_file):
    options = ["--weights", weights_file, "--backend", "numpy", "--steps", 1]
    assert command("texture", pictures.style, "-o", "made.png", "--size", "32x24", *options).status == 0
    given = ["--like", "made.png", "--weights", weights_file]
    assert command("texture", pictures.style, *given, "-o", "again.png").status == 0
    assert Path("again.png").read_bytes() == Path("made.png").read_bytes()  # its size too
    assert "Missing argument 'STYLE...'" in command("texture", "-o", "again.png").stderr
    shown = command("show", "made.png").stdout
    assert shown.startswith("nst texture style.png -o made-again.png")
    assert "styles            style.png\n" in shown
    assert json.loads(command("show", "made.png", "--json").stdout)["settings"]["styles"] == ["style.png"]


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
