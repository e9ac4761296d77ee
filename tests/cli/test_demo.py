"""`nst demo`: a photograph and a painting out of the package, into a picture."""

import numpy as np
import pytest
from PIL import Image

from nst.pictures.writing import read_settings
from nst.samples import PAINTING, PHOTOGRAPH, copy_sample

SMALL = ["--backend", "numpy", "--size", 48, "--steps", 2]


@pytest.fixture
def demo(command, weights_file):
    return lambda *options: command("demo", "--weights", weights_file, *SMALL, *options)


@pytest.mark.parametrize(("name", "size"), [(PHOTOGRAPH, (512, 341)), (PAINTING, (512, 320))])
def test_the_pictures_are_small_jpegs_with_a_note_of_origin(name, size, tmp_path, root):
    path = copy_sample(name, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / name
    assert path.stat().st_size < 100_000
    with Image.open(path) as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", size)
        assert "exif" not in picture.info
        assert np.asarray(picture).std() > 30  # and there is something to see
    note = (root / "nst" / "samples" / "ORIGIN.md").read_text()
    (row,) = (line for line in note.splitlines() if line.startswith(f"| `{name}` |"))
    assert "public domain" in row or "CC0" in row


def test_it_is_stylize_of_the_two_pictures_that_it_leaves_beside(demo, command, weights_file, tmp_path):
    result = demo()
    assert (result.status, result.stderr) == (0, "")
    first, *_, last = result.stdout.splitlines()
    assert first == "demo/coffee.jpg: Rachel Michetti; demo/starry_night.jpg: Vincent van Gogh, 1889"
    assert last.startswith("out.png: 48x32, 2 of 2 steps")
    pictures = sorted((tmp_path / "demo").iterdir())
    assert [path.name for path in pictures] == [PHOTOGRAPH, PAINTING]
    fixed = ["--weights", weights_file, *SMALL]
    assert command("stylize", *pictures, "-o", "same.png", *fixed).status == 0
    assert np.array_equal(Image.open("out.png"), Image.open("same.png"))


def test_its_own_settings_and_those_that_are_given(command, weights_file, tmp_path):
    """--steps 0: settings are read from the picture, without the time for a painting."""
    fixed = ["--weights", weights_file, "--backend", "numpy", "--steps", 0, "--quiet"]
    result = command("demo", *fixed, "--pictures", "p", "-o", "a.png", "--pooling", "max")
    assert (result.status, result.stdout, result.stderr) == (0, "", "")
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == [PHOTOGRAPH, PAINTING]
    settings = read_settings("a.png")["settings"]
    assert (settings["padding"], settings["pooling"]) == ("replicate", "max")
    assert Image.open("a.png").width == 384


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pictures", "file"], "'file' is a file"),
        (["--pictures", "file/below"], "cannot write into file/below: "),
        (["-o", "nowhere/out.png"], "nowhere"),
        (["-o", "out.txt"], "out.txt"),
        (["--size", "0"], "size"),
        (["--steps", "many"], "steps"),
    ],
)
def test_what_cannot_be_is_one_line_and_status_2(demo, tmp_path, options, message):
    (tmp_path / "file").write_text("in the way")
    result = demo(*options)
    assert (result.status, result.stderr.count("\n")) == (2, 1)
    assert result.stderr.startswith("nst: error: ")
    assert message in result.stderr
    assert not (tmp_path / "out.png").exists()


def test_a_folder_that_must_not_be_written(demo, monkeypatch):
    """As root every folder can be written, so the refusal is made up here."""

    def refuse(name, folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("nst.samples.copy_sample", refuse)
    result = demo()
    assert (result.status, result.stdout) == (2, "")
    assert result.stderr == "nst: error: cannot write into demo: Permission denied; use another --pictures\n"
