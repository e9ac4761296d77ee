"""nst.pictures.color: what it changes, when, by how much, and what it refuses."""

import numpy as np
import pytest

from nst.errors import SettingsError
from nst.pictures.color import MODES, Color
from nst.pictures.color_match import moments, to_lab
from nst.pictures.picture import Picture

ACTIVE = [(mode, when) for mode, stages in MODES.items() if mode != "none" for when in stages]
LUMA = np.array([0.299, 0.587, 0.114])


def picture(seed=0, size=(9, 7), low=0.3, high=0.7):
    """Correlated colours, well inside the gamut, with a mean and covariance of their own."""
    rng = np.random.default_rng(seed)
    mixed = rng.random((*size, 3)) @ (np.eye(3) + rng.random((3, 3)))
    return Picture((low + (high - low) * mixed / mixed.max()).astype(np.float32))


def flat(color, size=(4, 5)):
    return Picture(np.full((*size, 3), color, np.float32))


def applied(color, changed, content):
    """`changed` after the step of `color` that changes it."""
    if color.stage == "after":
        return color.finish(changed, content)
    return color.prepare(content, [changed])[1][0]


@pytest.mark.parametrize("mode", MODES)
def test_strength_0_changes_nothing_at_all(mode):
    content, style, result = picture(1), picture(2), picture(3)
    color = Color(mode, strength=0)
    seen, styles = color.prepare(content, [style])
    assert seen is content
    assert styles[0] is style
    assert color.finish(result, content) is result


def test_mode_none_changes_nothing_at_all():
    content, style, result = picture(1), picture(2), picture(3)
    assert Color().prepare(content, [style]) == (content, [style])
    assert Color().finish(result, content) is result


@pytest.mark.parametrize(("mode", "when"), ACTIVE)
def test_each_mode_acts_at_its_time_and_not_at_the_other(mode, when):
    content, style, result = picture(1), picture(2), picture(3)
    color = Color(mode, when=when)
    seen, (prepared,) = color.prepare(content, [style])
    finished = color.finish(result, content)
    assert (prepared is not style) == (when == "before")
    assert (finished is not result) == (when == "after" or mode == "luminance")
    assert (seen is not content) == (mode == "luminance")


def test_the_default_time_is_the_papers():
    assert {mode: Color(mode).stage for mode in MODES} == {
        "none": "before",
        "luminance": "before",
        "match-chol": "before",
        "match-pca": "before",
        "match-sym": "before",
        "histogram": "before",
        "lab": "after",
        "yuv": "after",
        "palette": "after",
    }


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("mode", ["match-chol", "match-pca", "match-sym"])
def test_matched_colours_have_the_contents_mean_and_covariance(mode, when):
    content, other = picture(1), picture(2, size=(8, 11))
    got, want = moments(applied(Color(mode, when=when), other, content)), moments(content)
    assert np.abs(moments(other).covariance - want.covariance).max() > 1e-3
    np.testing.assert_allclose(got.mean, want.mean, atol=1e-7)
    np.testing.assert_allclose(got.covariance, want.covariance, atol=1e-8)


@pytest.mark.parametrize("when", ["before", "after"])
def test_matched_channels_have_the_contents_values(when):
    content, other = picture(1), picture(2)
    got = applied(Color("histogram", when=when), other, content).rgb
    for channel in range(3):
        want = np.sort(content.rgb[..., channel], axis=None)
        np.testing.assert_allclose(np.sort(got[..., channel], axis=None), want, atol=1.6e-5)


def test_yuv_by_hand():
    """Y = .299 x .5 + .587 x .4 + .114 x .6 = .4527; the content's is .2 + .299 x .1 = .2299."""
    result = Color("yuv").finish(flat((0.5, 0.4, 0.6)), flat((0.3, 0.2, 0.2)))
    np.testing.assert_allclose(
        result.rgb[2, 3], [0.4527 + 0.0701, 0.4527 - 0.0299, 0.4527 - 0.0299], atol=1e-6
    )
    half = Color("yuv", 0.5).finish(flat((0.5, 0.4, 0.6)), flat((0.3, 0.2, 0.2)))
    np.testing.assert_allclose(half.rgb[2, 3], [0.5114, 0.4114, 0.5114], atol=1e-6)


def test_luminance_by_hand():
    """Greys 0.2 and 0.4 have mean 0.3 and deviation 0.1; the content's are 0.5 and 0.2: 0.3 and 0.7."""
    style = Picture(np.array([[[0.2] * 3, [0.4] * 3]], np.float32))
    content = Picture(np.array([[[0.3] * 3], [[0.7] * 3]], np.float32))
    seen, (matched,) = Color("luminance").prepare(content, [style])
    np.testing.assert_allclose(matched.rgb, [[[0.3] * 3, [0.7] * 3]], atol=1e-6)
    np.testing.assert_allclose(seen.rgb, content.rgb, atol=1e-6)
    _, (half,) = Color("luminance", 0.5).prepare(content, [style])
    np.testing.assert_allclose(half.rgb, [[[0.25] * 3, [0.55] * 3]], atol=1e-6)


def test_luminance_works_in_grey_and_gives_the_contents_chroma_back():
    content, style, result = picture(1), picture(2), picture(3)
    color = Color("luminance")
    seen, (matched,) = color.prepare(content, [style])
    for grey in (seen.rgb, matched.rgb):
        np.testing.assert_allclose(grey, np.repeat(grey[..., :1], 3, axis=-1), atol=1e-6)
    np.testing.assert_allclose(seen.rgb[..., 0], content.rgb @ LUMA, atol=1e-6)
    got, light = color.finish(result, content).rgb, (result.rgb @ LUMA)[..., None]
    np.testing.assert_allclose(got - light, content.rgb - (content.rgb @ LUMA)[..., None], atol=1e-6)


def test_luminance_counts_the_painted_chroma_by_what_the_strength_leaves():
    """If the transfer returned its content, the colours would be the content's at every strength."""
    content = picture(1)
    for strength in (0.25, 0.5, 0.75):
        color = Color("luminance", strength)
        seen, _ = color.prepare(content, [picture(2)])
        kept = np.sqrt(1 - strength) * (content.rgb - (content.rgb @ LUMA)[..., None])
        np.testing.assert_allclose(seen.rgb - (content.rgb @ LUMA)[..., None], kept, atol=1e-6)
        np.testing.assert_allclose(color.finish(seen, content).rgb, content.rgb, atol=1e-6)


@pytest.mark.parametrize("mode", ["lab", "yuv"])
def test_a_result_like_the_content_keeps_its_colours(mode):
    content = picture(1)
    np.testing.assert_allclose(Color(mode).finish(content, content).rgb, content.rgb, atol=1e-6)


@pytest.mark.parametrize(("mode", "when"), ACTIVE)
def test_more_strength_moves_every_colour_further(mode, when):
    content, other = picture(1), picture(2)
    steps = [applied(Color(mode, t, when), other, content).rgb for t in (0, 0.25, 0.5, 0.75, 1)]
    if mode == "luminance":  # what moves on a line is the luma; chroma goes with the square root
        steps = [step @ LUMA for step in steps]
    if mode == "palette":  # a line of CIE L*a*b*, too short for its bends in RGB to be told apart
        steps = [to_lab(step.astype(np.float64))[..., 1:] for step in steps]
    moves = np.diff(np.stack(steps), axis=0)
    along = np.sign(steps[-1] - steps[0])
    assert (moves * along).min() > -1e-6
    assert [np.abs(move).max() > 1e-3 for move in moves] == [True] * 4


DEGENERATE = {
    "one pixel": flat((0.2, 0.5, 0.9), (1, 1)),
    "black": flat((0, 0, 0)),
    "white": flat((1, 1, 1)),
    "one colour": flat((0.9, 0.1, 0.4)),
    "grey": Picture(np.repeat(np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5, 1), 3, axis=2)),
    "two colours": Picture(np.array([[[1, 0, 0], [0, 0, 1]]], np.float32)),
    "a row": picture(4, size=(1, 30), low=0, high=1),
    "invisible": Picture(picture(5).rgb, np.zeros((9, 7), np.float32)),
}


@pytest.mark.parametrize("changed", DEGENERATE)
@pytest.mark.parametrize("content", DEGENERATE)
def test_no_picture_is_too_poor(changed, content):
    for mode, when in ACTIVE:
        for strength in (0.5, 1):
            color, other = Color(mode, strength, when), DEGENERATE[content]
            seen, styles = color.prepare(other, [DEGENERATE[changed]])
            final = color.finish(DEGENERATE[changed], other)
            for given, got in ((other, seen), (DEGENERATE[changed], styles[0]), (DEGENERATE[changed], final)):
                assert got.rgb.dtype == np.float32
                assert got.rgb.shape == given.rgb.shape
                assert got.alpha is given.alpha
                assert 0 <= got.rgb.min() <= got.rgb.max() <= 1, mode  # NaN fails both


@pytest.mark.parametrize("mode", ["match-chol", "match-pca", "match-sym", "histogram"])
def test_grey_and_flat_targets_are_met(mode):
    grey = applied(Color(mode), picture(2), DEGENERATE["grey"]).rgb
    np.testing.assert_allclose(grey, np.repeat(grey.mean(axis=-1, keepdims=True), 3, axis=-1), atol=1e-4)
    one = applied(Color(mode), picture(2), DEGENERATE["one colour"]).rgb
    np.testing.assert_allclose(one, np.broadcast_to(np.float32([0.9, 0.1, 0.4]), one.shape), atol=1e-6)
    back = applied(Color(mode), flat((0.1, 0.2, 0.3)), picture(2)).rgb
    middle = np.mean if mode != "histogram" else np.median
    np.testing.assert_allclose(back[0, 0], middle(picture(2).rgb, axis=(0, 1)), atol=1e-2)


@pytest.mark.parametrize(("mode", "when"), ACTIVE)
def test_hidden_pixels_have_no_say(mode, when):
    """Pictures that differ only where alpha is 0 give the same visible result."""
    alpha = np.ones((9, 7), np.float32)
    alpha[:4] = 0
    alpha[4] = 0.5

    def with_hidden(seed, value):
        rgb = picture(seed).rgb.copy()
        rgb[:4] = value
        return Picture(rgb, alpha)

    results = [
        applied(Color(mode, when=when), with_hidden(2, value), with_hidden(1, 1 - value)).rgb[4:]
        for value in (0.35, 0.65)
    ]
    np.testing.assert_allclose(results[0], results[1], atol=3e-5)


def test_each_style_is_matched_on_its_own():
    content, styles = picture(1), [picture(2), picture(3, size=(5, 5))]
    _, both = Color("match-pca").prepare(content, styles)
    for style, matched in zip(styles, both, strict=True):
        np.testing.assert_array_equal(matched.rgb, Color("match-pca").prepare(content, [style])[1][0].rgb)


@pytest.mark.parametrize("mode", ["luminance", "yuv", "lab"])
def test_the_result_may_have_another_size_than_the_content(mode):
    content = flat((0.3, 0.2, 0.2), (20, 30))
    small = Color(mode).finish(flat((0.5, 0.5, 0.5), (3, 4)), content)
    assert small.size == (4, 3)
    assert small.rgb[1, 1, 0] > small.rgb[1, 1, 1] + 0.05


def test_input_arrays_are_left_alone():
    content, style, result = picture(1), picture(2), picture(3)
    copies = [item.rgb.copy() for item in (content, style, result)]
    for mode, when in ACTIVE:
        color = Color(mode, when=when)
        color.prepare(content, [style])
        color.finish(result, content)
    for item, copy in zip((content, style, result), copies, strict=True):
        np.testing.assert_array_equal(item.rgb, copy)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"mode": "sepia"}, "color is 'sepia': it must be one of none, luminance,"),
        ({"mode": "yuv", "strength": 1.5}, "color strength is 1.5: it must be a number from 0 to 1"),
        ({"mode": "yuv", "strength": float("nan")}, "color strength is nan"),
        ({"mode": "yuv", "strength": True}, "color strength is True"),
        ({"mode": "yuv", "when": "during"}, "color when is 'during': it must be before or after"),
        ({"mode": "yuv", "when": "before"}, "color yuv cannot work before the transfer"),
        ({"mode": "lab", "when": "before"}, "color lab cannot work before the transfer"),
        ({"mode": "luminance", "when": "after"}, "color luminance cannot work after the transfer"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(arguments, words):
    with pytest.raises(SettingsError) as caught:
        Color(**arguments)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)
