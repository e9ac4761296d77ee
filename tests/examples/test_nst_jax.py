"""examples/nst-jax without an installation: its own tests, a part of nst's suite, and a picture.

The whole suite takes minutes, since XLA compiles a program for each case (`nst conformance jax`). The part that is
run here has every primitive with its gradient, the vector space, the whole objective once, and L-BFGS.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "nst-jax"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Variables under which Python finds the package and its entry points, as if it were installed."""
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    site = tmp_path_factory.mktemp("site")
    metadata = site / "nst_jax-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: nst-jax\nVersion: 1.0\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    path = os.pathsep.join(map(str, (site, EXAMPLE, ROOT)))
    quick = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}  # hundreds of programs that run once
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "NST_OFFLINE": "1", **quick}


def run(environment, *arguments):
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_its_own_tests(found):
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-k", "not conforms"]
    done = run(found, "-m", "pytest", *options, EXAMPLE / "tests")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


PART = """
import json, re
from nst.backends import get_backend
from nst.conformance import Subject, all_cases, run_cases
edges = "nan|odd|ties|at-zero|extreme|left|right|factor"
part = re.compile(
    f"transfer/.*|primitive/.*/({edges})|primitive-gradient/.*/({edges})|space/.*"
    "|gradient/(whole/max|missing)|state/(constants.*|names.*)|loss/zero-at-target/style|optimizer/trajectory/tv/lbfgs"
)
chosen = [case for case in all_cases() if part.fullmatch(case.id)]
results = run_cases(Subject(get_backend("jax", "cpu")), chosen)
print(json.dumps([[result.id, result.status, result.message] for result in results]))
"""


def test_a_part_of_the_suite(found):
    done = run(found, "-c", PART)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    assert [result for result in results if result[1] != "passed"] == []
    assert len(results) > 100
    subjects = {case.split("/")[1] for case, _, _ in results if case.startswith("primitive/")}
    gradients = {case.split("/")[1] for case, _, _ in results if case.startswith("primitive-gradient/")}
    assert subjects == gradients
    assert len(subjects) == 23


def test_it_paints(found, tmp_path, pictures, weights_file):
    options = [
        "--backend",
        "jax",
        "--weights",
        weights_file,
        "--size",
        32,
        "--steps",
        3,
        "-o",
        tmp_path / "out.png",
    ]
    done = run(found, "-m", "nst", "stylize", pictures.content, pictures.style, *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert "with jax on cpu" in done.stdout
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (32, 24)
