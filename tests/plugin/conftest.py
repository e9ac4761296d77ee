"""The example of a backend in a package of its own, installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def plugged(tmp_path_factory, root):
    """Variables under which Python finds the package, installed into a folder of its own; nothing is downloaded."""
    folder = tmp_path_factory.mktemp("plugin")
    source, target = folder / "source", folder / "site"
    shutil.copytree(HERE, source, ignore=shutil.ignore_patterns("__pycache__", "conftest.py", "test_*.py"))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", target, source]
    subprocess.run(command, check=True, capture_output=True, text=True)
    path = os.pathsep.join([str(target), str(root)])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "NST_OFFLINE": "1"}
