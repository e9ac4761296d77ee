"""`--protect` on the command line."""

from concurrent.futures import BrokenExecutor, Executor, Future

import numpy as np
import pytest
from PIL import Image

from nst.pictures import subjects
from nst.pictures.reading import read_picture

data = pytest.importorskip("skimage.data")


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(data.astronaut()).resize((128, 128), Image.Resampling.LANCZOS).save(
        tmp_path / "photo.png"
    )
    return "photo.png"


@pytest.mark.slow
def test_a_face_its_mask_and_the_command_again(stylize, command, photo, tmp_path):
    noise = ["--init", "noise", "--size", 64, "--metadata", "all"]
    made = stylize(*noise, "--protect", "face", content=photo, output="made.jpg")
    assert (made.status, made.stderr) == (0, "")
    mask = np.asarray(Image.open(tmp_path / "made.protect.png").convert("L"))
    assert mask.shape == (64, 64)
    assert mask[14, 27] == 255  # between the eyes
    assert mask[50:].max() == 0
    assert "--protect face" in command("show", "made.jpg").stdout
    assert command("stylize", "--like", "made.jpg", "-o", "again.jpg", "--metadata", "all").status == 0
    assert (tmp_path / "again.jpg").read_bytes() == (tmp_path / "made.jpg").read_bytes()
    # the mask that was saved does the same, but for its 8 bits at another size
    assert stylize(*noise, "--protect", "made.protect.png", content=photo, output="file.png").status == 0
    assert not (tmp_path / "file.protect.png").exists()
    one, other = (np.asarray(Image.open(tmp_path / name), float) for name in ("made.jpg", "file.png"))
    assert np.abs(one - other)[10:20, 20:34].mean() < 8


@pytest.mark.slow
def test_a_poster_has_the_photograph_in_full(command, photo, tmp_path, pictures, weights_file):
    fixed = ["--weights", weights_file, "--backend", "numpy", "--steps", 1, "--size", 48, "--long-side", 128]
    assert command("poster", photo, pictures.style, "-o", "p.png", "--protect", "face", *fixed).status == 0
    assert (tmp_path / "p.protect.png").exists()
    poster, full = (np.asarray(Image.open(tmp_path / name), float) for name in ("p.png", photo))
    between = slice(24, 34), slice(50, 62)  # the eyes
    assert np.abs(poster[between] - full[between]).mean() < 3


@pytest.mark.slow
def test_nothing_found_is_one_line_and_the_run_goes_on(python, tmp_path, pictures, weights_file):
    fixed = ["--weights", weights_file, "--backend", "numpy", "--size", 32, "--steps", 0, "-o", "out.png"]
    result = python("-m", "nst", "stylize", pictures.content, pictures.style, *fixed, "--protect", "face")
    assert result.returncode == 0
    assert result.stderr == (
        "nst: no face was found in the content picture: nothing is protected; a mask picture can be given as well\n"
    )
    assert not (tmp_path / "out.protect.png").exists()


def test_mistakes(stylize, pictures):
    twice = stylize("--protect", pictures.style, "--mask", f"protect={pictures.style}")
    assert (twice.status, twice.stderr) == (
        2, "nst: error: --protect and --mask protect=... are the same: give one of them\n"
    )  # fmt: skip
    assert stylize("--protect", "fase").status == 2


@pytest.mark.slow
def test_a_sheet_of_variations_looks_for_it_once(
    command, photo, tmp_path, pictures, weights_file, monkeypatch
):
    looked = []

    def counting(picture):
        looked.append(picture.size)
        return subjects.faces(picture)

    monkeypatch.setitem(subjects.FINDERS, "face", counting)
    fixed = ["--weights", weights_file, "--backend", "numpy", "--steps", 0, "--size", 64, "--style-scale", 1]
    made = command("vary", photo, pictures.style, "-o", "s", "--protect", "face", *fixed)
    assert made.status == 0
    assert looked == [(128, 128)]
    mask = np.asarray(Image.open(tmp_path / "s" / "vary.protect.png").convert("L"))
    assert mask.shape == (64, 64)
    assert mask[14, 27] == 255
    assert "--protect face" in (tmp_path / "s" / "vary.html").read_text()


@pytest.mark.slow
def test_protection_is_offered_where_there_is_a_face(stylize, photo):
    small = ["--size", 128, "--steps", 1]
    line = "1 face: --protect face keeps it as in the photograph"
    assert line in stylize(*small, content=photo).stdout.splitlines()
    for more in (["--protect", "face"], ["--quiet"], ["--style-weight", 0], ["--steps", 0]):
        made = stylize(*small, *more, content=photo)
        assert (made.status, "--protect" in made.stdout) == (0, False)
    assert "--protect" not in stylize(*small).stdout
    assert "--protect" not in stylize(*small, "--size", 62, content=photo).stdout  # a face of a few pixels


@pytest.mark.slow
def test_looking_for_faces_leaves_nothing_in_memory(python, photo, tmp_path, monkeypatch):
    """scikit-image and what it loads took 36 MiB and more of a run that was planned without."""
    look = """
import sys
from nst.pictures.reading import read_picture
from nst.pictures.subjects import count_faces
print(count_faces(read_picture("photo.png")), "skimage" in sys.modules or "scipy" in sys.modules)
"""
    assert python("-c", look).stdout == "1 False\n"

    class Dead(Executor):
        """A process that is killed, as happens where memory runs out."""

        def submit(self, *_):
            future = Future()
            future.set_exception(BrokenExecutor("killed"))
            return future

    monkeypatch.setattr(subjects, "ProcessExecutor", Dead)
    assert subjects.count_faces(read_picture(tmp_path / photo)) == 0
