"""The paper's experiments, as data: what is fixed, what changes from row to row and from column to column.

Settings are written as on the command line of `nst stylize`. "Fig." is a figure of Gatys, Ecker and Bethge, CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

STYLE = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
BLEND = 5  # pictures along a side of the simplex


@dataclass(frozen=True)
class SweepValue:
    """One row or column: its label and the settings that it brings."""

    label: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Experiment:
    """A table of runs."""

    summary: str  # one line for people
    rows: Sequence[SweepValue] = ()  # from top to bottom; none for one row without a label
    columns: Sequence[SweepValue] = ()  # from left to right; none for one column without a label
    fixed: Mapping[str, Any] = field(default_factory=dict)  # settings of every run
    styles: int = 1  # how many style pictures there are if none is given
    most: int | None = None  # how many style pictures it takes
    blend: bool = False  # the runs go through the blends of the style pictures instead; see `simplex`
    judges: Sequence[str] = ()  # networks that measure every result, besides the one that made it


def simplex(count: int, side: int = BLEND) -> list[tuple[int, float, tuple[float, ...]]]:
    """(row, column, weights) of blends of 2, 3 or 4 style pictures.

    Two lie on a line, three at the corners of a triangle, four at the corners of a square (bilinear weights).
    Columns may be halves. The weights are of sum 1. `side` is how many lie along an edge.
    """
    last = side - 1
    if count == 2:
        return [(0, column, (1 - column / last, column / last)) for column in range(side)]
    if count == 3:
        return [
            (row, (last - row) / 2 + step, ((last - row) / last, (row - step) / last, step / last))
            for row in range(side)
            for step in range(row + 1)
        ]
    shares = [step / last for step in range(side)]
    return [
        (row, column, ((1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x))
        for row, y in enumerate(shares)
        for column, x in enumerate(shares)
    ]


def _values(key: str, *settings: Any) -> list[SweepValue]:
    return [SweepValue(str(value), {key: value}) for value in settings]


CUMULATIVE = [
    SweepValue(f"conv1_1 .. {layer}" if number else layer, {"style_layers": ",".join(STYLE[: number + 1])})
    for number, layer in enumerate(STYLE)
]
TEXTURE = {"content_weight": 0.0, "init": "noise"}
INVERSION = {"style_weight": 0.0, "init": "noise"}
NETWORKS = [
    SweepValue("random", {"weights": "random"}),
    SweepValue("VGG19", {"weights": "embedded"}),
]
"""A network that would have to be downloaded takes part if it is in the cache."""

EXPERIMENTS: Mapping[str, Experiment] = {
    "reconstructions": Experiment(
        "Fig. 1: the content picture from one layer, the style from the layers up to one",
        [SweepValue("content", {"style_weight": 0.0}), SweepValue("style", {"content_weight": 0.0})],
        [
            SweepValue(
                f"{layer}; {CUMULATIVE[number].label}",
                {
                    "content_layers": layer,
                    "style_layers": CUMULATIVE[number].settings["style_layers"],
                },
            )
            # the paper has conv5_2; the embedded network ends at conv5_1
            for number, layer in enumerate(("conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_1"))
        ],
        {"init": "noise", "scales": 1},
    ),
    "alpha-beta": Experiment(
        "Fig. 4: less and less style against the content, from left to right, and style layers up to one",
        CUMULATIVE,
        _values("balance", 3000.0, 300.0, 30.0, 3.0),
    ),
    "content-layer": Experiment(
        "Fig. 5: content from conv2_2 or from conv4_2",
        columns=_values("content_layers", "conv2_2", "conv4_2"),
    ),
    "start": Experiment(
        "Fig. 6: started from the content, from the style, from four noises",
        columns=[
            SweepValue("content", {"init": "content"}),
            SweepValue("style", {"init": "style"}),
            *(SweepValue(f"noise, seed {seed}", {"init": "noise", "seed": seed}) for seed in range(4)),
        ],
        fixed={"scales": 1},
    ),
    "networks": Experiment(
        "random against trained: content, texture by each loss, transfer",
        NETWORKS,
        [
            SweepValue("content of conv2_2", {**INVERSION, "content_layers": "conv2_2"}),
            SweepValue("content of conv4_2", INVERSION),
            SweepValue("texture, Gram", TEXTURE),
            SweepValue("texture, moments", {**TEXTURE, "style_loss": "moments"}),
            SweepValue("texture, w2", {**TEXTURE, "style_loss": "w2"}),
            SweepValue("transfer", {"style_strength": 0.8}),  # which means the same for every network
        ],
        judges=("random", "embedded"),
    ),
    "pooling": Experiment(
        "average against maximum pooling",
        [SweepValue("transfer", {}), SweepValue("texture", TEXTURE)],
        _values("pooling", "avg", "max"),
    ),
    "style-layers": Experiment(
        "style layers conv1_1, conv1_1 to conv2_1, and so on to conv5_1",
        [SweepValue("transfer", {}), SweepValue("texture", TEXTURE)],
        CUMULATIVE,
    ),
    "simplex": Experiment(
        "blends of two (a line), three (a triangle) or four styles (a square)", styles=3, most=4, blend=True
    ),
    "grid": Experiment("nothing but what --grid says: first the columns, then the rows"),
}
"""Name -> experiment, in the order of `nst experiment list`."""
