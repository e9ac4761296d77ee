"""Videos in the library: what a frame starts from, what is reused, how much it flickers."""

from itertools import pairwise

import numpy as np
import pytest
from skimage import data

import nst
from nst import get_backend
from nst.errors import ImageError, SettingsError
from nst.losses.temporal import Temporal
from nst.video import Last, VideoTransfer, stylize_frames
from nst.video.flow import confidence, warp

BACKEND = get_backend("numpy")
WIDTH, HEIGHT, RIGHT = 48, 32, 3
CAT = data.chelsea()[100:250:2, 100:300:2]
FRAMES = [CAT[10 : 10 + HEIGHT, 4 + RIGHT * k : 4 + RIGHT * k + WIDTH].copy() for k in range(3)]
STYLE = data.coffee()[:160:4, :200:4]
LAYERS = {"content_layers": "conv3_1", "style_layers": "conv1_1,conv2_1,conv3_1", "size": "content"}


def pan(frame, other):
    """The flow between two neighbours of FRAMES, known beforehand."""
    forward = np.array_equal(frame[:, :-RIGHT], other[:, RIGHT:])
    return np.broadcast_to(np.float32([RIGHT if forward else -RIGHT, 0]), (HEIGHT, WIDTH, 2)).copy()


@pytest.fixture
def options(small_network):
    return {"backend": BACKEND, "weights": small_network, "steps": 6, "flow": pan, **LAYERS}


def test_a_frame_starts_from_the_last_result_moved(options):
    first, second, third = stylize_frames(FRAMES, STYLE, next_steps=0, **options)
    assert (second.shape, second.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
    assert not np.array_equal(first, FRAMES[0])
    np.testing.assert_array_equal(second[:, :-RIGHT], first[:, RIGHT:])
    np.testing.assert_array_equal(third[:, : -2 * RIGHT], first[:, 2 * RIGHT :])


def test_the_frames_that_follow_have_the_precision_of_the_last_size(options, need):
    need("torch")
    sized = {"backend": "torch", "scales": [24], "precision": ["bf16", "fp32"]}
    video = VideoTransfer(FRAMES[0], STYLE, next_steps=1, **{**options, **sized})
    assert [backend.precision for backend in video.first.backends] == ["bfloat16", "float32"]
    run = video.after(Last(FRAMES[0], np.float32(FRAMES[0] / 255)), FRAMES[1])
    assert run.backends == (video.first.backend,)


def test_what_was_outside_starts_from_the_frame_in_the_colours_of_the_paint(options):
    dark = [frame // 2 for frame in FRAMES]
    paint = np.float32([0.2, 0.1, 0.3])  # which the last result has everywhere on top of its frame
    video = VideoTransfer(dark[0], STYLE, next_steps=0, **options)
    last = Last(dark[0], np.float32(dark[0] / 255) + paint)
    *_, record = video.after(last, dark[1]).iterate()
    np.testing.assert_allclose(record.raw_picture().rgb, dark[1] / 255 + paint, atol=1e-5)


def test_another_scene_starts_from_itself(options):
    far = {**options, "flow": lambda start, end: np.full((*start.shape[:2], 2), 1e3, np.float32)}
    video = VideoTransfer(FRAMES[0], STYLE, next_steps=0, **far)
    *_, record = video.after(Last(FRAMES[0], np.float32(FRAMES[0] / 255)), FRAMES[2]).iterate()
    np.testing.assert_allclose(record.raw_picture().rgb, FRAMES[2] / 255, atol=1e-6)


@pytest.mark.parametrize("tile", ["off", 32])
def test_what_is_reused_changes_nothing(tile, options, small_network):
    """A later frame is the transfer that one would set up anew with alpha and beta of the first frame."""
    video = VideoTransfer(FRAMES[0], STYLE, temporal_weight=30.0, next_steps=4, tile=tile, **options)
    *_, before = video.first.iterate()
    last = Last(FRAMES[0], before.raw_picture().rgb)
    begin, *_, record = video.after(last, FRAMES[1]).iterate()

    floats = [frame.astype(np.float32) / 255 for frame in FRAMES]
    back, forth = pan(floats[1], floats[0]), pan(floats[0], floats[1])
    believed, warped = confidence(back, forth), warp(last.result, back, sharp=True)
    start = begin.raw_picture().rgb
    anew = nst.StyleTransfer(
        FRAMES[1], STYLE, backend=BACKEND, weights=small_network, steps=4, scales=1, init=start, tile=tile,
        content_weight=before.weights["content"],
        extra_terms=[Temporal(30.0, warped, believed)], **LAYERS,
    )  # fmt: skip
    *_, expected = anew.iterate()
    assert record.weights == pytest.approx({**before.weights, "temporal": 30.0})
    assert record.losses().terms == pytest.approx(dict(expected.losses().terms), rel=1e-5)
    np.testing.assert_allclose(record.raw_picture().rgb, expected.raw_picture().rgb, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch", "tf", "onnx"])
def test_every_backend_goes_from_frame_to_frame(name, need, options):
    need(name)
    options = {**options, "steps": 3, "next_steps": 2}
    expected = list(stylize_frames(FRAMES, STYLE, **options))
    results = list(stylize_frames(FRAMES, STYLE, **{**options, "backend": get_backend(name, "cpu")}))
    for result, want in zip(results, expected, strict=True):
        assert np.abs(result.astype(int) - want).max() <= 2


def test_nothing_is_compiled_for_a_later_frame(options):
    class Counting(type(BACKEND)):
        compiled = networks = 0

        def compile(self, *arguments):
            Counting.compiled += 1
            return super().compile(*arguments)

        def network(self, *arguments):
            Counting.networks += 1
            return super().network(*arguments)

    counts = []
    for _ in stylize_frames(FRAMES, STYLE, next_steps=1, scales=1, **{**options, "backend": Counting()}):
        counts.append((Counting.compiled, Counting.networks))
    assert counts[0] != counts[1] == counts[2]


def flicker(results):
    """Mean |x_t - x_(t-1) moved| of what the first frame saw (what is uncovered is still being painted), in 0 ... 1."""
    changes = [
        a[:, : WIDTH - t * RIGHT].astype(float) - b[:, RIGHT : WIDTH - (t - 1) * RIGHT]
        for t, (b, a) in enumerate(pairwise(results), start=1)
    ]
    return np.mean([np.abs(change).mean() for change in changes]) / 255


@pytest.mark.slow
def test_it_flickers_less(options, small_network):
    alone = [
        nst.stylize(frame, STYLE, backend=BACKEND, weights=small_network, steps=25, **LAYERS)
        for frame in FRAMES
    ]
    options = {**options, "steps": 25, "next_steps": 15}
    moved = list(stylize_frames(FRAMES, STYLE, temporal_weight=0, **options))
    default = list(stylize_frames(FRAMES, STYLE, **options))
    held = list(stylize_frames(FRAMES, STYLE, temporal_weight=2000, **options))
    # measured 0.0321, 0.0138, 0.0122, 0.0059; docs/video.md has a trained network's
    measured = [flicker(results) for results in (alone, moved, default, held)]
    assert measured[1] < 0.5 * measured[0]
    assert measured[2] < 0.96 * measured[1]
    assert measured[3] < 0.5 * measured[1]
    changed = np.abs(held[2].astype(float) - FRAMES[2]).mean() / 255
    assert changed > 5 * measured[3]  # and not because nothing is painted


def test_the_flow_is_found_unless_it_is_given(options):
    del options["flow"]
    results = list(stylize_frames(FRAMES, STYLE, next_steps=0, **options))
    inner = slice(4, -4), slice(4, -12)
    moved = np.abs(results[1][inner].astype(float) - np.roll(results[0], -RIGHT, axis=1)[inner]).mean()
    still = np.abs(results[1][inner].astype(float) - results[0][inner]).mean()
    assert moved < 0.3 * still


def test_what_goes_on_is_the_picture_before_its_colours_are_put_back(options):
    """Grey is moved along, and each frame gets the colours of its own content."""
    video = VideoTransfer(FRAMES[0], STYLE, next_steps=0, color="luminance", **options)
    *_, before = video.first.iterate()
    grey = before.raw_picture().rgb
    assert np.ptp(grey[:, :WIDTH], axis=-1).mean() < 0.2 * np.ptp(before.picture().rgb, axis=-1).mean()
    *_, record = video.after(Last(FRAMES[0], grey), FRAMES[1]).iterate()
    np.testing.assert_array_equal(record.raw_picture().rgb[:, :-RIGHT], grey[:, RIGHT:])
    weights = [0.299, 0.587, 0.114]
    chroma = record.picture().rgb - (record.picture().rgb @ weights)[..., None]
    own = FRAMES[1] / 255 - (FRAMES[1] / 255 @ weights)[..., None]
    assert np.abs(chroma - own).mean() < 0.02


def test_what_is_protected_is_that_of_each_frame(options):
    mask = np.zeros(FRAMES[0].shape[:2], np.float32)
    mask[8:24, 8:32] = 1
    video = VideoTransfer(FRAMES[0], STYLE, next_steps=0, masks={"protect": mask}, **options)
    *_, before = video.first.iterate()
    *_, record = video.after(Last(FRAMES[0], before.raw_picture().rgb), FRAMES[1]).iterate()
    inner = slice(12, 20), slice(12, 28)
    np.testing.assert_allclose(record.picture().rgb[inner], FRAMES[1][inner] / 255, atol=1e-5)
    assert np.abs(FRAMES[1][inner] - FRAMES[0][inner].astype(float)).mean() > 5


def test_frames_of_another_size_are_refused(options):
    results = stylize_frames([FRAMES[0], FRAMES[1][:-1]], STYLE, next_steps=1, **options)
    next(results)
    with pytest.raises(ImageError, match="a frame has 48x31 pixels, the first one 48x32"):
        next(results)


@pytest.mark.parametrize("weight", [-1, float("inf"), float("nan"), "1", True])
def test_bad_weights_are_refused(weight, options):
    with pytest.raises(SettingsError, match="temporal weight"):
        VideoTransfer(FRAMES[0], STYLE, temporal_weight=weight, **options)


def test_no_frames_no_results():
    assert list(stylize_frames([], STYLE)) == []
