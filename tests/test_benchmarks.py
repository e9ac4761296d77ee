"""The benchmarks that make the tables of the documentation still run."""

import json
import subprocess
import sys
from pathlib import Path

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
