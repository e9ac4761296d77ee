"""Every case of benchmarks/run.py is whole, its rows make the table of the page, and it still measures."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FOLDER = Path(__file__).parent.parent / "benchmarks"
PAGE = FOLDER.parent / "docs" / "benchmarks.md"
CASES = sorted(path.stem for path in (FOLDER / "cases").glob("[!_]*.py"))


def run(*words):
    command = [sys.executable, FOLDER / "run.py", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_without_a_case_they_are_listed():
    listed = run()
    assert listed.returncode == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()[-len(CASES) :]] == CASES
    assert run("nonesuch").returncode == 2


@pytest.mark.parametrize("case", CASES)
def test_the_table_of_the_page_is_that_of_the_rows(case, tmp_path):
    page = tmp_path / "page.md"
    shutil.copy(PAGE, page)
    done = run(case, "--table-only", "--page", page)
    assert done.returncode == 0, done.stderr
    assert page.read_text() == PAGE.read_text()


@pytest.mark.slow
def test_a_case_measures_keeps_its_rows_and_makes_the_table(tmp_path, need):
    need("torch")
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- memory begin -->\n<!-- memory end -->\nafter\n")
    words = ["memory", "--backends", "torch,nonesuch", "--sizes", "48", "--tiles", "off", "--steps", "1"]
    done = run(*words, "--results", tmp_path, "--page", page)
    assert done.returncode == 0, done.stderr
    assert (
        "left out: {'backend': 'nonesuch'" in done.stderr
    )  # a backend that is missing does not stop the others
    (row,) = json.loads((tmp_path / "memory.json").read_text())["rows"]
    assert (row["backend"], row["width"], row["height"]) == ("torch", 48, 36)
    assert row["run"]["command"].startswith("python benchmarks/run.py memory --backends torch,nonesuch")
    assert 100e6 < row["peak"] < 10e9
    before, *_, line, end, after = page.read_text().splitlines()
    assert (before, end, after) == ("before", "<!-- memory end -->", "after")
    assert line.startswith("| torch | embedded | 48x36 |  | no | 1 in float32 | ")


def test_a_table_names_the_runs_that_its_rows_are_of(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    from argparse import Namespace

    import _report

    page = tmp_path / "page.md"
    page.write_text("before\n<!-- x begin -->\n<!-- x end -->\nafter\n")

    def measured(machine, *names, add=False, table_only=False):
        monkeypatch.setattr(
            _report, "machine", lambda device: {"machine": f"a {machine}", "python": f"3.{len(machine)}"}
        )
        monkeypatch.setattr(sys, "argv", ["run.py", "x", *(["--add"] if add else [])])
        options = Namespace(device="cpu", results=tmp_path, page=page, add=add, table_only=table_only)
        report = _report.Report("x", options, ["name"])
        for name in names:
            report.add({"name": name, "versions": {"numpy": machine[0]}})
        report.publish("Note.", " ".join(row["name"] for row in report.rows))
        return page.read_text()

    assert "a sun, load" in measured("sun", "p", "q")
    both = measured("vax", "q", "r", add=True)
    assert both.index("a sun, load") < both.index("a vax, load")
    assert "Python 3.3, numpy s and v. Note.\n\np q r\n" in both
    for names, kept in ((("p",), {"add": True}), ((), {"table_only": True})):
        text = measured("pdp11", *names, **kept)
        assert "a sun" not in text
        assert text.count("run.py x --add") == 2
        assert "a pdp11, load" in text
        assert "Python 3.3 and 3.5, numpy v and p. Note.\n\nq r p\n" in text


def test_what_gram_matrices_do_not_see_and_what_colours_do_not_change(monkeypatch, small_network, pictures):
    monkeypatch.syspath_prepend(FOLDER)
    import _quality_measures

    photo, painting = (Image.open(path).convert("RGB") for path in (pictures.content, pictures.style))
    judge = _quality_measures.Judge(small_network)
    assert judge.spread_left(painting, photo, painting) == 0
    assert judge.spread_left(photo, photo, painting) == 1
    assert judge.relations_off(photo, photo) == 0
    assert judge.relations_off(photo.rotate(180), photo) > 0.1
    # two places whose features are opposites about their mean
    alike = np.array([[np.exp(10), np.exp(-10)], [np.exp(-10), np.exp(10)]]) / (np.exp(10) + np.exp(-10))
    np.testing.assert_allclose(_quality_measures._related(np.array([[3.0, 1.0], [0.0, 4.0]])), alike)


@pytest.mark.parametrize("name", ["nnst", "strotss"])
def test_a_recipe_paints(name, monkeypatch, need, small_network, pictures):
    need("torch")
    monkeypatch.syspath_prepend(FOLDER)
    import recipes
    import torch

    x = torch.rand(1, 3, 33, 50)
    torch.testing.assert_close(recipes.collapse(recipes.pyramid(x, 4)), x)
    # from the rows 0 and 1, from the columns 0 and 2
    assert recipes.relaxed_emd(torch.tensor([[0.0, 2.0], [1.0, 3.0]])) == 1
    monkeypatch.setattr(recipes, "NNST_STEPS", (2, 1))
    monkeypatch.setattr(recipes, "STROTSS_STEPS", (2, 1))
    opened = [Image.open(path).convert("RGB") for path in (pictures.content, pictures.style)]
    made = recipes.paint(name, *opened, small_network, 64)
    assert made.size == (64, 48)
    assert len(np.unique(np.asarray(made).reshape(-1, 3), axis=0)) > 100
