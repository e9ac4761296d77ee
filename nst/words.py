"""The words among which a setting chooses, each list of them once: as a type, and as a tuple in the same order.

What they stand for are registries elsewhere (`nst.losses`, `nst.optim`, `nst.pictures.color`, ...), which tests hold to
exactly these words. They are here, so that a help page or a type checker knows them without numpy.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

__all__ = [
    "COLORS",
    "COLOR_TIMES",
    "MAX_PIXELS",
    "MEANS",
    "NETWORK_KINDS",
    "OPTIMIZERS",
    "PADDINGS",
    "PRECISIONS",
    "STARTS",
    "STYLE_LOSSES",
    "ColorMode",
    "ColorTime",
    "Mean",
    "NetworkKind",
    "OptimizerName",
    "Padding",
    "Precision",
    "StartName",
    "StyleLossName",
]

ColorMode: TypeAlias = Literal[
    "none", "luminance", "match-chol", "match-pca", "match-sym", "histogram", "lab", "yuv"
]
ColorTime: TypeAlias = Literal["before", "after"]
Mean: TypeAlias = Literal["content", "tv"]
NetworkKind: TypeAlias = Literal["caffe", "normalised", "torchvision", "other"]
OptimizerName: TypeAlias = Literal["lbfgs", "adam"]
Padding: TypeAlias = Literal["zero", "replicate", "circular"]
Precision: TypeAlias = Literal["auto", "fp32", "bf16", "fp16"]
StartName: TypeAlias = Literal["content", "noise", "style", "statistics"]
StyleLossName: TypeAlias = Literal["gram", "moments", "covariance", "w2"]

COLORS: tuple[ColorMode, ...] = get_args(ColorMode)
COLOR_TIMES: tuple[ColorTime, ...] = get_args(ColorTime)
MEANS: tuple[Mean, ...] = get_args(Mean)
NETWORK_KINDS: tuple[NetworkKind, ...] = get_args(NetworkKind)
OPTIMIZERS: tuple[OptimizerName, ...] = get_args(OptimizerName)
PADDINGS: tuple[Padding, ...] = get_args(Padding)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
STARTS: tuple[StartName, ...] = get_args(StartName)
STYLE_LOSSES: tuple[StyleLossName, ...] = get_args(StyleLossName)

MAX_PIXELS = 2**28
"""How many pixels of a picture file may be held unless told; the one number that settings and pictures share."""
