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


class SmoothAlongTheAxesAlone(NumpySpace):
    def smooth(self, a, power):
        along = super().smooth(a[:, :, :, :1].repeat(a.shape[3], 3), power) + 0 * a
        return a + along - a[:, :, :, :1].repeat(a.shape[3], 3)


class SmoothIsNotSymmetric(NumpySpace):
    def smooth(self, a, power):
        return super().smooth(a, power) * np.linspace(0.9, 1.1, a.shape[3])


class SmoothTwice(NumpySpace):
    def smooth(self, a, power):
        return super().smooth(a, 2 * power)


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


class HalfIsWhole(NumpySpace):
    """Keeps all digits, and twice the memory."""

    def stack(self, rows, like, half):
        return super().stack(rows, like, False)


class StackIsNotCleared(NumpySpace):
    def stack(self, rows, like, half):
        stack = super().stack(rows, like, half)
        stack[1] = like[0]
        return stack


class PutAdds(NumpySpace):
    def put(self, stack, row, vector, factor):
        stack[row] += factor * vector[0]
        return stack


class PutForgetsTheFactor(NumpySpace):
    def put(self, stack, row, vector, factor):
        return super().put(stack, row, vector, 1.0)


class PutScalesTheVector(NumpySpace):
    def put(self, stack, row, vector, factor):
        vector *= factor
        return super().put(stack, row, vector, 1.0)


class CombinesInHalf(NumpySpace):
    def combine(self, coefficients, stack):
        total = np.zeros((1, *stack.shape[1:]), stack.dtype)
        for coefficient, row in zip(coefficients, stack, strict=True):
            total += stack.dtype.type(coefficient) * row
        return total.astype(np.float64)


class ProductsInHalf(NumpySpace):
    def products(self, stack, vectors):
        found = super().products(stack, vectors)
        new = np.stack([vector[0] for vector in vectors]).astype(stack.dtype)
        found[: len(stack)] = np.einsum("r...,k...->rk", stack, new)
        return found


class ProductsWithoutTheOwn(NumpySpace):
    def products(self, stack, vectors):
        found = super().products(stack, vectors)
        found[len(stack) :] = np.diag(np.diag(found[len(stack) :]))
        return found


class ProductsOfManyInFloat32(NumpySpace):
    """One after the other."""

    def products(self, stack, vectors):
        found = super().products(stack, vectors)
        for j, vector in enumerate(vectors):
            found[-1, j] = np.cumsum((vectors[-1] * vector).ravel(), dtype=np.float32)[-1]
        return found


SPACES = [
    (LincombInPlace, "space/inputs-are-unmodified"),
    (CoefficientsOfTheFirstSum, "space/lincomb-of-other-coefficients"),
    (DotsOfNeighbours, "space/dots"),
    (DotsInFloat16, "space/bilinear"),
    (EpsilonUnderTheRoot, "space/whiten"),
    (EpsilonUnderTheRoot, "optimizer/trajectory/deep/adam"),
    (ClipLosesNaN, "space/clip"),
    (NoClip, "space/clip"),
    (SmoothAlongTheAxesAlone, "space/smooth"),
    (SmoothIsNotSymmetric, "space/smooth"),
    (SmoothTwice, "space/smooth"),
    (SmoothTwice, "optimizer/trajectory/deep/lbfgs"),
    (CropIsOneOff, "space/crop"),
    (CropOfHeightAndWidthSwapped, "space/crop"),
    (PasteOverwrites, "space/paste"),
    (PasteChangesTheTile, "space/paste"),
    (HalfIsWhole, "space/stack"),
    (StackIsNotCleared, "space/stack"),
    (PutAdds, "space/stack"),
    (PutForgetsTheFactor, "space/stack"),
    (PutScalesTheVector, "space/stack"),
    (CombinesInHalf, "space/stack"),
    (ProductsInHalf, "space/stack"),
    (ProductsWithoutTheOwn, "space/stack"),
    (ProductsWithoutTheOwn, "optimizer/trajectory/deep/lbfgs"),
    (ProductsOfManyInFloat32, "space/products-of-many"),
]


@pytest.mark.parametrize(("space", "case_id"), SPACES, ids=[f"{m.__name__}-{c}" for m, c in SPACES])
def test_a_wrong_vector_space_is_caught(run, space, case_id):
    assert run(NumpyBackend(), case_id).status == "passed"
    mutant = NumpyBackend()
    mutant.space = space(mutant.dtype)
    result = run(mutant, case_id)
    assert result.status == "failed"
