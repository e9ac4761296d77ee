"""The benchmarks that make the tables of the documentation still run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"


def test_networks(tmp_path, need):
    need("torch")
    report = tmp_path / "networks.json"
    command = [
        sys.executable,
        "networks.py",
        "embedded",
        "--size",
        "96",
        "--steps",
        "2",
        "--json",
        str(report),
    ]
    subprocess.run(command, cwd=FOLDER, check=True, capture_output=True)
    rows = json.loads(report.read_text())["rows"]
    assert len(rows) == 4
    for row in rows:
        assert 0 < row["style_loss"] < row["style_loss_start"]
        assert 0 < row["content_loss"] < 2  # 1 is a picture without features


def test_agreement(tmp_path, need):
    need("torch")
    page, results = tmp_path / "page.md", tmp_path / "results"
    page.write_text("before\n<!-- agreement begin -->\n<!-- agreement end -->\nafter\n")
    command = f"agreement.py --size 48 --steps 2 --weights random:0.125 --results {results} --page {page}"
    backends = ["--backends", "torch/float64", "torch/float64/0", "torch/float64/1e-3"]
    subprocess.run([sys.executable, *command.split(), *backends], cwd=FOLDER, check=True, capture_output=True)
    rows = json.loads((results / "agreement.json").read_text())["rows"]
    assert [row["optimizer"] for row in rows] == ["lbfgs", "adam"]
    for row in rows:
        totals = row["totals"]
        assert totals["torch/float64"] == totals["torch/float64/0"] != totals["torch/float64/1e-3"]
        assert row["total"] == pytest.approx(
            max(totals.values()) / min(totals.values()) - 1, rel=0.1
        )  # of the worst pair, over either
        assert 0 < row["mean"] < row["p99"] <= row["largest"] < 255
    assert page.read_text().count("| random:0.125 | demo, demo, 48 px, 2 steps |") == 2
