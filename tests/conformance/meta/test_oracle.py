"""The float64 reference itself, held by plain loops, by numbers worked out by hand and by differences of losses."""

import numpy as np
import pytest

from nst.backends.numpy.backend import NumpyBackend
from nst.backends.tape import TapeOps
from nst.conformance.cases.l1_primitives import ROWS

BACKEND = NumpyBackend()
OPS, SPACE = BACKEND.kernels, BACKEND.space


def convolve(x, weight, bias):
    """3x3 cross-correlation, zeros outside, one number at a time."""
    batch, channels, height, width = x.shape
    y = np.zeros((batch, len(weight), height, width))
    for n, o, i, j in np.ndindex(*y.shape):
        y[n, o, i, j] = bias[o]
        for c in range(channels):
            for di in (-1, 0, 1):
                for dj in (-1, 0, 1):
                    if 0 <= i + di < height and 0 <= j + dj < width:
                        y[n, o, i, j] += weight[o, c, di + 1, dj + 1] * x[n, c, i + di, j + dj]
    return y


def pool(x, reduce):
    batch, channels, height, width = x.shape
    y = np.zeros((batch, channels, height // 2, width // 2))
    for n, c, i, j in np.ndindex(*y.shape):
        y[n, c, i, j] = reduce([x[n, c, 2 * i + a, 2 * j + b] for a in (0, 1) for b in (0, 1)])
    return y


def gram(features):
    batch, channels, height, width = features.shape
    y = np.zeros((batch, channels, channels))
    for n, i, j in np.ndindex(*y.shape):
        for h in range(height):
            for w in range(width):
                y[n, i, j] += features[n, i, h, w] * features[n, j, h, w]
    return y


@pytest.fixture
def numbers():
    return np.random.default_rng(0).standard_normal


def test_convolution_equals_the_loops(numbers):
    x, weight, bias = numbers((2, 3, 5, 4)), numbers((4, 3, 3, 3)), numbers(4)
    np.testing.assert_allclose(OPS.conv2d(x, weight, bias), convolve(x, weight, bias), rtol=1e-12, atol=1e-13)


def test_convolution_by_hand():
    x = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    weight = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    # top left: centre 5*1, right 6*2, below 8*3, below right 9*4
    want = [[77 + 1, 67 + 1], [47 + 1, 37 + 1]]
    np.testing.assert_array_equal(OPS.conv2d(x, weight, np.array([1.0]))[0, 0], want)


def test_pooling_equals_the_loops(numbers):
    x = numbers((2, 3, 5, 7))
    np.testing.assert_array_equal(OPS.max_pool(x), pool(x, max))
    np.testing.assert_allclose(OPS.avg_pool(x), pool(x, lambda four: sum(four) / 4), rtol=1e-14)


def test_pooling_by_hand():
    x = np.array([[[[1.0, 5.0, 9.0], [3.0, 3.0, 9.0], [9.0, 9.0, 9.0]]]])
    assert OPS.max_pool(x).item() == 5.0
    assert OPS.avg_pool(x).item() == 3.0


def test_ties_go_to_the_first_in_row_order():
    x = np.array([[[[0.0, 2.0, 7.0], [2.0, 2.0, 7.0]]]])
    gradient = OPS.max_pool_adjoint(np.array([[[[3.0]]]]), x, OPS.max_pool(x))
    np.testing.assert_array_equal(gradient, [[[[0.0, 3.0, 0.0], [0.0, 0.0, 0.0]]]])


def test_gram_equals_the_loops(numbers):
    features = numbers((2, 3, 4, 5))
    np.testing.assert_allclose(OPS.gram(features), gram(features), rtol=1e-12, atol=1e-13)


def test_gram_by_hand():
    features = np.array([[[[1.0, 2.0]], [[3.0, -1.0]]]])
    np.testing.assert_array_equal(OPS.gram(features), [[[5.0, 1.0], [1.0, 10.0]]])


def test_small_primitives_by_hand():
    x = np.array([[[[-1.0, 0.0], [2.0, 5.0]]]])
    np.testing.assert_array_equal(OPS.relu(x), [[[[0.0, 0.0], [2.0, 5.0]]]])
    np.testing.assert_array_equal(OPS.diff(x, "height"), [[[[3.0, 5.0]]]])
    np.testing.assert_array_equal(OPS.diff(x, "width"), [[[[1.0], [3.0]]]])
    np.testing.assert_array_equal(OPS.channel_sum(x), [[[[6.0]]]])
    np.testing.assert_array_equal(
        OPS.affine(x, np.array([2.0]), np.array([1.0])), [[[[-1.0, 1.0], [5.0, 11.0]]]]
    )
    assert OPS.sum(x) == 6.0


def test_element_wise_primitives_by_hand():
    a, b = np.array([8.0, -3.0]), np.array([2.0, 4.0])
    np.testing.assert_array_equal(OPS.divide(a, b), [4.0, -0.75])
    np.testing.assert_array_equal(OPS.scale_by(a, np.array(-0.5)), [-4.0, 1.5])
    np.testing.assert_array_equal(OPS.sqrt(np.array([9.0, 0.25])), [3.0, 0.5])
    np.testing.assert_allclose(OPS.exp(np.array([0.0, np.log(3.0)])), [1.0, 3.0], rtol=1e-15)


def test_a_mask_serves_all_channels():
    x = np.array([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    np.testing.assert_array_equal(
        OPS.modulate(x, np.array([[[[10.0, 0.0]]]])), [[[[10.0, 0.0]], [[30.0, 0.0]]]]
    )


def test_matrices_by_hand():
    a, b = np.array([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]), np.array([[[1.0], [0.0], [-1.0]]])
    np.testing.assert_array_equal(OPS.matmul(a, b), [[[-2.0], [-2.0]]])
    np.testing.assert_array_equal(OPS.transpose(a), [[[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]])


def test_padding_by_hand():
    x = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    replicated = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    np.testing.assert_array_equal(OPS.pad(x, 1, "replicate")[0, 0], replicated)
    wrapped = [[4, 3, 4, 3], [2, 1, 2, 1], [4, 3, 4, 3], [2, 1, 2, 1]]
    np.testing.assert_array_equal(OPS.pad(x, 1, "circular")[0, 0], wrapped)


@pytest.mark.parametrize(("mode", "theirs"), [("replicate", "edge"), ("circular", "wrap")])
def test_padding_equals_that_of_numpy(numbers, mode, theirs):
    x = numbers((2, 3, 4, 5))
    want = np.pad(x, ((0, 0), (0, 0), (3, 3), (3, 3)), mode=theirs)
    np.testing.assert_array_equal(OPS.pad(x, 3, mode), want)


def test_the_gradient_of_a_padding_by_hand():
    """Row, column and corner of the margin go back to where they came from."""
    gradient = np.arange(16.0).reshape(1, 1, 4, 4)
    replicated = [[0 + 1 + 4 + 5, 2 + 3 + 6 + 7], [8 + 9 + 12 + 13, 10 + 11 + 14 + 15]]
    np.testing.assert_array_equal(OPS.pad_adjoint(gradient, 1, "replicate")[0, 0], replicated)
    wrapped = [[5 + 7 + 13 + 15, 6 + 4 + 14 + 12], [9 + 11 + 1 + 3, 10 + 8 + 2 + 0]]
    np.testing.assert_array_equal(OPS.pad_adjoint(gradient, 1, "circular")[0, 0], wrapped)


def test_windows_of_a_picture_by_hand():
    x = np.arange(12.0).reshape(1, 1, 3, 4)
    np.testing.assert_array_equal(SPACE.crop(x, 1, 2, 2, 2), [[[[6.0, 7.0], [10.0, 11.0]]]])
    total = SPACE.paste(x.copy(), np.array([[[[0.5, -9.0]]]]), 2, 1)
    np.testing.assert_array_equal(total[0, 0], [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9.5, 1, 11]])


def test_a_stack_in_float16_and_sums_of_it_by_hand():
    a = np.array([[1.0, 1.0 + 2**-11, 60000.0]])
    for half, kept in ((False, a[0]), (True, np.array([1.0, 1.0, 60000.0]))):
        stack = SPACE.put(SPACE.stack(2, a, half), 1, a, 1.0)
        assert stack.dtype == (np.float16 if half else np.float64)
        np.testing.assert_array_equal(stack, [[0, 0, 0], kept])
        products = SPACE.products(stack, [a, np.array([[1.0, 0.0, 0.0]])])
        np.testing.assert_array_equal(products, [[0, 0], [kept @ a[0], 1], [a[0] @ a[0], 1], [1, 1]])
        total = SPACE.combine([5.0, 2**-11], stack)
        assert total.dtype == np.float64
        np.testing.assert_array_equal(total, [2**-11 * kept])


SMOOTH = [
    row for row in ROWS if row.gradients == "compare" and "at-zero" not in row.name and "extreme" not in row.name
    and "ties" not in row.name and "constant" not in row.name and row.x.size
    and row.name not in ("sqrt/large", "sqrt/small")  # the step is 1e-6
]  # fmt: skip


@pytest.mark.parametrize("row", SMOOTH, ids=[row.name for row in SMOOTH])
def test_gradients_equal_differences(row, numbers):
    def value(x):
        ops = TapeOps(OPS)
        variable = ops.variable(x)
        y = row.apply(ops, variable, {name: ops.constant(array) for name, array in row.constants.items()})
        cotangent = np.random.default_rng(1).standard_normal(y.value.shape)
        total = ops.sum(ops.multiply(y, ops.constant(cotangent)))
        return ops, variable, total

    ops, variable, total = value(row.x)
    gradient = ops.gradient(total, variable)
    direction, step = numbers(row.x.shape), 1e-6
    above, below = (value(row.x + sign * step * direction)[2].value for sign in (1, -1))
    slope = np.sum(gradient * direction)
    assert (above - below) / (2 * step) == pytest.approx(slope, rel=1e-6, abs=1e-8 * np.linalg.norm(gradient))
