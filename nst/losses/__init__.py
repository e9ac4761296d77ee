"""The losses of Gatys, Ecker, Bethge (CVPR 2016) as energies of additive statistics, one file each.

A *statistic* is a small tensor that adds up over disjoint regions of a picture (a Gram matrix, a sum of
squares). An *energy* is a function of statistics alone. Splitting each loss this way makes an image
that does not fit in memory exact: add the statistics of the tiles, differentiate the energy once.

The file of a loss holds all of it: the formula, the term, and the recipe that works out its targets and its weight.

Symbols as in the paper: layer l has N_l feature maps of M_l positions; F, P, A belong to the generated,
content and style picture. The formulas are pure functions that take the backend's primitives first.
"""

from nst.losses.content import Content
from nst.losses.style import Style
from nst.losses.temporal import Temporal
from nst.losses.term import LocalTerm, Loss, Prepared, Term, Totals
from nst.losses.total_variation import TotalVariation

__all__ = [
    "Content",
    "LocalTerm",
    "Loss",
    "Prepared",
    "Style",
    "Temporal",
    "Term",
    "TotalVariation",
    "Totals",
]
