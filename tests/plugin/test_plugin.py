"""A backend from a package of its own: installed, found by its entry point, checked, and used."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def plugged(tmp_path_factory, root):
    """Variables under which Python finds the package, installed into a folder of its own; nothing is downloaded."""
    folder = tmp_path_factory.mktemp("plugin")
    source, target = folder / "source", folder / "site"
    shutil.copytree(HERE, source, ignore=shutil.ignore_patterns("__pycache__", "test_*.py"))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", target, source]
    subprocess.run(command, check=True, capture_output=True, text=True)
    path = os.pathsep.join([str(target), str(root)])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "NST_OFFLINE": "1"}


def run(environment, *arguments):
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_it_is_listed(plugged):
    done = run(plugged, "nst", "backends")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()].count("mine") == 1


def test_it_conforms(plugged):
    done = run(plugged, "nst.conformance", "mine")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mine (numpy" in done.stdout


def test_its_own_test_passes(plugged, tmp_path):
    shutil.copy(HERE / "check_mine.py", tmp_path / "test_mine.py")
    done = run(plugged, "pytest", "-q", "-p", "no:cacheprovider", tmp_path)
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
