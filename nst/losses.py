"""The losses of Gatys, Ecker, Bethge (CVPR 2016) as energies of additive statistics.

A *statistic* is a small tensor that adds up over disjoint regions of a picture (a Gram matrix, a sum of
squares). An *energy* is a function of statistics alone. Splitting each loss this way makes an image
that does not fit in memory exact: add the statistics of the tiles, differentiate the energy once.

Symbols as in the paper: layer l has N_l feature maps of M_l positions; F, P, A belong to the generated,
content and style picture. All functions are pure and take the backend's primitives first. The style
losses beside the Gram matrix are in `nst.style_losses`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

from nst.protocol import Ops

__all__ = ["add_up", "content_loss", "gram_energy", "total_variation"]

T = TypeVar("T")


def gram_energy(ops: Ops[T], gram: T, target: T, channels: int) -> T:
    """E_l = 1 / (4 N_l^2) sum_ij (G_ij / M_l(x) - A_ij / M_l(a))^2; Gatys et al. 2016, eq. 4.

    The paper writes 1 / (4 N_l^2 M_l^2) sum_ij (G_ij - A_ij)^2, which is the same when the pictures
    have the same size. Comparing per position extends it to style pictures of any size.

    Args:
        ops: the backend's primitives.
        gram: G / M_l(x), (N, N_l, N_l), per position of the generated picture (eq. 3).
        target: A / M_l(a), (N, N_l, N_l), per position.
        channels: N_l.

    Returns:
        A scalar, summed over the batch.
    """
    return ops.scale(ops.sum(ops.square(ops.sub(gram, target))), 1.0 / (4.0 * channels**2))


def content_loss(ops: Ops[T], features: T, target: T) -> T:
    """L_content = 1/2 sum_ij (F_ij - P_ij)^2; Gatys et al. 2016, eq. 1. A sum over positions.

    Args:
        ops: the backend's primitives.
        features: F, (N, N_l, H_l, W_l).
        target: P, the same shape.

    Returns:
        A scalar, summed over the batch.
    """
    return ops.scale(ops.sum(ops.square(ops.sub(features, target))), 0.5)


def total_variation(ops: Ops[T], x: T, power: Literal[1, 2], masks: tuple[T, T] | None = None) -> T:
    """Sum over neighbours of |difference|^power, along the height and along the width.

    power 2 is Mahendran and Vedaldi 2015, eq. 6, with beta = 2: smooth, so that L-BFGS copes with it.
    power 1 is the anisotropic total variation of Rudin, Osher and Fatemi 1992.

    Args:
        ops: the backend's primitives.
        x: picture (N, 3, H, W) in sRGB [0, 1].
        power: 1 or 2.
        masks: 1 for the differences that count and 0 for the others, (1, 1, H - 1, W) and (1, 1, H, W - 1); None
            for all.

    Returns:
        A scalar, summed over channels and batch.
    """
    magnitude = ops.square if power == 2 else ops.abs
    along_height, along_width = ops.diff(x, "height"), ops.diff(x, "width")
    if masks is not None:
        along_height, along_width = ops.modulate(along_height, masks[0]), ops.modulate(along_width, masks[1])
    return ops.add(ops.sum(magnitude(along_height)), ops.sum(magnitude(along_width)))


def add_up(ops: Ops[T], values: Sequence[T]) -> T:
    """The sum of one or more tensors of one shape."""
    total = values[0]
    for value in values[1:]:
        total = ops.add(total, value)
    return total
