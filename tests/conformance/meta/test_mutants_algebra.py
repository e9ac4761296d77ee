"""As test_mutants_kernels, for masks, padding, matrices and element-wise primitives; and tapes that are wrong."""

import numpy as np
import pytest

from nst.backends.numpy.backend import NumpyBackend
from nst.backends.numpy.kernels import NumpyKernels
from nst.backends.tape import TapeOps

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


class MaskOfTheFirstPicture(NumpyKernels):
    def modulate(self, x, mask):
        return x * mask[:1]


class MaskSelects(NumpyKernels):
    """Right for masks of 0 and 1 and a finite x."""

    def modulate(self, x, mask):
        return np.where(mask, x, 0)


class MaskIsMirrored(NumpyKernels):
    def modulate(self, x, mask):
        return super().modulate(x, mask[..., ::-1])


class PadOfZeros(NumpyKernels):
    def pad(self, x, margin, mode):
        return np.pad(x, ((0, 0), (0, 0), (margin, margin), (margin, margin)))


class PadReflects(NumpyKernels):
    """The same as the edge for a margin of 1, and other than it beyond."""

    def pad(self, x, margin, mode):
        return np.pad(x, ((0, 0), (0, 0), (margin, margin), (margin, margin)), mode="symmetric")


class PadWrapsTheSameSide(NumpyKernels):
    def pad(self, x, margin, mode):
        if mode == "replicate":
            return super().pad(x, margin, mode)
        x = np.concatenate([x[:, :, :margin], x, x[:, :, -margin:]], axis=2)
        return np.concatenate([x[..., :margin], x, x[..., -margin:]], axis=3)


class PadAdjointCrops(NumpyKernels):
    def pad_adjoint(self, gradient, margin, mode):
        return gradient[:, :, margin:-margin, margin:-margin]


class PadAdjointWithoutCorners(NumpyKernels):
    def pad_adjoint(self, gradient, margin, mode):
        gradient = gradient.copy()
        for rows in (np.s_[:margin], np.s_[-margin:]):
            for columns in (np.s_[:margin], np.s_[-margin:]):
                gradient[:, :, rows, columns] = 0
        return super().pad_adjoint(gradient, margin, mode)


class PadAdjointOverwrites(NumpyKernels):
    """A plain assignment keeps the last of the elements that were copied from one place."""

    def pad_adjoint(self, gradient, margin, mode):
        height, width = (size - 2 * margin for size in gradient.shape[2:])
        places = self.pad(np.arange(height * width).reshape(1, 1, height, width), margin, mode)[0, 0]
        result = np.zeros((*gradient.shape[:2], height * width))
        result[:, :, places] = gradient
        return result.reshape(*gradient.shape[:2], height, width)


class DivideByTheMagnitude(NumpyKernels):
    def divide(self, a, b):
        return a / np.abs(b)


class DivideIsGuarded(NumpyKernels):
    def divide(self, a, b):
        return a / (b + 1e-12)


class RootIsGuarded(NumpyKernels):
    def sqrt(self, a):
        return np.sqrt(a + 1e-12)


class ExpIsClamped(NumpyKernels):
    def exp(self, a):
        return np.exp(np.minimum(a, 50.0))


class ExpLosesNaN(NumpyKernels):
    def exp(self, a):
        return np.exp(np.fmax(a, -700.0))


class TransposeReshapes(NumpyKernels):
    def transpose(self, a):
        return a.reshape(a.shape[0], a.shape[2], a.shape[1])


class TransposeOfAllAxes(NumpyKernels):
    """Right for one picture with a square matrix."""

    def transpose(self, a):
        return a.T


class MatmulOverTheBatch(NumpyKernels):
    def matmul(self, a, b):
        return np.broadcast_to(super().matmul(a, b)[:1], (len(a), a.shape[1], b.shape[2]))


KERNELS = [
    (MaskOfTheFirstPicture, "primitive/modulate/batch"),
    (MaskSelects, "primitive/modulate/odd"),
    (MaskSelects, "primitive-gradient/modulate/batch"),
    (MaskIsMirrored, "primitive/modulate/window"),
    (PadOfZeros, "primitive/pad/replicate/1/odd"),
    (PadReflects, "primitive/pad/replicate/6/odd"),
    (PadReflects, "primitive/pad/circular/1/odd"),
    (PadWrapsTheSameSide, "primitive/pad/circular/1/odd"),
    (PadWrapsTheSameSide, "primitive/pad/circular/5/batch"),
    (PadAdjointCrops, "primitive-gradient/pad/replicate/1/odd"),
    (PadAdjointCrops, "primitive-gradient/pad/circular/5/odd"),
    (PadAdjointWithoutCorners, "primitive-gradient/pad/replicate/1/batch"),
    (PadAdjointWithoutCorners, "primitive-gradient/pad/circular/1/batch"),
    (PadAdjointOverwrites, "primitive-gradient/pad/replicate/1/one-pixel"),
    (PadAdjointOverwrites, "primitive-gradient/pad/circular/1/odd"),
    (DivideByTheMagnitude, "primitive/divide/right-negative"),
    (DivideIsGuarded, "primitive/divide/by-zero"),
    (RootIsGuarded, "primitive/sqrt/small"),
    (ExpIsClamped, "primitive/exp/large"),
    (ExpLosesNaN, "primitive/exp/nan"),
    (TransposeReshapes, "primitive/transpose/odd"),
    (TransposeOfAllAxes, "primitive/transpose/square"),
    (MatmulOverTheBatch, "primitive/matmul/left/odd"),
]


@pytest.mark.parametrize(("kernels", "case_id"), KERNELS, ids=[f"{m.__name__}-{c}" for m, c in KERNELS])
def test_a_wrong_primitive_is_caught(run, kernels, case_id):
    assert run(NumpyBackend(), case_id).status == "passed"
    mutant = type(kernels.__name__, (NumpyBackend,), {"kernels": kernels()})
    result = run(mutant(), case_id)
    assert result.status == "failed"
    assert result.message


def divide_without_sign(ops, a, b):
    k = ops.kernels
    value = k.divide(a.value, b.value)
    towards_b = (b, lambda g: k.divide(k.multiply(g, value), b.value))
    return ops._record(value, (a, lambda g: k.divide(g, b.value)), towards_b)


def divide_forgets_b(ops, a, b):
    k = ops.kernels
    return ops._record(k.divide(a.value, b.value), (a, lambda g: k.divide(g, b.value)))


def matmul_not_transposed(ops, a, b):
    k = ops.kernels
    towards_a, towards_b = (a, lambda g: k.matmul(g, b.value)), (b, lambda g: k.matmul(a.value, g))
    return ops._record(k.matmul(a.value, b.value), towards_a, towards_b)


def matmul_in_the_wrong_order(ops, a, b):
    k = ops.kernels
    towards_a = (a, lambda g: k.matmul(g, k.transpose(b.value)))
    towards_b = (b, lambda g: k.matmul(g, k.transpose(a.value)))
    return ops._record(k.matmul(a.value, b.value), towards_a, towards_b)


def transpose_passes_on(ops, a):
    return ops._record(ops.kernels.transpose(a.value), (a, lambda g: g))


def exp_of_the_input(ops, a):
    k = ops.kernels
    return ops._record(k.exp(a.value), (a, lambda g: k.multiply(g, a.value)))


def sqrt_without_the_half(ops, a):
    k = ops.kernels
    value = k.sqrt(a.value)
    return ops._record(value, (a, lambda g: k.divide(g, value)))


def sqrt_of_the_input(ops, a):
    k = ops.kernels
    return ops._record(k.sqrt(a.value), (a, lambda g: k.divide(k.scale(g, 0.5), a.value)))


def factor_is_constant(ops, a, factor):
    k = ops.kernels
    return ops._record(k.scale_by(a.value, factor.value), (a, lambda g: k.scale_by(g, factor.value)))


def factor_of_the_gradient_alone(ops, a, factor):
    k = ops.kernels
    towards_a = (a, lambda g: k.scale_by(g, factor.value))
    return ops._record(k.scale_by(a.value, factor.value), towards_a, (factor, k.sum))


TAPES = [
    ("divide", divide_without_sign, "primitive-gradient/divide/right"),
    ("divide", divide_without_sign, "primitive-gradient/divide/both"),
    ("divide", divide_forgets_b, "primitive-gradient/divide/scalars"),
    ("matmul", matmul_not_transposed, "primitive-gradient/matmul/both/square"),
    ("matmul", matmul_in_the_wrong_order, "primitive-gradient/matmul/both/square"),
    ("transpose", transpose_passes_on, "primitive-gradient/transpose/square"),
    ("exp", exp_of_the_input, "primitive-gradient/exp/odd"),
    ("sqrt", sqrt_without_the_half, "primitive-gradient/sqrt/odd"),
    ("sqrt", sqrt_of_the_input, "primitive-gradient/sqrt/batch"),
    ("scale_by", factor_is_constant, "primitive-gradient/scale_by/both"),
    ("scale_by", factor_of_the_gradient_alone, "primitive-gradient/scale_by/factor"),
]


class TapeBackend(NumpyBackend):
    """Differentiates with a tape of which one method is replaced; the reference beside it is not touched."""

    def __init__(self, name, method):
        super().__init__()
        self.tape = type("Tape", (TapeOps,), {name: method})

    def compile(self, function, like, constants):
        def wrapped(ops, x, c):
            ops.__class__ = self.tape
            return function(ops, x, c)

        return super().compile(wrapped, like, constants)


@pytest.mark.parametrize(("name", "method", "case_id"), TAPES, ids=[f"{m.__name__}-{c}" for _, m, c in TAPES])
def test_a_wrong_derivative_is_caught(run, name, method, case_id):
    assert run(NumpyBackend(), case_id).status == "passed"
    result = run(TapeBackend(name, method), case_id)
    assert result.status == "failed"
    assert result.message
