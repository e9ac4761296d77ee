"""Content targets that are swapped for the style's features, against a search written out here."""

import numpy as np
import pytest

import nst
from nst.backends import get_backend
from nst.encoding.encoder import Encoder
from nst.errors import SettingsError
from nst.losses.content import ContentTerm, content_targets, swapped
from nst.pictures.masks import Masks
from nst.pictures.picture import Picture
from nst.pictures.scene import make_scene

LAYER, KEY = "conv1_1", "content/conv1_1/maps"
BACKEND = get_backend("numpy", dtype="float64")
TERM = ContentTerm({LAYER: 1.0})


class IdentityNetwork:
    """The picture itself as its only feature map."""

    native = None

    def __call__(self, ops, x):
        return {LAYER: x}


def picture(seed, height=4, width=5):
    return Picture(np.random.default_rng(seed).random((height, width, 3), np.float32))


def targets(content, styles, shares, swap, masks=None):
    """(H, W, 3): each position's target, where a feature map is the picture itself."""
    scene = make_scene(content, styles, shares, masks)
    encoder = Encoder(BACKEND, IdentityNetwork(), (LAYER,), *content.rgb.shape[:2])
    plain = content_targets(TERM, encoder, BACKEND.from_numpy(content.rgb.transpose(2, 0, 1)[None]))
    (view,) = swapped(TERM, encoder, scene, plain, swap)
    return BACKEND.to_numpy(view[KEY])[0].transpose(1, 2, 0)


def nearest(content, style, counted=None):
    """By the definition, one position at a time: the greatest cosine of colours less their mean."""
    candidates = style.rgb.reshape(-1, 3).astype(np.float64)
    candidates = candidates if counted is None else candidates[counted.ravel()]
    found = np.empty(content.rgb.shape)
    for place in np.ndindex(content.rgb.shape[:2]):
        own = content.rgb[place] - content.rgb.mean(axis=(0, 1), dtype=np.float64)
        likeness = []
        for candidate in candidates:
            other = candidate - candidates.mean(axis=0)
            likeness.append(own @ other / np.linalg.norm(own) / np.linalg.norm(other))
        found[place] = candidates[int(np.argmax(likeness))]
    return found


def test_each_position_takes_the_most_similar_feature():
    content, style = picture(1), picture(2, 3, 7)
    np.testing.assert_allclose(targets(content, [style], [1.0], 1.0), nearest(content, style), atol=1e-12)
    mixed = 0.25 * nearest(content, style) + 0.75 * content.rgb
    np.testing.assert_allclose(targets(content, [style], [1.0], 0.25), mixed, atol=1e-7)


def test_a_content_that_is_its_own_style_keeps_its_targets():
    content = picture(1)
    np.testing.assert_allclose(targets(content, [content], [1.0], 1.0), content.rgb, atol=1e-12)


def test_styles_are_blended_by_their_shares():
    content, styles = picture(1), [picture(2), picture(3, 6, 6)]
    want = 0.3 * nearest(content, styles[0]) + 0.7 * nearest(content, styles[1])
    np.testing.assert_allclose(targets(content, styles, [0.3, 0.7], 1.0), want, atol=1e-7)


def test_masks_tell_where_and_from_what():
    """The left half has the first style, the right half the second; of that one the upper rows count; a row is kept.

    A mask at conv1_1 is a 3x3 mean of pixels, so that each half has an inside.
    """
    content, styles = picture(1, 6, 12), [picture(2), picture(3, 8, 4)]
    left, kept, upper = (
        np.zeros((6, 12), np.float32),
        np.zeros((6, 12), np.float32),
        np.zeros((8, 4), np.float32),
    )
    left[:, :6] = kept[4:] = upper[:4] = 1
    got = targets(content, styles, [0.5, 0.5], 1.0, Masks((left, 1 - left), (None, upper), protect=kept))
    np.testing.assert_allclose(got[:3, :5], nearest(content, styles[0])[:3, :5], atol=1e-6)
    # at the edge of the upper half a position sees two thirds of it, one row further a third
    np.testing.assert_allclose(got[:3, 7:], nearest(content, styles[1], upper > 0)[:3, 7:], atol=1e-6)
    np.testing.assert_allclose(got[5], content.rgb[5], atol=1e-6)


def test_a_large_style_is_looked_through_in_strides(monkeypatch):
    content, style = picture(1), picture(2, 9, 9)
    monkeypatch.setattr("nst.losses.content.MOST", 30)
    every_third = np.zeros(81, bool)
    every_third[::3] = True
    want = nearest(content, style, every_third)
    np.testing.assert_allclose(targets(content, [style], [1.0], 1.0), want, atol=1e-12)


def array(picture):
    return (255 * picture.rgb).astype(np.uint8)


def test_a_run_is_pulled_to_the_style_and_not_to_the_content(small_network):
    """From the content, a plain content loss is 0; with targets of the style it is not, and falls."""
    options = {
        "size": 48,
        "steps": 5,
        "scales": 1,
        "style_weight": 0.0,
        "content_layers": "conv3_1",
        "octave_noise": 0,
    }
    transfer = nst.StyleTransfer(
        array(picture(1, 48, 48)), array(picture(2, 40, 56)), content_swap=1.0, weights=small_network, backend="numpy",
        **options,
    )  # fmt: skip
    losses = [progress.losses().terms["content"] for progress in transfer.iterate()]
    assert losses[0] > 0
    assert losses[-1] < 0.8 * losses[0]


def test_without_a_style_there_is_nothing_to_take(small_network):
    with pytest.raises(SettingsError, match="content swap needs a style picture"):
        nst.stylize(
            array(picture(1, 48, 48)), [], content_swap=0.5, style_weight=0.0, steps=1,
            size=48, weights=small_network, backend="numpy", content_layers="conv3_1",
        )  # fmt: skip
