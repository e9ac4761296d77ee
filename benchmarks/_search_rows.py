"""The rows of embedded_search.py: name -> (recipe, settings of the style transfer)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nst.models import vgg

__all__ = ["CURVE", "ROWS", "SMALL"]

Row = tuple[Mapping[str, Any] | str, Mapping[str, Any]]

SMALL: Mapping[str, Any] = {
    "pictures": 102,
    "picture_size": 96,
    "patches": 20_000,
    "rotation": "random",
    "threshold": -0.3,
    "floor": 0.01,
}
"""What the recipes share unless they say otherwise: a small build of the recipe packaged before the search."""

COARSE = (
    *("coloured noise", "warped stripes", "radial waves", "dead leaves", "textured leaves", "Voronoi cells"),
    *("strokes", "pattern network", "shaded heights", "gradients"),
)
MARKS = ("strokes", "flow lines", "textured leaves", "dots", "hatching", "dead leaves")
PAPER = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
TWO = (*PAPER, "conv1_2", "conv2_2", "conv3_2", "conv4_2")


def _layers(*weights: float) -> dict[str, float]:
    return dict(zip(PAPER, weights, strict=True))


def _floors(first: float, others: float) -> tuple[float, ...]:
    return (first, *(others,) * 4)


HYBRID = ("sparse", "sparse", "random", "random", "random")
THREE = ("sparse", "sparse", "sparse", "random", "random")

CURVE = ("balance 10", "balance 30", "balance 100", "balance 300")
"""The reference: half width, pairs, threshold -0.3, floor 0.01, all families."""

ROWS: Mapping[str, Row] = {
    "balance 100": ({}, {}),
    "balance 10": ({}, {"balance": 10.0}),
    "balance 30": ({}, {"balance": 30.0}),
    "balance 300": ({}, {"balance": 300.0}),
    "layers deep up": ({}, {"style_layers": _layers(0.05, 0.1, 0.2, 0.3, 0.35)}),
    "layers two a block": ({}, {"style_layers": TWO}),
    "layers all": ({}, {"style_layers": vgg.LAYER_NAMES[:13]}),
    "seed 1": ({"seed": 1}, {}),
    "rotation none": ({"rotation": "none"}, {}),
    "rotation sparse": ({"rotation": "sparse"}, {}),
    "sparse, two layers a block": ({"rotation": "sparse"}, {"style_layers": TWO}),
    "sparse, threshold -0.1": ({"rotation": "sparse", "threshold": -0.1}, {}),
    "sparse, threshold -0.6": ({"rotation": "sparse", "threshold": -0.6}, {}),
    "sparse in blocks 1 and 2": ({"rotation": HYBRID}, {}),
    "hybrid, seed 1": ({"rotation": HYBRID, "seed": 1}, {}),
    "hybrid, balance 30": ({"rotation": HYBRID}, {"balance": 30.0}),
    "hybrid, balance 300": ({"rotation": HYBRID}, {"balance": 300.0}),
    "hybrid, floor 0.03": ({"rotation": HYBRID, "floor": 0.03}, {}),
    "hybrid, floor 0.03, seed 1": ({"rotation": HYBRID, "floor": 0.03, "seed": 1}, {}),
    "hybrid, floor 0.1": ({"rotation": HYBRID, "floor": 0.1}, {}),
    "hybrid, floor 0.3": ({"rotation": HYBRID, "floor": 0.3}, {}),
    "hybrid, floors 0.003, 0.01": ({"rotation": HYBRID, "floor": _floors(0.003, 0.01)}, {}),
    "hybrid, floors 0.003, 0.03": ({"rotation": HYBRID, "floor": _floors(0.003, 0.03)}, {}),
    "hybrid, floors 0.003, 0.03, seed 1": (
        {"rotation": HYBRID, "floor": _floors(0.003, 0.03), "seed": 1},
        {},
    ),
    "hybrid, floors 0.003, 0.1": ({"rotation": HYBRID, "floor": _floors(0.003, 0.1)}, {}),
    "hybrid, floors 0.003, 0.1, seed 1": ({"rotation": HYBRID, "floor": _floors(0.003, 0.1), "seed": 1}, {}),
    "hybrid, floors 0.003, 0.3": ({"rotation": HYBRID, "floor": _floors(0.003, 0.3)}, {}),
    "hybrid, floors 0.001, 0.03": ({"rotation": HYBRID, "floor": _floors(0.001, 0.03)}, {}),
    "split, sparse in blocks 1 to 3": ({"rotation": THREE, "floor": _floors(0.003, 0.03)}, {}),
    "split, threshold -0.2": ({"rotation": HYBRID, "floor": _floors(0.003, 0.03), "threshold": -0.2}, {}),
    "split, threshold -0.45": ({"rotation": HYBRID, "floor": _floors(0.003, 0.03), "threshold": -0.45}, {}),
    "split, balance 30": ({"rotation": HYBRID, "floor": _floors(0.003, 0.03)}, {"balance": 30.0}),
    "split, balance 300": ({"rotation": HYBRID, "floor": _floors(0.003, 0.03)}, {"balance": 300.0}),
    "hybrid, power-law noise": ({"rotation": HYBRID, "families": ("coloured noise",)}, {}),
    "split, power-law noise": (
        {"rotation": HYBRID, "floor": _floors(0.003, 0.03), "families": ("coloured noise",)},
        {},
    ),
    "seed 2": ({"seed": 2}, {}),
    "floor 0.03": ({"floor": 0.03}, {}),
    "width 0.25": ({"width": 0.25}, {}),
    "width front 0.75": ({"width": (0.75, 0.75, 0.5, 0.5, 0.5)}, {}),
    "single components": ({"pairs": False}, {}),
    "pictures of marks": ({"families": MARKS}, {}),
    "pictures of power-law noise": ({"families": ("coloured noise",)}, {}),
    "pictures without fine families": ({"families": COARSE}, {}),
    "patches without border": ({"border": False}, {}),
    "content conv3_4": ({}, {"content_layers": "conv3_4"}),
    "pooling max": ({}, {"pooling": "max"}),
    "steps 120": ({}, {"steps": 120}),
}
