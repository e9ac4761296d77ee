"""A backend from a package of its own: installed, found by its entry point, checked, and used."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).parent


def run(environment, *arguments):
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_it_is_listed(plugged):
    done = run(plugged, "nst", "backends")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()].count("mine") == 1


@pytest.mark.slow
def test_it_conforms(plugged):
    done = run(plugged, "nst.conformance", "mine")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mine (numpy" in done.stdout


@pytest.mark.slow
def test_its_own_test_passes(plugged, tmp_path):
    """The class is that of the command, which has run all cases."""
    shutil.copy(HERE / "check_mine.py", tmp_path / "test_mine.py")
    done = run(
        plugged, "pytest", "-q", "-p", "no:cacheprovider", "-k", "transfer or state or deviations", tmp_path
    )
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_it_paints(plugged, tmp_path, pictures, weights_file):
    out = tmp_path / "out.png"
    options = ["--backend", "mine", "--weights", weights_file, "--size", 32, "--steps", 3, "-o", out]
    done = run(plugged, "nst", "stylize", pictures.content, pictures.style, *options)
    assert done.returncode == 0, done.stderr
    with Image.open(out) as picture:
        assert picture.size == (32, 24)
        assert np.ptp(np.asarray(picture)) > 50


OWN_TENSORS = """
import sys
import numpy as np
import nst
from nst_mine.tensor import Tensor
content, style = (Tensor(np.random.default_rng(seed).uniform(0, 255, (3, 24, 32))) for seed in (1, 2))
options = {"backend": "nst_mine:MineBackend", "weights": sys.argv[1], "size": 32, "steps": 2}
result = nst.stylize(content, style, **options)
array = nst.stylize(*(np.moveaxis(t.planes, 0, -1).astype("float32") / 255 for t in (content, style)), **options)
assert type(result) is Tensor, type(result)
np.testing.assert_array_equal(result.planes, np.moveaxis(array, -1, 0) * 255)
assert np.ptp(result.planes) > 50
"""


def test_its_own_tensors_go_in_and_come_out(plugged, tmp_path, weights_file):
    (tmp_path / "own.py").write_text(OWN_TENSORS)
    done = subprocess.run(
        [sys.executable, tmp_path / "own.py", weights_file],
        capture_output=True, text=True, env=plugged, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
