"""The squared Wasserstein-2 distance of two Gaussians, differentiable in primitives.

    W^2 = |mu - mu_s|^2 + tr(S + S_s - 2 (S_s^1/2 S S_s^1/2)^1/2)

Dowson and Landau 1982; as a style loss: Marron, *Style Transfer as Optimal Transport*, 2017, and
crowsonkb/style-transfer-pytorch. Divided by N_l, the number of channels, as crowsonkb does.

The constant root S_s^1/2 comes from an eigendecomposition on the host in float64. The other root depends on the
picture; it is found by the coupled Newton-Schulz iteration (Higham, *Functions of Matrices*, 2008, eq. 6.35), which
is made of matrix products alone and so can be differentiated by every backend.

A ridge of `RIDGE` times the largest eigenvalue of S_s is added to both covariances. It is needed: a covariance of
N_l channels over fewer than N_l positions (conv5_1 of a picture below 360 pixels) has eigenvalues 0, where the
derivative of the root is infinite. It does not move the minimum: with a ridge on both sides the distance is 0 when
S = S_s and nowhere else. 1e-3 is what float32 carries: the product under the root then has a condition of about 1e6,
the iteration converges in 20 rounds, and the gradient is right to 3e-3 or better (measured on layers of the embedded
and of a random VGG19; a ridge of 1e-4 gives 1e-1). Twelve rounds, which are customary, leave 2 % to 100 % of it wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from nst.protocol import Ops

T = TypeVar("T")
Array: TypeAlias = NDArray[np.float64]

RIDGE = 1e-3
ROUNDS = 20


def wasserstein_targets(mean: Array, covariance: Array) -> dict[str, Array]:
    """Constants of a style with mean mu_s, (N, N_l, 1, 1), and covariance S_s, (N, N_l, N_l).

    `mean`; `covariance` with its ridge; `unit`, lambda I, the scale of the layer, with lambda the largest
    eigenvalue of S_s; `identity`; `factor`, the root of `covariance` over lambda. All (N, N_l, N_l) but the mean.
    """
    values, vectors = np.linalg.eigh(covariance)
    # a layer that nothing excites has no scale of its own
    floor = 1e-6 * np.max(mean**2, axis=(1, 2, 3)) + 1e-12
    largest = np.maximum(values[:, -1], floor)[:, None]
    values = np.maximum(values, 0) + RIDGE * largest
    identity = np.broadcast_to(np.eye(covariance.shape[1]), covariance.shape)
    transposed = vectors.transpose(0, 2, 1)
    return {
        "mean": mean,
        "covariance": (vectors * values[:, None]) @ transposed,
        "factor": (vectors * (np.sqrt(values) / largest)[:, None]) @ transposed,
        "unit": largest[:, :, None] * identity,
        "identity": identity.copy(),
    }


def wasserstein_energy(ops: Ops[T], mean: T, covariance: T, targets: Mapping[str, T], channels: int) -> T:
    """W^2 / N_l of mu (N, N_l, 1, 1) and S (N, N_l, N_l) to the targets of a style, summed over the batch."""
    shift = ops.sum(ops.square(ops.sub(mean, targets["mean"])))
    ridged = ops.add(covariance, ops.scale(targets["unit"], RIDGE))
    # in units of lambda, so that no power of the activations leaves the range of float32
    product = ops.matmul(ops.matmul(targets["factor"], ridged), targets["factor"])
    cross = ops.multiply(square_root(ops, product, targets["identity"]), targets["unit"])
    # element by element before the sum: near the target these cancel
    own = ops.multiply(ops.add(ridged, targets["covariance"]), targets["identity"])
    spread = ops.sum(ops.sub(own, ops.scale(cross, 2.0)))
    return ops.scale(ops.add(shift, spread), 1.0 / channels)


def square_root(ops: Ops[T], a: T, identity: T) -> T:
    """The square root of symmetric positive matrices (N, I, I), by `ROUNDS` rounds of Newton-Schulz.

    Y -> a^1/2 and Z -> a^-1/2, with a scaled to Frobenius norm 1. Each round multiplies small eigenvalues of Y by 1.5
    until they come near 1: 20 rounds serve a condition of 1e6.
    """
    norm_squared = ops.sum(ops.square(a))
    norm = ops.sqrt(norm_squared)
    y = ops.scale_by(a, ops.divide(norm, norm_squared))
    thrice = ops.scale(identity, 1.5)
    step = ops.sub(thrice, ops.scale(y, 0.5))
    y, z = ops.matmul(y, step), step
    for _ in range(ROUNDS - 2):
        step = ops.sub(thrice, ops.scale(ops.matmul(z, y), 0.5))
        y, z = ops.matmul(y, step), ops.matmul(step, z)
    step = ops.sub(thrice, ops.scale(ops.matmul(z, y), 0.5))
    return ops.scale_by(ops.matmul(y, step), ops.sqrt(norm))
