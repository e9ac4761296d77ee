"""The procedural pictures: range, seeds, variety."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from nst.errors import SettingsError
from nst.models.procedural.pictures import FAMILIES, procedural_picture, procedural_pictures

SIZE = 40


@pytest.mark.parametrize("family", FAMILIES)
def test_a_picture_is_srgb_of_the_asked_size_with_something_on_it(family: str) -> None:
    for seed in range(5):
        picture = procedural_picture(family, SIZE, seed)
        assert picture.shape == (SIZE, SIZE, 3)
        assert picture.dtype == np.float32
        assert 0 <= picture.min() < picture.max() <= 1
        assert picture.std() > 0.01


@pytest.mark.parametrize("family", FAMILIES)
def test_one_seed_one_picture(family: str) -> None:
    first = procedural_picture(family, SIZE, 3)
    np.testing.assert_array_equal(first, procedural_picture(family, SIZE, 3))
    assert np.abs(first - procedural_picture(family, SIZE, 4)).mean() > 0.01


def test_a_longer_series_begins_with_the_shorter_one() -> None:
    short = list(procedural_pictures(5, SIZE, 7))
    long = list(procedural_pictures(9, SIZE, 7))
    assert len(short) == 5
    assert len(long) == 9
    for a, b in zip(short, long, strict=False):
        np.testing.assert_array_equal(a, b)


def test_a_series_of_some_families() -> None:
    found = list(procedural_pictures(3, SIZE, 7, ("dots", "strokes")))
    for index, family in enumerate(("dots", "strokes", "dots")):
        np.testing.assert_array_equal(found[index], procedural_picture(family, SIZE, (7, index)))


def test_no_two_of_a_series_are_alike() -> None:
    pictures = list(procedural_pictures(2 * len(FAMILIES), SIZE, 0))
    for a, b in itertools.combinations(pictures, 2):
        assert np.abs(a - b).mean() > 0.02


def test_the_mix_holds_slow_colour_and_fine_grain() -> None:
    """Energy between neighbouring pixels, as a part of the whole: from skies to hatching."""

    def roughness(picture: np.ndarray) -> float:
        return float(np.diff(picture, axis=1).var() / picture.var())

    values = [roughness(picture) for picture in procedural_pictures(3 * len(FAMILIES), 96, 1)]
    assert min(values) < 0.05
    assert max(values) > 0.5
    assert 0.05 < np.median(values) < 0.5


def test_colours_are_spread_over_the_cube() -> None:
    pixels = np.concatenate([p.reshape(-1, 3) for p in procedural_pictures(4 * len(FAMILIES), SIZE, 2)])
    octants = np.unique((pixels > 0.5) @ [1, 2, 4], return_counts=True)[1]
    assert len(octants) == 8
    assert octants.min() > 0.005 * octants.sum()


def test_wrong_settings_name_the_fix() -> None:
    with pytest.raises(SettingsError, match=r"unknown picture family 'cats': choose from coloured noise"):
        procedural_picture("cats", SIZE, 0)
    with pytest.raises(SettingsError, match=r"picture size is 8, expected 16 or more"):
        next(procedural_pictures(1, 8, 0))
