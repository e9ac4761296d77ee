"""The benchmarks that make the tables of the documentation still run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"


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


def test_a_table_names_the_runs_that_its_rows_are_of(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    import _report

    page = tmp_path / "page.md"
    page.write_text("before\n<!-- x begin -->\n<!-- x end -->\nafter\n")

    def measured(machine, arguments, *names):
        monkeypatch.setattr(
            _report, "machine", lambda device: {"machine": f"a {machine}", "python": f"3.{len(machine)}"}
        )
        given = [*arguments, "--results", str(tmp_path), "--page", str(page)]
        monkeypatch.setattr(sys, "argv", ["x.py", *given])
        report = _report.Report("x.py", _report.options_of("").parse_args(given), ["name"])
        for name in names:
            report.add({"name": name, "versions": {"numpy": machine[0]}})
        report.publish("Note.", " ".join(row["name"] for row in report.rows))
        return page.read_text()

    assert "a sun, load" in measured("sun", [], "p", "q")
    both = measured("vax", ["--add"], "q", "r")
    assert both.index("a sun, load") < both.index("a vax, load")
    assert "Python 3.3, numpy s and v. Note.\n\np q r\n" in both
    for arguments, names in ((["--add"], ["p"]), (["--table-only"], [])):
        text = measured("pdp11", arguments, *names)
        assert "a sun" not in text
        assert text.count("x.py --add") == 2
        assert "a pdp11, load" in text
        assert "Python 3.3 and 3.5, numpy v and p. Note.\n\nq r p\n" in text
