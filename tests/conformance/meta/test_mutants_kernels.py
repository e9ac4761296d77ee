"""Backends whose primitives are wrong in one thing each: every one is failed by the case that is named for it."""

import numpy as np
import pytest

from nst.backends.numpy.backend import NumpyBackend
from nst.backends.numpy.kernels import TAPS, NumpyKernels, _axis, _phase, _windows

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # float16 overflows on purpose

WINDOW = [(0, 0), (0, 1), (1, 0), (1, 1)]


def pad_to_even(x):
    return np.pad(x, ((0, 0), (0, 0), (0, x.shape[2] % 2), (0, x.shape[3] % 2)), mode="edge")


class GramNormalisedTwice(NumpyKernels):
    def gram(self, features):
        return super().gram(features) / np.prod(features.shape[2:])


class GramOverTheBatch(NumpyKernels):
    def gram(self, features):
        gram = super().gram(features)
        return np.broadcast_to(gram.sum(axis=0), gram.shape)


class GramInFloat16(NumpyKernels):
    def gram(self, features):
        flat = features.reshape(*features.shape[:2], -1)
        products = flat[:, :, None].astype(np.float16) * flat[:, None].astype(np.float16)
        return products.sum(axis=-1, dtype=np.float16).astype(features.dtype)


class GramGradientOfOneSide(NumpyKernels):
    def gram_adjoint(self, gradient, features):
        return super().gram_adjoint(np.triu(gradient), features)


class KernelTransposed(NumpyKernels):
    def conv2d(self, x, weight, bias):
        return super().conv2d(x, weight.transpose(0, 1, 3, 2), bias)


class KernelFlipped(NumpyKernels):
    def conv2d(self, x, weight, bias):
        return super().conv2d(x, weight[:, :, ::-1, ::-1], bias)


class KernelNotFlippedInTheAdjoint(NumpyKernels):
    def conv2d_adjoint(self, gradient, weight):
        return super().conv2d_adjoint(gradient, weight[:, :, ::-1, ::-1])


class PaddingReplicates(NumpyKernels):
    def conv2d(self, x, weight, bias):
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
        height, width = x.shape[2:]
        y = sum(
            np.einsum("oc,nchw->nohw", weight[:, :, i, j], padded[:, :, i : i + height, j : j + width])
            for i, j in TAPS
        )
        return y + bias[:, None, None]


class NoBias(NumpyKernels):
    def conv2d(self, x, weight, bias):
        return super().conv2d(x, weight, 0 * bias)


class MaxPoolingCeils(NumpyKernels):
    def max_pool(self, x):
        return super().max_pool(pad_to_even(x))


class AveragePoolingCeils(NumpyKernels):
    def avg_pool(self, x):
        return super().avg_pool(pad_to_even(x))


class AverageIsMaximum(NumpyKernels):
    def avg_pool(self, x):
        return super().max_pool(x)


class TiesSplit(NumpyKernels):
    def max_pool_adjoint(self, gradient, x, output):
        winners = _windows(x) == output
        result = np.zeros_like(x)
        for part, (i, j) in zip(winners / winners.sum(axis=0), WINDOW, strict=True):
            _phase(result, i, j)[...] = part * gradient
        return result


class TiesToTheLast(NumpyKernels):
    def max_pool_adjoint(self, gradient, x, output):
        result, taken = np.zeros_like(x), np.zeros(output.shape, bool)
        for i, j in reversed(WINDOW):
            wins = (_phase(x, i, j) == output) & ~taken
            taken |= wins
            _phase(result, i, j)[...] = np.where(wins, gradient, 0)
        return result


class ReluSlopeAtZero(NumpyKernels):
    def relu_adjoint(self, gradient, output):
        return np.where(output >= 0, gradient, 0)


class ReluSlopeAtZeroOfItsInput(NumpyKernels):
    """Right for negative inputs, 1 at 0 itself."""

    def relu(self, x):
        return np.where(x == 0, 5e-324, np.maximum(x, 0))


class ReluLosesNaN(NumpyKernels):
    def relu(self, x):
        return np.fmax(x, 0)


class MaxPoolLosesNaN(NumpyKernels):
    def max_pool(self, x):
        return np.fmax.reduce(_windows(x))


class AbsSlopeAtZero(NumpyKernels):
    def sign(self, a):
        return np.where(a >= 0, 1.0, -1.0)


class MeanInsteadOfSum(NumpyKernels):
    def sum(self, a):
        return np.asarray(np.mean(a))


class ChannelMeanInsteadOfSum(NumpyKernels):
    def channel_sum(self, features):
        return np.mean(features, axis=(2, 3), keepdims=True)


class ChannelSumWithoutPositions(NumpyKernels):
    def channel_sum(self, features):
        return super().channel_sum(features)[:, :, 0, 0]


class DiffOfTheOtherAxis(NumpyKernels):
    def diff(self, x, axis):
        return np.diff(x, axis=5 - _axis(axis))


class DiffWrapsRound(NumpyKernels):
    def diff_adjoint(self, gradient, axis):
        result = super().diff_adjoint(gradient, axis)
        return result - np.take(result, [-1], _axis(axis))


MUTANTS = [
    (GramNormalisedTwice, "primitive/gram/odd"),
    (GramOverTheBatch, "primitive/gram/batch"),
    (GramInFloat16, "gram/avg/conv1_1"),
    (GramGradientOfOneSide, "primitive-gradient/gram/odd"),
    (KernelTransposed, "primitive/conv2d/impulse"),
    (KernelFlipped, "primitive/conv2d/impulse"),
    (KernelNotFlippedInTheAdjoint, "primitive-gradient/conv2d/odd"),
    (PaddingReplicates, "primitive/conv2d/constant"),
    (NoBias, "features/avg/conv1_1"),
    (MaxPoolingCeils, "primitive/max_pool/odd"),
    (AveragePoolingCeils, "primitive/avg_pool/odd"),
    (AverageIsMaximum, "primitive/avg_pool/even"),
    (TiesSplit, "primitive-gradient/max_pool/ties"),
    (TiesToTheLast, "primitive-gradient/max_pool/constant"),
    (ReluSlopeAtZero, "primitive-gradient/relu/at-zero"),
    (ReluSlopeAtZeroOfItsInput, "primitive-gradient/relu/at-zero"),
    (ReluLosesNaN, "primitive/relu/nan"),
    (MaxPoolLosesNaN, "primitive/max_pool/nan"),
    (AbsSlopeAtZero, "primitive-gradient/abs/at-zero"),
    (MeanInsteadOfSum, "primitive/sum/odd"),
    (ChannelMeanInsteadOfSum, "primitive/channel_sum/odd"),
    (ChannelSumWithoutPositions, "primitive/channel_sum/batch"),
    (DiffOfTheOtherAxis, "primitive/diff/height/odd"),
    (DiffWrapsRound, "primitive-gradient/diff/width/odd"),
]


@pytest.mark.parametrize(("kernels", "case_id"), MUTANTS, ids=[mutant.__name__ for mutant, _ in MUTANTS])
def test_a_wrong_primitive_is_caught(run, kernels, case_id):
    assert run(NumpyBackend(), case_id).status == "passed"
    mutant = type(kernels.__name__, (NumpyBackend,), {"kernels": kernels()})
    result = run(mutant(), case_id)
    assert result.status == "failed"
    assert result.message
