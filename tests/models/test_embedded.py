"""The builder of the whitened network, on networks small enough to check."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nst.errors import SettingsError
from nst.models import vgg
from nst.models.embedded.whitening import Rotation, _sample_patches, build_whitened
from nst.models.procedural.pictures import procedural_pictures
from nst.models.random import random_weights
from nst.models.weights import NetworkWeights

DEPTH = vgg.LAYER_NAMES[:13]
Maps = NDArray[np.float64]


def responses(weights: NetworkWeights, picture: NDArray[np.float32]) -> dict[str, Maps]:
    """Layer -> (C, H, W) before the ReLU: the definition of the network, written with einsum."""
    factor, shift = weights.input_affine
    maps = (picture * factor + shift).transpose(2, 0, 1)
    found = {}
    for layer in vgg.layers_up_to([weights.layer_names[-1]]):
        if isinstance(layer, vgg.Pool):
            even = maps[:, : maps.shape[1] // 2 * 2, : maps.shape[2] // 2 * 2]
            maps = (even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]) / 4
            continue
        weight, bias = weights.convolutions[layer.name]
        padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        found[layer.name] = np.tensordot(weight, windows, axes=((1, 2, 3), (0, 3, 4))) + bias[:, None, None]
        maps = np.maximum(found[layer.name], 0)
    return found


def mean_activations(weights: NetworkWeights, pictures: list[NDArray[np.float32]]) -> dict[str, Maps]:
    """Layer -> (C,) mean after the ReLU over pictures and positions."""
    passes = [responses(weights, picture) for picture in pictures]
    return {
        layer: np.mean([np.maximum(one[layer], 0).mean(axis=(1, 2)) for one in passes], axis=0)
        for layer in weights.layer_names
    }


def effective_rank(weights: NetworkWeights, layer: str, pictures: list[NDArray[np.float32]]) -> float:
    """exp(entropy) of the Gram matrix's eigenvalues, mean over the pictures (Roy and Vetterli, 2007)."""
    ranks = []
    for picture in pictures:
        maps = np.maximum(responses(weights, picture)[layer], 0)
        flat = maps.reshape(len(maps), -1)
        share = np.clip(np.linalg.eigvalsh(flat @ flat.T), 1e-12, None)
        share /= share.sum()
        ranks.append(np.exp(-np.sum(share * np.log(share))))
    return float(np.mean(ranks))


@pytest.fixture(scope="module")
def built() -> NetworkWeights:
    """Of the whitened network's own width where its Gram matrices are looked at, thin below."""
    width = (0.5, 0.5, 1 / 16, 1 / 16, 1 / 16)
    return build_whitened(width, pictures=34, picture_size=96, patches=30_000)


@pytest.fixture(scope="module")
def fresh() -> list[NDArray[np.float32]]:
    """Two pictures of each family that took no part in the build."""
    return list(procedural_pictures(34, 80, seed=2_000_000))


def test_the_network_reaches_conv5_1_and_says_what_it_is(built: NetworkWeights) -> None:
    assert built.layer_names == DEPTH
    assert built.name == "whitened"
    assert built.license == "Apache-2.0"
    assert "whitened random features" in built.source


def test_mean_activations_are_near_one_and_no_channel_is_dead(
    built: NetworkWeights, fresh: list[NDArray[np.float32]]
) -> None:
    for layer, means in mean_activations(built, fresh).items():
        assert 0.75 < means.mean() < 1.3, layer
        assert means.min() > 0.2, layer
        assert means.max() < 3, layer


@pytest.mark.parametrize(("layer", "times"), [("conv1_1", 2), ("conv2_1", 1.2)])
def test_gram_matrices_are_richer_than_those_of_random_filters(
    built: NetworkWeights, fresh: list[NDArray[np.float32]], layer: str, times: float
) -> None:
    random = random_weights(seed=0, width=built.channels("conv1_1") / 64, depth="conv3_1")
    assert effective_rank(built, layer, fresh[:17]) > times * effective_rank(random, layer, fresh[:17])


TINY = {"width": 1 / 16, "pictures": 17, "picture_size": 48, "patches": 20_000}


@pytest.fixture(scope="module")
def tiny() -> NetworkWeights:
    return build_whitened(**TINY)


@pytest.fixture(scope="module")
def tiny_pictures() -> list[NDArray[np.float32]]:
    return list(procedural_pictures(17, 48, 0))


def test_widths_follow_vgg19(tiny: NetworkWeights) -> None:
    assert tiny.layer_names == DEPTH
    assert [tiny.channels(f"conv{block}_1") for block in range(1, 6)] == [4, 8, 16, 32, 32]


def test_each_component_comes_with_both_signs(tiny: NetworkWeights) -> None:
    for layer, (weight, _) in tiny.convolutions.items():
        rows = weight.reshape(len(weight), -1)
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        half = len(rows) // 2
        np.testing.assert_allclose(rows[:half], -rows[half:], atol=2e-3, err_msg=layer)


def test_mean_activation_is_one_on_the_builders_own_pictures(
    tiny: NetworkWeights, tiny_pictures: list[NDArray[np.float32]]
) -> None:
    for layer, means in mean_activations(tiny, tiny_pictures).items():
        np.testing.assert_allclose(means, 1, atol=0.03, err_msg=layer)


def test_components_are_centred_decorrelated_and_thresholded(
    tiny_pictures: list[NDArray[np.float32]],
) -> None:
    """With next to no floor the whitening is exact up to which patches were sampled."""
    threshold = 0.25
    weights = build_whitened(**TINY, threshold=threshold, floor=1e-7)
    passes = [responses(weights, picture) for picture in tiny_pictures]
    for layer in ("conv1_1", "conv1_2", "conv2_1", "conv3_1", "conv5_1"):
        channels = weights.channels(layer)
        z = np.concatenate([one[layer].reshape(channels, -1) for one in passes], axis=1)[: channels // 2]
        deviation = z.std(axis=1)
        np.testing.assert_allclose(z.mean(axis=1) / deviation, -threshold, atol=0.08, err_msg=layer)
        correlation = np.corrcoef(z) - np.eye(len(z))
        assert np.abs(correlation).max() < 0.1, layer


def test_one_seed_one_network(tiny: NetworkWeights) -> None:
    assert build_whitened(**TINY).sha256 == tiny.sha256
    assert build_whitened(**{**TINY, "seed": 1}).sha256 != tiny.sha256


def test_the_weights_are_float16_values(tiny: NetworkWeights) -> None:
    for weight, bias in tiny.convolutions.values():
        for array in (weight, bias):
            np.testing.assert_array_equal(array, array.astype(np.float16).astype(np.float32))


def test_widths_may_differ_from_block_to_block() -> None:
    few = {"pictures": 2, "picture_size": 32, "patches": 500}
    weights = build_whitened(width=(1 / 8, 1 / 16, 1 / 16, 1 / 32, 1 / 64), **few)
    assert [weights.channels(f"conv{block}_1") for block in range(1, 6)] == [8, 8, 16, 16, 8]


def test_single_components_are_all_different() -> None:
    weights = build_whitened(**TINY, pairs=False)
    for layer in ("conv2_1", "conv4_1"):
        rows = weights.convolutions[layer][0].reshape(weights.channels(layer), -1)
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        assert np.abs(rows @ rows.T - np.eye(len(rows))).max() < 0.99, layer


def test_patches_stay_off_the_padding_when_told_to() -> None:
    """A white picture: the input is 2 everywhere, so only a patch over the padding can vary."""
    white = [np.full((3, 8, 8), 2, np.float16)]
    rng = np.random.Generator(np.random.PCG64(0))
    assert np.ptp(_sample_patches(rng, white, 500, border=True)) == 2
    assert np.ptp(_sample_patches(rng, white, 500, border=False)) == 0


def test_a_sparse_rotation_makes_sparser_components(tiny_pictures: list[NDArray[np.float32]]) -> None:
    """Of components of one deviation, sparse ones have the smaller mean distance from their mean."""

    def spread(rotation: Rotation) -> float:
        weights = build_whitened(**TINY, rotation=rotation)
        layer = "conv3_1"
        passes = [responses(weights, picture)[layer].reshape(16, -1)[:8] for picture in tiny_pictures]
        z = np.concatenate(passes, axis=1)
        z = z - z.mean(axis=1, keepdims=True)
        return float(np.mean(np.abs(z).mean(axis=1) / z.std(axis=1)))

    assert spread("sparse") < spread("random")


def test_progress_names_every_layer() -> None:
    seen: list[tuple[str, int, int]] = []
    settings = {**TINY, "pictures": 2, "picture_size": 32, "patches": 100}
    build_whitened(**settings, progress=lambda *report: seen.append(report))
    assert seen == [(name, index, 13) for index, name in enumerate(DEPTH, start=1)]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"width": 0}, "width is 0, expected more than 0"),
        ({"width": (0.5, 0.5)}, "2 widths, expected one or five"),
        ({"rotation": ("none",)}, "1 rotations, expected one or five"),
        ({"seed": -1}, "seed is -1, expected 0 or more"),
        ({"pictures": 0}, "pictures is 0, expected 1 or more"),
        ({"picture_size": 31}, "picture size is 31, expected 32 or more"),
        ({"floor": 0}, "floor is 0, expected more than 0"),
        ({"floor": (0.1, 0.1, 0, 0.1, 0.1)}, "floor is 0, expected more than 0"),
        ({"floor": (0.1, 0.1)}, "2 floors, expected one or five"),
        ({"patches": 1}, "patches is 1, expected 2 or more"),
    ],
)
def test_wrong_settings_name_the_fix(setting: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build_whitened(**setting)
