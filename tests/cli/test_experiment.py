"""`nst experiment`: runs, files, going on after an interruption, the sheet and the report."""

import json
import re
import signal
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from nst.cli.experiments.catalogue import EXPERIMENTS
from nst.cli.experiments.grid import Cell
from nst.cli.experiments.report import loss_chart, write_report
from nst.cli.experiments.runs import Done
from nst.cli.experiments.sheet import Tile, beside, contact_sheet, fit
from nst.description import without_folders
from nst.pictures.writing import read_settings
from nst.transfer import StyleTransfer


@pytest.fixture
def experiment(command, pictures, weights_file):
    """experiment(name, *options): a small `nst experiment run` into the folder "r"."""
    fixed = ["--weights", weights_file, "--backend", "numpy", "--size", 32, "--steps", 2]

    def run(name, *options, paths=(pictures.content, pictures.style)):
        return command("experiment", "run", name, *paths, "-o", "r", *fixed, *options)

    return run


def traces(folder):
    return {path.stem: json.loads(path.read_text()) for path in (folder / "r" / "cells").glob("*.json")}


def test_list_names_every_experiment(command):
    result = command("experiment", "list")
    assert result.status == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(EXPERIMENTS)
    counts = {line.split()[0]: int(line.split()[1]) for line in lines}
    assert counts == {
        "reconstructions": 10, "alpha-beta": 20, "content-layer": 2, "start": 6, "networks": 12, "pooling": 4,
        "style-layers": 10, "simplex": 15, "grid": 1,
    }  # fmt: skip


def test_files_and_summary(experiment, tmp_path, pictures):
    result = experiment("start")
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout == "r/start.png and .html: 6 of 6 runs\n"
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["cells", "start.html", "start.png"]
    found = traces(tmp_path)
    assert {trace["label"] for trace in found.values()} == {
        value.label for value in EXPERIMENTS["start"].columns
    }
    for name, trace in found.items():
        assert [step["step"] for step in trace["steps"]] == [0, 1, 2]
        assert trace["settings"]["size"] == 32
        assert list(trace["measures"]) == ["random-0"]
        assert list(trace["measures"]["random-0"]["gram"]) == [f"conv{k}_1" for k in range(1, 6)]
        assert (
            read_settings(tmp_path / "r" / "cells" / f"{name}.png")["settings"]
            == without_folders(trace)["settings"]
        )


def test_equal_experiments_have_equal_bytes(experiment, tmp_path):
    """But for the time that they took, which has files of its own and a place in the report."""
    found = []
    for name in ("first", "second"):
        assert experiment("pooling", "-o", name).status == 0
        folder = tmp_path / name
        files = [
            path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".html", ".seconds")
        ]
        found.append({str(path.relative_to(folder)): path.read_bytes() for path in files})
        seconds = list(folder.glob("cells/*.seconds"))
        assert len(seconds) == 4
        assert all(0 < float(path.read_text()) < 100 for path in seconds)
        assert re.search(r"2 in \d+\.\d s", (folder / "pooling.html").read_text())
    assert found[0] == found[1]
    assert len(found[0]) == 4 + 4 + 1
    for path in seconds:
        path.unlink()
    assert experiment("pooling", "-o", "second").status == 0  # without them it is not computed again
    assert not list((tmp_path / "second").glob("cells/*.seconds"))


def test_a_cell_is_the_result_of_the_library(experiment, tmp_path, pictures, small_network):
    assert experiment("content-layer").status == 0
    for trace_name, trace in traces(tmp_path).items():
        layer = trace["label"]
        transfer = StyleTransfer(
            pictures.content, pictures.style, backend="numpy", weights=small_network, size=32, steps=2,
            content_layers=layer,
        )  # fmt: skip
        cell = Image.open(tmp_path / "r" / "cells" / f"{trace_name}.png")
        assert cell.tobytes() == transfer.run().tobytes()


def test_balance_is_swept_as_any_option(experiment, tmp_path):
    assert experiment("grid", "--grid", "balance=1,10").status == 0
    balance = {trace["label"]: trace["settings"]["balance"] for trace in traces(tmp_path).values()}
    assert balance == {"balance 1": 1.0, "balance 10": 10.0}


def test_finished_runs_are_not_computed_again(experiment, tmp_path, monkeypatch):
    assert experiment("grid", "--grid", "seed=1,2", "--init", "noise").status == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "r" / "cells").iterdir()}
    started = []
    iterate = StyleTransfer.iterate
    monkeypatch.setattr(
        StyleTransfer, "iterate", lambda self: started.append(self.settings.seed) or iterate(self)
    )
    assert experiment("grid", "--grid", "seed=2,3,1", "--init", "noise").stdout.endswith("3 of 3 runs\n")
    assert started == [3]
    assert all(path.stat().st_mtime_ns == before[path] for path in before)
    assert experiment("grid", "--grid", "seed=1,2", "--init", "noise", "--size", 33).status == 0
    assert started == [3, 1, 2]


def test_other_pictures_or_weights_are_other_runs(experiment, tmp_path, pictures, weights_file):
    assert experiment("grid").status == 0
    assert experiment("grid", paths=(pictures.content, pictures.other)).status == 0
    assert experiment("grid", "--init", pictures.other).status == 0
    copy = tmp_path / "same.png"
    copy.write_bytes(pictures.content.read_bytes())
    assert len(traces(tmp_path)) == 3
    assert experiment("grid", paths=(copy, pictures.style)).status == 0  # the same picture under another name
    assert len(traces(tmp_path)) == 3


def test_an_interrupted_experiment_goes_on(experiment, tmp_path, monkeypatch):
    iterate, begun = StyleTransfer.iterate, []

    def interrupted_in_the_third(self):
        begun.append(1)
        for record in iterate(self):
            yield record
            if len(begun) == 3 and record.step == 0:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(StyleTransfer, "iterate", interrupted_in_the_third)
    result = experiment("start")
    assert result.status == 130
    assert result.stdout == "r/start.png and .html: 2 of 6 runs; interrupted\n"
    assert len(traces(tmp_path)) == 2
    assert "4 of 6 runs are not finished" in (tmp_path / "r" / "start.html").read_text()
    assert experiment("start").stdout == "r/start.png and .html: 6 of 6 runs\n"
    assert len(begun) == 3 + 4
    assert "not finished" not in (tmp_path / "r" / "start.html").read_text()


def test_a_damaged_trace_is_computed_again(experiment, tmp_path):
    assert experiment("grid").status == 0
    (trace,) = (tmp_path / "r" / "cells").glob("*.json")
    text = trace.read_text()
    trace.write_text(text[:100])
    assert experiment("grid").status == 0
    assert json.loads(trace.read_text())["label"] == json.loads(text)["label"]


@pytest.mark.slow
def test_out_of_the_box_it_has_pictures(experiment, tmp_path):
    result = experiment("simplex", "--steps", 0, paths=())
    assert (result.status, result.stdout) == (0, "r/simplex.png and .html: 15 of 15 runs\n")
    found = sorted(path.name for path in (tmp_path / "r" / "pictures").iterdir())
    assert found == ["coffee.jpg", "glass.jpg", "starry_night.jpg", "waves.jpg"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nonesuch", (), "no experiment called 'nonesuch': choose from reconstructions, alpha-beta"),
        ("simplex", (), "1 style picture(s) after the content picture: give 2 to 4"),
        ("start", ("--trace", "t.json"), "No such option '--trace'"),
        ("start", ("--init", "noise"), "init is what this compares: choose values by --grid init="),
        ("grid", ("--grid", "style_scale=1,0.1"), "style scale 0.1: the style picture is 2x3 pixels here"),
        ("grid", ("--grid", "size=32,64"), "size is what this compares"),
        ("grid", ("--grid", "style_layers=conv9_1"), "style layers conv9_1: "),
    ],
)
def test_mistakes_are_found_before_the_work(name, options, message, experiment, tmp_path):
    result = experiment(name, *options)
    assert (result.status, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert message in result.stderr
    assert not (tmp_path / "r" / "cells").exists()


class Page(HTMLParser):
    """Counts tags and checks that they are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.links = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for key, value in attributes if key in ("src", "href")]
        if tag not in ("meta", "img", "br", "line"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag != "line":
            assert self.open.pop() == tag


def test_the_report_stands_alone(experiment, tmp_path, pictures):
    odd = tmp_path / 'a"b<i>.png'
    odd.write_bytes(pictures.content.read_bytes())
    assert experiment("grid", "--grid", "pooling=avg,max", paths=(odd, pictures.style)).status == 0
    text = (tmp_path / "r" / "grid.html").read_text()
    page = Page(text)
    assert page.tags.count("img") == 2 + 2
    assert page.tags.count("svg") == page.tags.count("article") - 1 == 2
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    assert not {"script", "link", "i"} & set(page.tags)
    assert "http" not in text.replace("http://www.w3.org", "")
    for trace in traces(tmp_path).values():
        assert f"{trace['steps'][-1]['terms']['style']:.4g}" in text
        assert f"{trace['measures']['random-0']['gram']['conv3_1']:.3g}" in text


def test_the_report_escapes_what_it_is_given(tmp_path):
    """Labels and names of files come from the user, as do the words of --grid."""
    flat("red").save(tmp_path / "x.png")
    step = {"step": 0, "total": 2.0, "terms": {"<b>": 2.0}, "weights": {"<b>": 1.0}, "seconds": 1.0}
    trace = {
        "settings": {"a": "<i>", "b": {"conv1_1": 0.5}, "c": 0.1, "d": [1, 2], "e": None},
        "steps": [step],
        "stopped": None,
        "measures": {"<net>": {"gram": {"conv1_1": 0.123456, "conv2_1": None}}},
    }
    run = Done(Cell(0, 0, "<script>", {}), tmp_path / "x.png", trace, 1.0)
    text = write_report("<title>", "a & b", [run], {'"><u>': flat("blue")}, 2)
    page = Page(text)
    assert not {"script", "b", "i", "u", "net"} & set(page.tags) - {"b"}
    assert page.tags.count("b") == 1  # of the line on runs that are not finished
    assert "2 of 3 runs are not finished" in text
    assert "&lt;script&gt;" in text
    assert "a &amp; b" in text
    assert re.findall(r'<td class="number">(.*?)</td>', text) == ["0.123"]
    cells = dict(re.findall(r"<tr><th>(.*?)</th><td>(.*?)</td></tr>", text))
    assert cells | {"a": "&lt;i&gt;", "b": "conv1_1 0.5", "c": "0.1", "d": "1, 2"} == cells
    assert "e" not in cells


def test_loss_chart_draws_what_it_is_given():
    svg = ET.fromstring(loss_chart([0, 5, 10], {"total": [1000, 0, 1], "style": [10, 10, 10]}))
    total, style = ([tuple(map(float, point.split(","))) for point in line.get("points").split()]
                    for line in svg.findall("polyline"))  # fmt: skip
    assert len(total) == 2  # 0 has no logarithm
    assert len(style) == 3
    assert total[0][0] < total[1][0]
    assert total[0][1] < style[0][1] < total[1][1]  # y grows downwards
    assert style[0][1] == pytest.approx(total[0][1] + (total[1][1] - total[0][1]) * 2 / 3, abs=0.1)
    assert [text.text for text in svg.findall("text")] == ["1e0", "1e1", "1e2", "1e3", "0", "10"]
    assert ET.fromstring(loss_chart([0], {"total": [0.0]})) is not None


def flat(color, size=(40, 30)):
    return Image.new("RGB", size, color)


def test_contact_sheet_puts_tiles_where_they_belong():
    red, blue = (255, 0, 0), (0, 0, 255)
    tiles = [Tile(0, 0.5, flat(red)), Tile(1, 0, flat(blue, (20, 30)), "b"), Tile(1, 1, flat(blue))]
    sheet = np.asarray(contact_sheet(tiles)).astype(int)
    rows, columns = np.nonzero((sheet == red).all(axis=2))
    assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == (40, 30)
    below, beside_ = np.nonzero((sheet == blue).all(axis=2))
    assert below.min() > rows.max()
    assert len(below) == 20 * 30 + 40 * 30
    left = beside_.min() - 10  # the narrow tile is in the middle of its box
    assert columns.min() - left == 24
    assert beside_.max() - left == 40 + 8 + 40 - 1


def test_labels_take_room_of_their_own():
    plain = contact_sheet([Tile(0, 0, flat("red"))])
    labelled = contact_sheet(
        [Tile(0, 0, flat("red"))], ["a row with a long label"], ["column"], "title", [flat("green")]
    )
    assert labelled.width > plain.width + 50
    assert labelled.height > plain.height + 96 + 30
    array = np.asarray(labelled)
    assert (array == (255, 0, 0)).all(axis=2).sum() == 40 * 30
    assert (array[:, :20] < 90).all(axis=2).any()  # the text of the row


def test_fit_and_beside():
    assert fit(flat("red"), 60).size == (80, 60)
    assert beside([flat("red"), flat("blue", (10, 60))]).size == (40 + 8 + 10, 60)


def test_help_says_how_a_grid_is_written(command):
    text = " ".join(command("experiment", "run", "--help").stdout.split())
    assert re.search(r"--grid KEY=V1,V2 .*conv1_1\+conv2_1", text)


def test_the_embedded_network_is_deep_enough_for_every_experiment():
    from nst.cli.experiments.catalogue import EXPERIMENTS
    from nst.models.embedded import load_embedded
    from nst.settings import layer_weights

    there = load_embedded().convolutions
    for name, experiment in EXPERIMENTS.items():
        for value in (*experiment.rows, *experiment.columns):
            for key in ("content_layers", "style_layers"):
                layers = layer_weights(value.settings.get(key, ()))
                assert set(layers) <= set(there), name


def test_the_curves_are_the_weighted_losses(tmp_path, monkeypatch):
    """Weights that are left open depend on the size, so they are in the steps; the settings say None."""
    drawn = []
    monkeypatch.setattr(
        "nst.cli.experiments.report.loss_chart", lambda steps, curves: drawn.append(curves) or ""
    )
    flat("red").save(tmp_path / "x.png")
    steps = [
        {
            "step": n,
            "total": 9.0,
            "terms": {"style": 1.0 / (n + 1)},
            "weights": {"style": 30.0},
            "seconds": 1.0,
        }
        for n in range(2)
    ]
    trace = {"settings": {"style_weight": None}, "steps": steps, "stopped": None, "measures": {}}
    write_report("x", "y", [Done(Cell(0, 0, "x", {}), tmp_path / "x.png", trace, 1.0)], {}, 0)
    assert drawn == [{"total": [9.0, 9.0], "style": [30.0, 15.0]}]


@pytest.fixture
def iterations(monkeypatch):
    """A list that has one entry for every optimisation that is begun."""
    begun, iterate = [], StyleTransfer.iterate

    def counting(self):
        begun.append(self.settings.color)
        return iterate(self)

    monkeypatch.setattr(StyleTransfer, "iterate", counting)
    return begun


def test_colours_that_come_afterwards_share_an_optimisation(experiment, iterations, tmp_path, stylize):
    assert experiment("grid", "--grid", "color=lab,none,luminance,yuv", "--init", "noise").status == 0
    assert iterations == ["lab", "luminance"]
    found = {trace["settings"]["color"]: name for name, trace in traces(tmp_path).items()}
    assert set(found) == {"none", "lab", "luminance", "yuv"}
    for color, name in found.items():
        options = ["--init", "noise", "--steps", 2, "--color", color]
        assert stylize(*options, output="alone.png").status == 0
        shared = Image.open(tmp_path / "r" / "cells" / f"{name}.png")
        np.testing.assert_array_equal(np.asarray(shared), np.asarray(Image.open("alone.png")))
        assert read_settings(tmp_path / "r" / "cells" / f"{name}.png")["settings"]["color"] == color


def test_colours_are_added_to_what_is_there(experiment, iterations, tmp_path):
    assert experiment("grid", "--init", "noise").status == 0  # no colour is the colour none
    assert (
        experiment(
            "grid", "--grid", "color=none,lab", "--grid", "color_strength=0.5,1", "--init", "noise"
        ).status
        == 0
    )
    assert iterations == ["none"]
    found = [trace for trace in traces(tmp_path).values() if trace["settings"]["color"] == "lab"]
    assert sorted(trace["settings"]["color_strength"] for trace in found) == [0.5, 1.0]
    assert all([step["step"] for step in trace["steps"]] == [0, 1, 2] for trace in found)
    assert found[0]["measures"] != found[1]["measures"]
