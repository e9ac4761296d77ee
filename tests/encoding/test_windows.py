"""Windows: every position of every layer is inner in one window, and sees nothing but the window."""

from functools import cache

import numpy as np
import pytest

from nst.encoding.windows import halo, smallest_side, windows
from nst.models import vgg

DEEP = ("conv1_1", "conv2_1", "conv3_1", "conv4_2", "conv5_1")


@cache
def sees(layer, position):
    """First and last pixel that a position depends on, by walking back through the network."""
    low = high = position
    for step in reversed(vgg.layers_up_to([layer])):
        low, high = (low - 1, high + 1) if isinstance(step, vgg.Conv) else (2 * low, 2 * high + 1)
    return low, high


def test_the_walk_back_agrees_with_the_receptive_field():
    low, high = sees("conv5_1", 100)
    assert high - low + 1 == vgg.receptive_field("conv5_1") == 156


def test_halo_by_hand():
    assert halo(["conv1_1"]) == 1  # a 3x3 kernel
    assert halo(["conv2_1"]) == 6  # sees 10 pixels: 5, rounded up to the stride 2
    assert halo(DEEP) == 80  # 78, rounded up to the stride 16
    assert smallest_side(DEEP) == 192


def test_a_picture_that_fits_is_one_window():
    (window,) = windows(300, 211, 300, DEEP)
    assert (window.height, window.width) == (300, 211)
    assert window.inner("conv5_1") == (slice(0, 18), slice(0, 13))


def test_4096_pixels_by_hand():
    """Four windows share 3 x 160 pixels: (4096 + 480) / 4 = 1144, on the grid of 16 1152, though 1184 were allowed."""
    found = windows(4096, 4096, 1184, DEEP)
    assert len(found) == 16
    assert {(w.height, w.width) for w in found} == {(1152, 1152)}
    assert [w.columns.start for w in found[:4]] == [0, 976, 1968, 2944]
    assert [(w.columns.low, w.columns.high) for w in found[:4]] == [
        (0, 1056),
        (1056, 2048),
        (2048, 3024),
        (3024, 4096),
    ]


def cases():
    rng = np.random.default_rng(3)
    for _ in range(150):
        count = rng.integers(1, 5)
        layers = tuple(rng.choice(vgg.LAYER_NAMES, count, replace=False))
        yield int(rng.integers(16, 700)), int(rng.integers(16, 700)), int(rng.integers(1, 500)), layers


@pytest.mark.parametrize(("height", "width", "side", "layers"), list(cases()))
def test_inner_positions_partition_every_layer_and_see_no_cut(height, width, side, layers):
    found = windows(height, width, side, layers)
    assert len({(w.height, w.width) for w in found}) == 1
    for layer in layers:
        counted = np.zeros(vgg.layer_size(layer, height, width), int)
        for window in found:
            stride = vgg.stride(layer)
            inner = window.inner(layer)
            places = []
            for part, span, extent, length in zip(
                inner,
                (window.rows, window.columns),
                (window.height, window.width),
                (height, width),
                strict=True,
            ):
                assert span.start % stride == 0
                first, last = part.start + span.start // stride, part.stop - 1 + span.start // stride
                places.append(slice(first, last + 1))
                if last >= first:
                    assert span.start <= max(0, sees(layer, first)[0])
                    assert min(length - 1, sees(layer, last)[1]) < span.start + extent
            counted[tuple(places)] += 1
        assert (counted == 1).all(), layer
