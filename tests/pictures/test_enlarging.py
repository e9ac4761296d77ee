"""A result brought up to size: in strips as in one piece, with as much of the photograph as the painting follows."""

import numpy as np
import pytest
from PIL import Image

from nst.pictures import enlarging
from nst.pictures.enlarging import enlarged, following
from nst.pictures.picture import Picture, resize


def noise(seed, height, width, channels=3):
    return np.random.default_rng(seed).random((height, width, channels)).astype(np.float32)


def bicubic(values, width, height):
    planes = [
        Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC)
        for plane in np.moveaxis(values, 2, 0)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


@pytest.mark.parametrize("size", [(120, 90), (40, 30)])
@pytest.mark.parametrize("alpha", [False, True])
def test_strips_do_not_show(size, alpha, monkeypatch):
    content = Picture(noise(0, 60, 80), noise(3, 60, 80, 1)[..., 0] / 2 + 0.5 if alpha else None)
    result, before = Picture(noise(1, 18, 24)), Picture(noise(2, 18, 24))
    whole = enlarged(result, before, content, *size)
    monkeypatch.setattr(enlarging, "STRIP", 7)
    told = []
    strips = enlarged(result, before, content, *size, told=lambda *words: told.append(words))
    assert (whole.mode, whole.size) == ("RGBA" if alpha else "RGB", size)
    assert np.abs(np.asarray(whole, int) - np.asarray(strips, int)).max() <= 1
    assert told[0] == (7, size[1])
    assert told[-1] == (size[1], size[1])


def test_where_the_painting_follows_it_is_the_change_of_the_pyramid(monkeypatch):
    monkeypatch.setattr(enlarging, "following", lambda x, p: np.ones((*x.shape[:2], 1), np.float32))
    content = Picture(noise(0, 60, 80) / 2 + 0.25)
    before = resize(content, 24, 18)
    result = Picture(before.rgb + 0.1 * noise(1, 18, 24))
    expected = content.rgb + bicubic(result.rgb - before.rgb, 80, 60)
    found = np.asarray(enlarged(result, before, content, 80, 60)) / 255
    np.testing.assert_allclose(found, expected.clip(0, 1), atol=0.51 / 255)


def test_where_it_does_not_follow_it_is_enlarged_and_nothing_else():
    """Flat paint over a photograph: no photograph shines through."""
    content = Picture(noise(0, 60, 80))
    flat = Picture(np.full((18, 24, 3), 0.4, np.float32))
    found = np.asarray(enlarged(flat, resize(content, 24, 18), content, 80, 60))
    assert np.unique(found).tolist() == [102]  # 0.4 of 255


def test_how_far_a_painting_follows():
    """The slope of a line: of x = 0.3 p + 0.2 it is 0.3, of what is turned round 0, of what is steeper 1."""
    p = noise(0, 40, 50)
    for slope, expected in ((0.3, 0.3), (-0.5, 0.0), (1.5, 1.0), (0.0, 0.0)):
        found = following(slope * p + np.float32(0.2), p)
        assert found.shape == (40, 50, 1)
        # the ridge takes 1e-3 of a variance of 3/12
        np.testing.assert_allclose(found, expected, rtol=0.03, atol=1e-6)
