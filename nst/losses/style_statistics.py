"""Style losses: the Gram matrix and others, each an energy of the same few additive sums.

The sums over positions, all per position by the time they come here ("means"):

- first: F_i, (N, N_l, 1, 1), the mean mu of each channel;
- squares: F_i^2, (N, N_l, 1, 1);
- second: F_i F_j, (N, N_l, N_l), the Gram matrix over M_l.

Several styles are blended by mixing their *means* and deriving variances and covariances from the mixture, as
crowsonkb/style-transfer-pytorch does: the target is then the statistics of a collage of the styles. (For the
Gram loss that has the same gradient as mixing the losses.) Each loss is told what its target is by numpy arrays
worked out once in float64, and compares on the device.

`unit` is the loss of a picture without features, which relative losses are multiples of: all means are 0, or 1 where
features are smoothed (E = exp(0)), and nothing varies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from nst.losses.wasserstein import wasserstein_energy, wasserstein_targets
from nst.protocol import Ops

T = TypeVar("T")
Array: TypeAlias = NDArray[np.float64]

RIDGE = 1e-5
"""Added to variances, in units of the style's mean square: rounding of a float32 variance stays below it, and the
derivative of the square root stays finite in a channel that is constant."""

FLAT = 0.01  # A covariance below this part of the Gram matrix counts as that of a flat style


class StyleLoss(Protocol):
    """E_l of one layer."""

    @property
    def sums(self) -> tuple[str, ...]:
        """The means that it reads: "first", "squares", "second"."""

    def targets(self, means: Mapping[str, Array]) -> dict[str, Array]:
        """Constants from the means of the style."""

    def energy(self, ops: Ops[T], means: Mapping[str, T], targets: Mapping[str, T], channels: int) -> T:
        """E_l, a scalar, summed over the batch."""

    def featureless_loss(self, ops: Ops[T], targets: Mapping[str, T], channels: int, smoothed: bool) -> T:
        """E_l of a picture without features."""


@dataclass(frozen=True)
class Gram:
    """Gatys, Ecker, Bethge 2016, eq. 4; see `gram_energy`."""

    sums: tuple[str, ...] = ("second",)

    def targets(self, means: Mapping[str, Array]) -> dict[str, Array]:
        """A / M_l."""
        return {"second": means["second"]}

    def energy(self, ops: Ops[T], means: Mapping[str, T], targets: Mapping[str, T], channels: int) -> T:
        """See `StyleLoss`."""
        return gram_energy(ops, means["second"], targets["second"], channels)

    def featureless_loss(self, ops: Ops[T], targets: Mapping[str, T], channels: int, smoothed: bool) -> T:
        """See `StyleLoss`."""
        return gram_energy(ops, _flat(ops, targets["second"], smoothed), targets["second"], channels)


@dataclass(frozen=True)
class Moments:
    """1 / N_l sum_i (mu_i - mu_i(a))^2 + (sigma_i - sigma_i(a))^2.

    Mean and standard deviation of each channel: Li, Wang, Liu, Hou, *Demystifying Neural Style Transfer*, IJCAI
    2017, eq. 11 ("BN statistics matching"); the same statistics as Huang and Belongie, ICCV 2017.
    """

    sums: tuple[str, ...] = ("first", "squares")

    def targets(self, means: Mapping[str, Array]) -> dict[str, Array]:
        """Mean, standard deviation and the ridge under every root."""
        variance = np.maximum(means["squares"] - means["first"] ** 2, 0)
        ridge = np.full_like(variance, max(RIDGE * means["squares"].mean(), 1e-12))
        return {"mean": means["first"], "deviation": np.sqrt(variance + ridge), "ridge": ridge}

    def energy(self, ops: Ops[T], means: Mapping[str, T], targets: Mapping[str, T], channels: int) -> T:
        """See `StyleLoss`."""
        variance = ops.relu(ops.sub(means["squares"], ops.square(means["first"])))
        return self._distance(ops, means["first"], variance, targets, channels)

    def featureless_loss(self, ops: Ops[T], targets: Mapping[str, T], channels: int, smoothed: bool) -> T:
        """See `StyleLoss`."""
        mean, zero = (_flat(ops, targets["mean"], ones) for ones in (smoothed, False))
        return self._distance(ops, mean, zero, targets, channels)

    def _distance(self, ops: Ops[T], mean: T, variance: T, targets: Mapping[str, T], channels: int) -> T:
        deviation = ops.sqrt(ops.add(variance, targets["ridge"]))
        parts = (ops.sub(mean, targets["mean"]), ops.sub(deviation, targets["deviation"]))
        first, second = (ops.sum(ops.square(part)) for part in parts)
        return ops.scale(ops.add(first, second), 1.0 / channels)


@dataclass(frozen=True)
class Covariance:
    """1 / (4 N_l^2) sum_ij (Sigma_ij - Sigma_ij(a))^2 with Sigma = G / M_l - mu mu^T: the Gram loss without the mean.

    Sun and Saenko, *Deep CORAL*, 2016, eq. 1, on the positions of a picture: brightness and flat colour are left
    to the content.
    """

    sums: tuple[str, ...] = ("first", "second")

    def targets(self, means: Mapping[str, Array]) -> dict[str, Array]:
        """Sigma, and the least unit of a relative weight: a style of one flat colour has no Sigma to be relative to."""
        floor = FLAT**2 * np.square(means["second"]).sum(axis=(1, 2), keepdims=True)
        return {"covariance": covariance(means), "floor": floor}

    def energy(self, ops: Ops[T], means: Mapping[str, T], targets: Mapping[str, T], channels: int) -> T:
        """See `StyleLoss`."""
        return gram_energy(ops, _covariance(ops, means), targets["covariance"], channels)

    def featureless_loss(self, ops: Ops[T], targets: Mapping[str, T], channels: int, smoothed: bool) -> T:
        """See `StyleLoss`."""
        own = gram_energy(ops, _flat(ops, targets["covariance"], False), targets["covariance"], channels)
        return ops.add(own, ops.scale(ops.sum(targets["floor"]), 1.0 / (4.0 * channels**2)))


@dataclass(frozen=True)
class Wasserstein:
    """Squared Wasserstein-2 distance of the Gaussians with these means and covariances: `nst.losses.wasserstein`."""

    sums: tuple[str, ...] = ("first", "second")

    def targets(self, means: Mapping[str, Array]) -> dict[str, Array]:
        """Mean, covariance and what is made of it."""
        return wasserstein_targets(means["first"], covariance(means))

    def energy(self, ops: Ops[T], means: Mapping[str, T], targets: Mapping[str, T], channels: int) -> T:
        """See `StyleLoss`."""
        return wasserstein_energy(ops, means["first"], _covariance(ops, means), targets, channels)

    def featureless_loss(self, ops: Ops[T], targets: Mapping[str, T], channels: int, smoothed: bool) -> T:
        """See `StyleLoss`."""
        mean, zero = _flat(ops, targets["mean"], smoothed), _flat(ops, targets["covariance"], False)
        return wasserstein_energy(ops, mean, zero, targets, channels)


STYLE_LOSSES: Mapping[str, StyleLoss] = {
    "gram": Gram(),
    "moments": Moments(),
    "covariance": Covariance(),
    "w2": Wasserstein(),
}
"""By the word in the settings."""


def covariance(means: Mapping[str, Array]) -> Array:
    """Sigma = G / M_l - mu mu^T, (N, N_l, N_l), on the host."""
    mu = means["first"][:, :, 0, 0]
    return means["second"] - mu[:, :, None] * mu[:, None, :]


def _covariance(ops: Ops[T], means: Mapping[str, T]) -> T:
    return ops.sub(means["second"], ops.gram(means["first"]))


def _flat(ops: Ops[T], like: T, ones: bool) -> T:
    """1 or 0 everywhere."""
    zero = ops.scale(like, 0.0)
    return ops.exp(zero) if ones else zero


def gram_energy(ops: Ops[T], gram: T, target: T, channels: int) -> T:
    """E_l = 1 / (4 N_l^2) sum_ij (G_ij / M_l(x) - A_ij / M_l(a))^2; Gatys et al. 2016, eq. 4. Summed over the batch.

    The paper writes 1 / (4 N_l^2 M_l^2) sum_ij (G_ij - A_ij)^2, which is the same when the pictures
    have the same size. Comparing per position extends it to style pictures of any size: `gram` is G / M_l(x)
    (eq. 3), `target` A / M_l(a), both (N, N_l, N_l).
    """
    return ops.scale(ops.sum(ops.square(ops.sub(gram, target))), 1.0 / (4.0 * channels**2))
