"""Vector spaces that are wrong in one thing each: every one is failed by the case that is named for it."""

import numpy as np
import pytest

from nst.backends.numpy.backend import NumpyBackend
from nst.backends.numpy.space import NumpySpace

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # some overflow on purpose


class LincombInPlace(NumpySpace):
    def lincomb(self, coefficients, vectors):
        vectors[0][...] = super().lincomb(coefficients, vectors)
        return vectors[0]


class CoefficientsOfTheFirstSum(NumpySpace):
    def __init__(self, dtype):
        super().__init__(dtype)
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


class CropIsOneOff(NumpySpace):
    def crop(self, a, top, left, height, width):
        return super().crop(np.roll(a, 1, axis=3), top, left, height, width)


class CropOfHeightAndWidthSwapped(NumpySpace):
    def crop(self, a, top, left, height, width):
        return a[:, :, left : left + width, top : top + height].copy()


class PasteOverwrites(NumpySpace):
    def paste(self, total, tile, top, left):
        height, width = tile.shape[2:]
        total[:, :, top : top + height, left : left + width] = tile
        return total


class PasteChangesTheTile(NumpySpace):
    def paste(self, total, tile, top, left):
        total = super().paste(total, tile, top, left)
        tile[...] = self.crop(total, top, left, *tile.shape[2:])
        return total


class HalfIsNoCopy(NumpySpace):
    """Keeps all digits, and twice the memory."""

    def half(self, a):
        return a


class HalfCutsOff(NumpySpace):
    def half(self, a):
        half = a.astype(np.float16)
        return np.where(np.abs(half) > np.abs(a), np.nextafter(half, np.float16(0)), half)


class SumsInHalf(NumpySpace):
    def lincomb(self, coefficients, vectors):
        total = np.zeros(vectors[0].shape, vectors[0].dtype)
        for coefficient, vector in zip(coefficients, vectors, strict=True):
            total = total + vector.dtype.type(coefficient) * vector
        return total


class DotsOfHalvesInHalf(NumpySpace):
    def dots(self, pairs):
        return np.array([np.sum(a * b, dtype=np.float64) for a, b in pairs])


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
    (CropIsOneOff, "space/crop"),
    (CropOfHeightAndWidthSwapped, "space/crop"),
    (PasteOverwrites, "space/paste"),
    (PasteChangesTheTile, "space/paste"),
    (HalfIsNoCopy, "space/half"),
    (HalfCutsOff, "space/half"),
    (SumsInHalf, "space/half"),
    (DotsOfHalvesInHalf, "space/half"),
]


@pytest.mark.parametrize(("space", "case_id"), SPACES, ids=[f"{m.__name__}-{c}" for m, c in SPACES])
def test_a_wrong_vector_space_is_caught(run, space, case_id):
    assert run(NumpyBackend(), case_id).status == "passed"
    mutant = NumpyBackend()
    mutant.space = space(mutant.dtype)
    result = run(mutant, case_id)
    assert result.status == "failed"
