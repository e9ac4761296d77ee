"""`make bench-gpu` on GPUs that are none: every case of it measures, keeps its rows and makes its table."""

import json
import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

from nst.models.random import random_weights

ROOT = Path(__file__).parent.parent
SMALL = {
    "speed": ["--backends", "torch", "--sizes", "48", "--steps", "6"],
    "layers": ["--sizes", "48", "--repeats", "1"],
    "precision": ["--sizes", "160", "--steps", "1"],
    "memory": ["--backends", "torch", "--sizes", "48", "--tiles", "off", "--steps", "1"],
    "history": ["--backends", "torch", "--sizes", "48", "--pairs", "2", "--steps", "12"],
    "scaling": ["--sizes", "48", "--tiles", "off", "--steps", "1"],
}
DRIVER = """#!/bin/sh
case "$*" in
  *memory.free*) echo 65536;;
  *) echo "a GPU that is none, 580.1";;
esac
"""


@pytest.fixture
def bench(monkeypatch, tmp_path, need):
    """bench(case, words): its rows and its table, in this process."""
    need("torch")
    monkeypatch.syspath_prepend(ROOT / "tests")
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(DRIVER)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=":")
    main, pretended = import_module("run"), import_module("pretended_cuda").pretended
    subject = import_module("_subject")
    monkeypatch.setitem(subject.PRODUCTS, "cuda", (64, 2))
    network = subject.network
    thin = random_weights(0, 1 / 16, depth="conv5_1")  # "full" is 13 million random numbers
    monkeypatch.setattr(subject, "network", lambda name: thin if name == "full" else network(name))

    def in_child(case, **keywords):
        given = json.loads(json.dumps(keywords))
        return json.loads(json.dumps(main.load(case).measure(**given)))

    monkeypatch.setattr(main, "in_child", in_child)
    page = tmp_path / "page.md"

    def run(case, words):
        page.write_text(f"<!-- {case}-cuda begin -->\n<!-- {case}-cuda end -->\n")
        files = ["--results", str(tmp_path), "--page", str(page)]
        monkeypatch.setattr(sys, "argv", ["run.py", case, "--device", "cuda", *words, *files])
        with pretended():
            main.main()
        return json.loads((tmp_path / f"{case}-cuda.json").read_text())["rows"], page.read_text()

    return run


def test_the_command_has_these_cases():
    (names,) = re.findall(r"^BENCHMARKS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert sorted(names.split()) == sorted(SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("case", SMALL)
def test_a_case_makes_its_table_on_a_gpu(case, bench):
    rows, page = bench(case, SMALL[case])
    assert rows
    assert all(row["run"]["gpu"] == "a GPU that is none, 580.1" for row in rows)
    assert "a GPU that is none" in page
    assert page.count("\n| ") >= 2 + len(rows)
