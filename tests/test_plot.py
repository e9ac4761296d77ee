"""Figures: what is drawn where, and that matplotlib is loaded when they are asked for and not before."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from nst import plot
from nst.errors import SettingsError
from nst.pictures.picture import Picture


@pytest.fixture(scope="module")
def result(small_transfer):
    return small_transfer.paint()


def lines(axes):
    """What the legend says -> (x, y)."""
    return {line.get_label(): line.get_xydata().T.tolist() for line in axes.get_lines()}


def test_losses_of_one_run(result):
    (axes,) = plot.losses(result).axes
    drawn, losses = lines(axes), result.losses
    assert drawn["total"] == [[0, 1, 2, 3, 4, 5], losses.total.tolist()]
    assert drawn["style"][1] == (losses.style * losses.style_weight).tolist()
    assert [x[0] for name, (x, _) in drawn.items() if name.startswith("_")] == [2.5]  # the size grows there
    assert axes.get_yscale() == "log"


def test_losses_of_several_runs(result):
    (axes,) = plot.losses(result, result.losses[:3], labels=["whole", "half"]).axes
    assert lines(axes)["whole"] == [[0, 1, 2, 3, 4, 5], result.losses.total.tolist()]
    assert lines(axes)["half"] == [[0, 1, 2], result.losses.total[:3].tolist()]
    assert [text.get_text() for text in plot.losses(result, result).axes[0].get_legend().texts] == [
        "run 1",
        "run 2",
    ]


def test_a_result_is_drawn_beside_its_losses(result):
    figure = result.plot()
    picture, losses = figure.axes
    np.testing.assert_allclose(picture.images[0].get_array(), result.picture.rgb)
    assert "total" in lines(losses)


def test_the_difference_of_two_pictures():
    first = np.full((4, 6, 3), 0.5)
    second = first.copy()
    second[1, 2] += (0.2, 0.0, 0.1)
    figure = plot.compare(first, SimpleNamespace(picture=Picture(second.astype(np.float32))))
    drawn = figure.axes[2].images[0].get_array()
    np.testing.assert_allclose(drawn[1, 2], (1.0, 0.0, 0.5), atol=1e-6)
    assert np.count_nonzero(np.abs(drawn) > 1e-6) == 2
    assert [axes.get_title() for axes in figure.axes] == ["first", "second", "difference, at most 51 of 255"]
    assert "at most 0 of 255" in plot.compare(first, first).axes[2].get_title()
    with pytest.raises(SettingsError, match="pictures of 6x4 and 4x6 pixels: give two of one size"):
        plot.compare(first, first.swapaxes(0, 1))


def test_a_sheet(result, pictures):
    record = SimpleNamespace(picture=lambda: result.picture)
    named = {"result": result, "record": record, "path": pictures.content, "array": result.image}
    figure = plot.sheet(named, columns=3)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["result", "record", "path", "array", "", ""]
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 1, 1, 0, 0]
    assert [axes.get_title() for axes in plot.sheet([result, result]).axes] == ["", ""]


def test_large_pictures_are_drawn_small_and_transparent_ones_as_such():
    large = np.zeros((100, 2000, 4), np.uint8)
    (axes,) = plot.sheet([large]).axes
    assert axes.images[0].get_array().shape == (32, 640, 4)


def test_a_figure_shows_itself_and_is_saved(result, tmp_path):
    figure = plot.losses(result)
    shown = Image.open(io.BytesIO(figure._repr_png_()))
    assert shown.size == (512, 320)
    figure.savefig(tmp_path / "losses.pdf")
    assert (tmp_path / "losses.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("call", "cause"),
    [
        (lambda r: plot.losses(), "no run"),
        (lambda r: plot.losses(r, r, labels=["one"]), "1 labels for 2 run"),
        (lambda r: plot.sheet([]), "no picture"),
        (lambda r: plot.sheet([r, r], ["one"]), "1 labels for 2 picture"),
        (lambda r: plot.sheet([r], columns=0), "one column or more"),
    ],
)
def test_what_is_refused(call, cause, result):
    with pytest.raises(SettingsError, match=cause):
        call(result)


LOADED = """
import json, sys
import nst, nst.transfer, nst.result, nst.transfer
before = "matplotlib" in sys.modules
nst.plot.sheet
print(json.dumps([before, "matplotlib" in sys.modules, "matplotlib.pyplot" in sys.modules]))
"""

WITHOUT = """
import sys
sys.modules["matplotlib"] = None  # as if it were not installed
import nst
from nst import *
try:
    nst.plot
except nst.NSTError as error:
    print(error)
"""


@pytest.mark.slow
def test_matplotlib_is_loaded_when_it_is_used(python):
    assert json.loads(python("-c", LOADED).stdout) == [False, True, False]
    assert python("-c", WITHOUT).stdout == "figures need matplotlib: pip install 'nst[notebook]'\n"
