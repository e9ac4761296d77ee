"""The losses of Gatys, Ecker, Bethge (CVPR 2016) as energies of additive statistics, one file each.

A *statistic* is a small tensor that adds up over disjoint regions of a picture (a Gram matrix, a sum of
squares). An *energy* is a function of statistics alone. Splitting each loss this way makes an image
that does not fit in memory exact: add the statistics of the tiles, differentiate the energy once.

Symbols as in the paper: layer l has N_l feature maps of M_l positions; F, P, A belong to the generated,
content and style picture. The formulas are pure functions that take the backend's primitives first.
"""

from nst.losses.term import ExtraTerm, Term

__all__ = ["ExtraTerm", "Term"]
