"""Figures of runs and pictures with matplotlib, which is loaded with this module: `nst.plot.losses(result)`.

A figure shows itself in a notebook and is saved by its `savefig`. It does not belong to pyplot, so that nothing has to
be closed and threads do not meet.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.errors import NSTError, SettingsError
from nst.pictures.kinds import from_any
from nst.pictures.picture import Picture, fit_longest_side

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
except ImportError as error:
    raise NSTError("figures need matplotlib: pip install 'nst[notebook]'") from error

__all__ = ["Chart", "compare", "course", "losses", "sheet"]

SIDE, TITLE = 3.2, 0.3  # width of a picture in a sheet, and height of its label, in inches

SHOWN = 640  # pixels of a picture's longest side that are drawn


class Chart(Figure):
    """A figure that shows itself in a notebook whether or not pyplot is there."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=80)
        return buffer.getvalue()


def losses(*runs: Any, labels: Sequence[str] = ()) -> Chart:
    """The losses of one run by step: the total and each loss times its weight; of several: their totals.

    Args:
        runs: `Result`s, or their `losses`.
        labels: of several runs.

    Raises:
        SettingsError: no run, or not one label for each.

    Examples:
        >>> result = nst.StyleTransfer(content, style, steps=2).paint(progress=False)
        >>> losses(result).savefig("losses.png")
    """
    columns = [getattr(run, "losses", run) for run in runs]
    if not columns:
        raise SettingsError("no run: give at least one result")
    names = _labels(labels, len(columns), "run")
    figure = Chart(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    if len(columns) == 1:
        _draw_losses(axes, columns[0])
    else:
        for one, name in zip(columns, names, strict=True):
            axes.plot(one["step"], one["total"], label=name)
        _finish(axes, "total loss")
    return figure


def course(picture: Any, losses: Any) -> Chart:
    """What became of a run and its losses by step; `Result.plot` shows it.

    Args:
        picture: of any kind that `nst.stylize` takes.
        losses: a record array as `Result.losses`.

    Examples:
        >>> result = nst.StyleTransfer(content, style, steps=2).paint(progress=False)
        >>> course(result.picture, result.losses).savefig("course.png")
    """
    figure = Chart(figsize=(9.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_picture(left, _picture(picture))
    _draw_losses(right, losses)
    return figure


def compare(first: Any, second: Any, labels: Sequence[str] = ("first", "second")) -> Chart:
    """Two pictures of one size and where they differ; the largest difference is drawn white and told in steps of 255.

    Args:
        first: of any kind that `nst.stylize` takes, or a `Result`.
        second: the same.
        labels: of both.

    Raises:
        SettingsError: pictures of different sizes.

    Examples:
        >>> len(compare(content, style).axes)
        3
    """
    one, other = _picture(first), _picture(second)
    if one.size != other.size:
        sizes = ["{}x{}".format(*picture.size) for picture in (one, other)]
        raise SettingsError(f"pictures of {sizes[0]} and {sizes[1]} pixels: give two of one size")
    difference = np.abs(one.rgb - other.rgb)
    largest = float(difference.max())
    told = f"difference, at most {largest * 255:.3g} of 255"
    shown = Picture(difference / largest if largest else difference)
    return sheet([one, other, shown], [*_labels(labels, 2, "picture"), told], columns=3)


def sheet(pictures: Sequence[Any] | Mapping[str, Any], labels: Sequence[str] = (), columns: int = 4) -> Chart:
    """Pictures in rows, with a label above each.

    Args:
        pictures: of any kinds that `nst.stylize` takes, or `Result`s; a mapping has the labels as its keys.
        labels: one for each, or none.
        columns: in a row at most.

    Raises:
        SettingsError: no picture, or not one label for each.

    Examples:
        >>> sheet({"photograph": content, "painting": style}, columns=2).savefig("sheet.png")
    """
    if isinstance(pictures, Mapping):
        pictures, labels = list(pictures.values()), list(pictures)
    if not pictures or columns < 1:
        raise SettingsError("no picture: give at least one, and one column or more")
    names = _labels(labels, len(pictures), "picture")
    across = min(columns, len(pictures))
    down = math.ceil(len(pictures) / across)
    shown = [_picture(picture) for picture in pictures]
    tallest = max(picture.height / picture.width for picture in shown)
    figure = Chart(figsize=(SIDE * across, (SIDE * tallest + TITLE) * down), layout="constrained")
    places = figure.subplots(down, across, squeeze=False).ravel()
    for place in places[len(pictures) :]:
        place.axis("off")
    for place, picture, name in zip(places, shown, names, strict=False):
        _draw_picture(place, picture)
        place.set_title(name, fontsize=10)
    return figure


def _labels(labels: Sequence[str], count: int, what: str) -> list[str]:
    if len(labels) not in (0, count):
        raise SettingsError(f"{len(labels)} labels for {count} {what}(s): give one for each")
    return list(labels) or ["" if what == "picture" else f"{what} {number + 1}" for number in range(count)]


def _picture(given: Any) -> Picture:
    """Of any kind that `nst.stylize` takes, or of a `Result` or a record of a run."""
    own = getattr(given, "picture", given)
    return from_any(own() if callable(own) else own)[0]


def _draw_picture(axes: Axes, picture: Picture) -> None:
    small = picture.resized(*fit_longest_side(*picture.size, min(SHOWN, max(picture.size))))
    rgb: NDArray[np.float32] = small.rgb
    shown = rgb if small.alpha is None else np.dstack([rgb, small.alpha])
    axes.imshow(shown, interpolation="nearest" if max(picture.size) < SHOWN / 4 else "antialiased")
    axes.axis("off")


def _draw_losses(axes: Axes, columns: Any) -> None:
    axes.plot(columns["step"], columns["total"], "k", label="total")
    names = columns.dtype.names
    for name in (name for name in names if f"{name}_weight" in names):
        axes.plot(columns["step"], columns[name] * columns[f"{name}_weight"], label=name)
    for start in columns["step"][1:][np.diff(columns["scale"]) > 0]:
        axes.axvline(start - 0.5, color="0.8", linewidth=0.8)  # where the size grows
    _finish(axes, "loss times weight")


def _finish(axes: Axes, what: str) -> None:
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("step")
    axes.set_ylabel(what)
    axes.legend()
