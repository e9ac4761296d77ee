"""Losses that are wrong in one thing each: every one is failed by the oracle that the right one passes.

Both sides of a conformance case run the same losses, so what is wrong with a loss itself must be caught here.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from nst.backends.numpy.backend import NumpyBackend
from nst.losses import wasserstein
from nst.losses.style import StyleTerm
from nst.losses.style_statistics import STYLE_LOSSES, Covariance, Moments, Wasserstein, gram_energy
from nst.losses.term import Totals

BACKEND, LAYER = NumpyBackend(), "conv1_1"


class MaskWithoutRoot(StyleTerm):
    """The features are multiplied by the mask itself, which squares it."""

    def statistics(self, ops, x, features, constants):
        name = f"{self.name}/{LAYER}/root"
        return super().statistics(ops, x, features, {**constants, name: ops.square(constants[name])})


class MaskOverAllPositions(StyleTerm):
    """M in place of sum_k m_k."""

    def means(self, ops, totals):
        factor = self.region[LAYER] / totals.positions[LAYER]
        means = super().means(ops, totals)[LAYER]
        return {LAYER: {kind: ops.scale(mean, factor) for kind, mean in means.items()}}


class FirstMomentsMaskedTwice(StyleTerm):
    def statistics(self, ops, x, features, constants):
        result = super().statistics(ops, x, features, constants)
        half = ops.modulate(features[LAYER], constants[f"{self.name}/{LAYER}/root"])
        return {**result, f"{self.name}/{LAYER}/first": ops.channel_sum(half)}


@dataclass(frozen=True)
class CovarianceWithMean(Covariance):
    def energy(self, ops, means, targets, channels):
        return gram_energy(ops, means["second"], targets["covariance"], channels)


@dataclass(frozen=True)
class MomentsWithVariance(Moments):
    """sigma^2 instead of sigma."""

    def energy(self, ops, means, targets, channels):
        variance = ops.sub(means["squares"], ops.square(means["first"]))
        parts = (
            ops.sub(means["first"], targets["mean"]),
            ops.sub(variance, ops.square(targets["deviation"])),
        )
        return ops.scale(ops.add(*(ops.sum(ops.square(part)) for part in parts)), 1 / channels)


@dataclass(frozen=True)
class WassersteinWithoutCrossTerm(Wasserstein):
    def energy(self, ops, means, targets, channels):
        return super().energy(ops, means, {**targets, "factor": ops.scale(targets["factor"], 1e-9)}, channels)


@dataclass(frozen=True)
class WassersteinWithoutMean(Wasserstein):
    def energy(self, ops, means, targets, channels):
        means = {**means, "second": ops.sub(means["second"], ops.gram(means["first"]))}
        return super().energy(ops, {**means, "first": ops.scale(means["first"], 0.0)}, targets, channels)


@dataclass(frozen=True)
class WassersteinOfUncenteredMoments(Wasserstein):
    def energy(self, ops, means, targets, channels):
        return wasserstein.wasserstein_energy(ops, means["first"], means["second"], targets, channels)


def oracle(loss, f, m, a):
    """The loss by its definition, from weighted means over positions."""
    channels = f.shape[1]

    def of(values, weights):
        flat, w = values.reshape(channels, -1), weights.ravel() / weights.sum()
        mu = flat @ w
        centred = flat - mu[:, None]
        return mu, (centred * w) @ centred.T, (flat * w) @ flat.T

    (mu, S, G), (mu_a, S_a, A) = of(f, m), of(a, np.ones(a.shape[2:]))
    if loss == "gram":
        return np.sum((G - A) ** 2) / (4 * channels**2)
    if loss == "covariance":
        return np.sum((S - S_a) ** 2) / (4 * channels**2)
    if loss == "moments":
        ridge = 1e-5 * np.mean(a**2)
        sigma, sigma_a = (np.sqrt(np.diag(matrix) + ridge) for matrix in (S, S_a))
        return (np.sum((mu - mu_a) ** 2) + np.sum((sigma - sigma_a) ** 2)) / channels
    ridge = 1e-3 * np.linalg.eigvalsh(S_a)[-1] * np.eye(channels)
    S, S_a = S + ridge, S_a + ridge
    # tr (S_a^1/2 S S_a^1/2)^1/2 is the sum of the roots of the eigenvalues of S S_a
    cross = np.sum(np.sqrt(np.linalg.eigvals(S @ S_a).real))
    return (np.sum((mu - mu_a) ** 2) + np.trace(S + S_a) - 2 * cross) / channels


def value(term_class, loss, f, m, a):
    """The loss as the engine computes it."""
    flat = a.reshape(a.shape[1], -1)
    means = {"first": flat.mean(1), "squares": (flat**2).mean(1)}
    means = {kind: mean.reshape(1, -1, 1, 1) for kind, mean in means.items()} | {
        "second": (flat @ flat.T / flat.shape[1])[None]
    }
    term = term_class({LAYER: 1.0}, {LAYER: f.shape[1]}, loss=loss, region={LAYER: float(m.sum())})
    constants = {f"style/{LAYER}/{name}": array for name, array in loss.targets(means).items()}
    constants[f"style/{LAYER}/root"] = np.sqrt(m)

    def function(ops, x, c):
        statistics = term.statistics(ops, x, {LAYER: x}, c)
        return {"y": term.energy(ops, Totals(statistics, c, {LAYER: f.shape[2] * f.shape[3]}))}

    return float(BACKEND.evaluate(function, f, constants)["y"])


MUTANTS = [
    *((mutant, loss, None) for mutant in (MaskWithoutRoot, MaskOverAllPositions) for loss in STYLE_LOSSES),
    *((FirstMomentsMaskedTwice, loss, None) for loss in ("moments", "covariance", "w2")),
    (StyleTerm, "covariance", CovarianceWithMean()),
    (StyleTerm, "moments", MomentsWithVariance()),
    (StyleTerm, "w2", WassersteinWithoutCrossTerm()),
    (StyleTerm, "w2", WassersteinWithoutMean()),
    (StyleTerm, "w2", WassersteinOfUncenteredMoments()),
]


@pytest.mark.parametrize(
    ("term", "loss", "mutant"),
    MUTANTS,
    ids=[f"{term.__name__ if m is None else type(m).__name__}-{loss}" for term, loss, m in MUTANTS],
)
def test_a_wrong_loss_is_caught(term, loss, mutant):
    rng = np.random.default_rng(1)
    f, m, a = rng.random((1, 4, 5, 6)), rng.random((1, 1, 5, 6)), rng.random((1, 4, 7, 3))
    want = oracle(loss, f, m, a)
    assert value(StyleTerm, STYLE_LOSSES[loss], f, m, a) == pytest.approx(want, rel=1e-9)
    assert value(term, mutant or STYLE_LOSSES[loss], f, m, a) != pytest.approx(want, rel=1e-3)


@pytest.mark.parametrize("rounds", [4, 12])
def test_too_few_rounds_are_caught(monkeypatch, rounds):
    rng = np.random.default_rng(2)
    f, a = rng.random((2, 1, 12, 2, 3))
    m = np.ones((1, 1, 2, 3))
    want = oracle("w2", f, m, a)
    monkeypatch.setattr(wasserstein, "ROUNDS", rounds)
    assert value(StyleTerm, STYLE_LOSSES["w2"], f, m, a) != pytest.approx(want, rel=1e-3)
