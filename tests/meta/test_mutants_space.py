"""Vector spaces that are wrong in one thing each: every one is failed by the case that is named for it."""

import numpy as np
import pytest

from nst.backends._numpy import NumpyBackend, NumpySpace

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # some overflow on purpose


class LincombInPlace(NumpySpace):
    def lincomb(self, coefficients, vectors):
        vectors[0][...] = super().lincomb(coefficients, vectors)
        return vectors[0]


class CoefficientsOfTheFirstSum(NumpySpace):
    def __init__(self):
        self.kept = {}

    def lincomb(self, coefficients, vectors):
        return super().lincomb(self.kept.setdefault(len(vectors), coefficients), vectors)


class DotsOfNeighbours(NumpySpace):
    def dots(self, pairs):
        return super().dots([(a, a) for a, _ in pairs])


class DotsInFloat16(NumpySpace):
    def dots(self, pairs):
        return super().dots(pairs).astype(np.float16).astype(np.float64)


class EpsilonUnderTheRoot(NumpySpace):
    def whiten(self, a, b, epsilon):
        return a / np.sqrt(b + epsilon)


class ClipLosesNaN(NumpySpace):
    def clip(self, a, low, high):
        return np.fmin(np.fmax(a, low), high)


class NoClip(NumpySpace):
    def clip(self, a, low, high):
        return a.copy()


SPACES = [
    (LincombInPlace, "space/inputs-are-unmodified"),
    (CoefficientsOfTheFirstSum, "space/lincomb-of-other-coefficients"),
    (DotsOfNeighbours, "space/dots"),
    (DotsInFloat16, "space/bilinear"),
    (EpsilonUnderTheRoot, "space/whiten"),
    (EpsilonUnderTheRoot, "optimizer/trajectory/deep/adam"),
    (ClipLosesNaN, "space/clip"),
    (NoClip, "space/clip"),
    (DotsInFloat16, "optimizer/trajectory/deep/lbfgs"),
]


@pytest.mark.parametrize(("space", "case_id"), SPACES, ids=[f"{m.__name__}-{c}" for m, c in SPACES])
def test_a_wrong_vector_space_is_caught(run, space, case_id):
    assert run(NumpyBackend(), case_id).status == "passed"
    result = run(type(space.__name__, (NumpyBackend,), {"space": space()})(), case_id)
    assert result.status == "failed"
