"""Masks: sizes, feathering, sharing out, and the way to the layers, against plain loops and a network of means."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from nst.errors import SettingsError
from nst.losses.regions import carry
from nst.models import vgg
from nst.pictures.masks import Masks, feathered, fit, from_picture, regions
from nst.pictures.picture import Picture

LAYERS = ("conv1_1", "conv2_2", "conv3_1", "conv4_2", "conv5_1")


def ramp(height=37, width=50):
    return np.linspace(0, 1, height * width, dtype=np.float32).reshape(height, width)


def seen(mask, layer):
    """The share of what each position sees: sums over windows of the mask and of ones."""
    sums = [mask.astype(np.float64), np.ones(mask.shape)]
    for step in vgg.layers_up_to([layer]):
        if isinstance(step, vgg.Conv):
            sums = [sliding_window_view(np.pad(a, 1), (3, 3)).sum((2, 3)) for a in sums]
        else:
            sums = [sliding_window_view(a, (2, 2))[::2, ::2].sum((2, 3)) for a in sums]
    return sums[0] / sums[1]


@pytest.mark.parametrize("layer", ["conv1_2", "conv2_1", "conv3_1"])
def test_a_mask_at_a_layer_is_the_share_of_what_is_seen(layer):
    mask = np.random.default_rng(1).random((13, 18)).astype(np.float32)
    np.testing.assert_allclose(carry(mask, [layer])[layer], seen(mask, layer), rtol=1e-5)


def test_a_mask_at_the_first_layer_by_hand():
    mask = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 1]], np.float32)
    # a corner sees 4 pixels, an edge 6, the middle 9
    want = [[1 / 4, 1 / 6, 0], [1 / 6, 2 / 9, 1 / 6], [0, 1 / 6, 1 / 4]]
    np.testing.assert_allclose(carry(mask, ["conv1_1"])["conv1_1"], want, rtol=1e-6)


@pytest.mark.parametrize("size", [(37, 50), (16, 17), (64, 64)])
def test_masks_have_the_size_of_the_layers(size):
    carried = carry(np.ones(size, np.float32), LAYERS)
    assert {name: mask.shape for name, mask in carried.items()} == {
        n: vgg.layer_size(n, *size) for n in LAYERS
    }
    for mask in carried.values():
        np.testing.assert_allclose(mask, 1, rtol=1e-6)


def test_a_partition_of_the_pixels_is_one_at_every_layer():
    rng = np.random.default_rng(2)
    parts = rng.random((3, 37, 50)).astype(np.float32)
    parts /= parts.sum(0)
    for layer, total in ((n, sum(carry(part, LAYERS)[n] for part in parts)) for n in LAYERS):
        np.testing.assert_allclose(total, 1, rtol=1e-5, err_msg=layer)


def test_a_position_sees_its_receptive_field_and_nothing_else():
    """One white pixel reaches the positions within half the receptive field, on the grid of the layer."""
    for layer in ("conv1_2", "conv2_2", "conv3_1"):
        half, stride = vgg.receptive_field(layer) / 2, vgg.minimum_size([layer])
        mask = np.zeros((96, 96), np.float32)
        mask[41, 41] = 1
        reached = np.flatnonzero(carry(mask, [layer])[layer].any(axis=0))
        centres = (np.arange(96 // stride) + 0.5) * stride
        want = np.flatnonzero(np.abs(centres - 41.5) < half)
        np.testing.assert_array_equal(reached, want, err_msg=layer)


def test_feathering_by_hand():
    mask = np.zeros((5, 21), np.float32)
    mask[:, 10:] = 1
    blurred = feathered(mask, 2.0)
    # a step becomes the Gaussian's integral: symmetric, 1/2 at the edge, 1 sigma away about 16 % and 84 %
    np.testing.assert_allclose(blurred[:, :10] + blurred[:, 19:9:-1], 1, atol=1e-6)
    assert blurred[2, 9] + blurred[2, 10] == pytest.approx(1, abs=1e-6)
    assert blurred[2, 11] == pytest.approx(0.773, abs=0.01)  # 1.5 pixels of 2.0 above the edge
    assert np.array_equal(feathered(mask, 0.0), mask)


def test_a_partition_stays_one_when_it_is_resized_and_feathered():
    left = (ramp(23, 31) > 0.5).astype(np.float32)
    for size in ((50, 37), (11, 9), (31, 23)):
        total = fit(left, *size, 1.5) + fit(1 - left, *size, 1.5)
        assert total.shape == size[::-1]
        np.testing.assert_allclose(total, 1, atol=1e-6)


def test_regions_share_where_they_overlap_and_the_rest_goes_to_none():
    a, b = np.zeros((2, 4), np.float32), np.zeros((2, 4), np.float32)
    a[:, :2], b[:, 1:3] = 1, 1
    first, second, third = regions(Masks(regions=[a, b, None]), 4, 2, 3)
    assert first[0].tolist() == [1.0, 0.5, 0.0, 0.0]
    assert second[0].tolist() == [0.0, 0.5, 1.0, 0.0]
    assert third[0].tolist() == [0.0, 0.0, 0.0, 1.0]


def test_protection_is_taken_off_every_region():
    a, protect = np.zeros((2, 4), np.float32), np.zeros((2, 4), np.float32)
    a[:, :2], protect[:, 1:3] = 1, 1
    first, second = regions(Masks(regions=[a, None], protect=protect), 4, 2, 2)
    assert first[0].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert second[0].tolist() == [0.0, 0.0, 0.0, 1.0]
    (alone,) = regions(Masks(protect=protect), 4, 2, 2)
    assert alone[0].tolist() == [1.0, 0.0, 0.0, 1.0]
    assert regions(Masks(), 4, 2, 2) is None


def test_a_picture_becomes_a_mask():
    rgb = np.zeros((1, 3, 3), np.float32)
    rgb[0, 1], rgb[0, 2] = 1, [0.3, 0.6, 0.0]
    np.testing.assert_allclose(from_picture(Picture(rgb)), [[0, 1, 0.3]], rtol=1e-6)
    alpha = np.array([[1, 0.5, 1]], np.float32)
    np.testing.assert_allclose(from_picture(Picture(rgb, alpha)), [[0, 0.5, 0.3]], rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: from_picture(Picture(np.zeros((2, 2, 3), np.float32))), "black all over"),
        (lambda: regions(Masks(regions=[ramp()]), 50, 37, 2), "1 masks for 2 style"),
        (
            lambda: regions(Masks(regions=[np.ones((2, 2), np.float32), None]), 4, 2, 2),
            "style 2 has no region",
        ),
        (lambda: regions(Masks(protect=np.ones((2, 2), np.float32)), 4, 2, 1), "style 1 has no region"),
    ],
)
def test_masks_that_cannot_be_used_say_so(call, message):
    with pytest.raises(SettingsError, match=message):
        call()
