"""Coarse to fine: sizes, steps, and how one scale hands over to the next."""

from dataclasses import replace

import numpy as np
import pytest

import nst
from nst.backends.numpy.backend import NumpyBackend
from nst.engine.pyramid import scale_sizes, schedule, split_steps
from nst.engine.stage import Stage
from nst.errors import SettingsError
from nst.optim import Averaged, State
from nst.pictures.picture import resample


@pytest.mark.parametrize(
    ("spec", "longest", "shortest", "expected"),
    [
        ("auto", 512, 384, (128, 181, 256, 362, 512)),
        ("auto", 182, 182, (129, 182)),
        ("auto", 181, 181, (181,)),  # half an octave below lies under 128
        ("auto", 100, 80, (100,)),
        (
            "auto",
            2048,
            100,
            (362, 512, 724, 1024, 1448, 2048),
        ),  # 256 px would be 12.5 px high: conv5_1 needs 16
        (1, 512, 384, (512,)),
        (3, 512, 384, (256, 362, 512)),
        ((128, 300), 512, 384, (128, 300, 512)),
        ((128, 512), 512, 384, (128, 512)),
    ],
)
def test_sizes(spec, longest, shortest, expected):
    assert scale_sizes(spec, longest, shortest, 16) == expected


@pytest.mark.parametrize("spec", [(300, 200), (600,), (128, 128)])
def test_sizes_that_do_not_rise_to_the_result(spec):
    with pytest.raises(SettingsError, match="give rising sizes up to the result's 512 pixels"):
        scale_sizes(spec, 512, 384, 16)


def test_steps():
    # one each, and in proportion to the sides: 10 * 100 / 400 = 2.5, 7.5; what is over goes to the finest
    assert split_steps(12, (100, 300)) == (1 + 2, 1 + 8)
    assert split_steps(14, (128, 256)) == (5, 9)
    assert split_steps(200, (128, 181, 256, 362, 512)) == (18, 25, 36, 50, 71)
    assert split_steps(3, (128, 181, 256)) == (1, 1, 1)
    assert split_steps(1, (128, 181, 256)) == (0, 0, 1)
    assert split_steps((5, 2, 1), (128, 181, 256)) == (5, 2, 1)
    with pytest.raises(SettingsError, match=r"2 numbers of steps for 3 scales \(128,181,256 pixels\)"):
        split_steps((5, 2), (128, 181, 256))


def test_a_scale_without_steps_is_left_out_but_for_the_last():
    assert schedule((128, 256), (0, 4, 0), 512, 384, 16) == ((256, 4), (512, 0))


@pytest.fixture
def options(small_network):
    return {"backend": "numpy", "weights": small_network, "size": "content"}


def picture(seed, height, width):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def test_the_run_passes_through_the_sizes(options):
    transfer = nst.StyleTransfer(picture(0, 24, 48), picture(1, 40, 30), scales=(24, 32), steps=(2, 1, 2), **options,
                                 content_layers="conv2_1", style_layers="conv1_1")  # fmt: skip
    records = list(transfer.iterate())
    assert [(r.step, r.steps, r.scale, r.scales, r.size) for r in records] == [
        (0, 5, 1, 3, (24, 12)),
        (1, 5, 1, 3, (24, 12)),
        (2, 5, 1, 3, (24, 12)),
        (3, 5, 2, 3, (32, 16)),
        (4, 5, 3, 3, (48, 24)),
        (5, 5, 3, 3, (48, 24)),
    ]
    assert transfer.run().shape == (24, 48, 3)


def test_no_step_at_the_full_size_still_gives_a_picture_of_that_size(options):
    result = nst.stylize(picture(0, 32, 48), picture(1, 40, 30), scales=(24,), steps=(1, 0), **options)
    assert result.shape == (32, 48, 3)


def test_no_step_at_the_full_size_is_no_work_there(options, monkeypatch):
    """No network sees the large picture, memory is planned for the size that has steps, and losses are those there."""
    sizes = []

    class Watched(Stage):
        def __init__(self, scene, *more, **options):
            sizes.append(scene.size)
            super().__init__(scene, *more, **options)

    monkeypatch.setattr("nst.transfer.Stage", Watched)
    large = picture(0, 640, 960)
    transfer = nst.StyleTransfer(large, picture(1, 40, 30), scales=(24,), steps=(2, 0), **options)
    assert transfer.plan.history_bytes == 2 * 2 * 3 * 8 * 24 * 16
    *_, coarse, fine = transfer.iterate()
    assert sizes == [(24, 16)]
    assert (coarse.size, fine.size, fine.step, fine.scale) == ((24, 16), (960, 640), 2, 2)
    assert fine.losses() == coarse.losses()
    change = coarse.raw_picture().rgb - transfer._scene.at(24).content.rgb
    expected = transfer.content.rgb + resample(change, 960, 640)
    np.testing.assert_allclose(fine.raw_picture().rgb, expected.clip(0, 1), atol=1e-6)


def test_the_change_is_handed_over_and_not_the_picture(options):
    """Without a change at the coarse scale the fine one starts from its own content, with all detail."""
    content = picture(0, 32, 48)
    transfer = nst.StyleTransfer(content, picture(1, 40, 30), scales=(24,), steps=(1, 0), **options)
    start, fine = transfer.start.first(24, 16), transfer.start.first(48, 32)
    np.testing.assert_allclose(transfer.start.go_on(start, 48, 32), fine, atol=1e-6)
    shifted = transfer.start.go_on(start + np.float32(0.25), 48, 32)
    np.testing.assert_allclose(shifted, fine + 0.25, atol=1e-6)


def test_a_weight_of_the_paper_means_the_same_at_every_scale(options):
    """Its content loss is a sum over pixels, its style loss a mean: alpha is carried over by the number of pixels."""
    transfer = nst.StyleTransfer(
        picture(0, 32, 48), picture(1, 40, 30), scales=(24,), steps=(1, 1), content_weight=3.0, **options
    )
    first, *_, last = transfer.iterate()
    assert first.weights["content"] == pytest.approx(3.0 * (32 * 48) / (16 * 24))
    assert last.weights["content"] == 3.0
    assert last.settings.content_weight == 3.0


def test_a_start_from_a_picture_goes_on_from_it(options):
    transfer = nst.StyleTransfer(
        picture(0, 150, 200), picture(1, 40, 30), init=picture(2, 150, 200), steps=0, **options
    )
    assert transfer.schedule == ((200, 0),)


def test_average_by_hand():
    class Doubling:
        """1, 2, 4, then it stops."""

        def start(self, space, x, evaluation):
            return State(x, evaluation, 0.0)

        def advance(self, space, objective, state):
            if state.step == 3:
                return replace(state, stopped="converged")
            return replace(state, x=np.array([2.0**state.step]), step=state.step + 1)

    space, averaged = NumpyBackend().space, Averaged(Doubling(), 0.5)
    state = averaged.start(space, np.array([9.0]), None)
    assert state.result(space) == 9.0
    for _ in range(4):
        state = averaged.advance(space, None, state)
        assert state.x == min(2 ** (state.step - 1), 4)
    assert (state.step, state.stopped) == (3, "converged")
    # weights 1/8, 1/4, 1/2 over their sum 7/8
    assert state.result(space) == pytest.approx((1 / 8 + 2 / 4 + 4 / 2) / (7 / 8))


def test_the_averaged_picture_is_what_is_seen(options):
    small = {**options, "content_layers": "conv2_1", "style_layers": "conv1_1", "steps": 3, "octave_noise": 0}
    content, style = picture(0, 24, 24), picture(1, 24, 24)
    pictures = [r.picture().rgb for r in nst.StyleTransfer(content, style, **small).iterate()]
    *_, last = nst.StyleTransfer(content, style, average=0.5, **small).iterate()
    states = [np.asarray(p, float) for p in pictures[1:]]
    inside = np.all([(s > 0) & (s < 1) for s in states], axis=0)
    expected = (states[0] / 8 + states[1] / 4 + states[2] / 2) / (7 / 8)
    assert inside.mean() > 0.5
    np.testing.assert_allclose(last.picture().rgb[inside], expected[inside], atol=1e-5)


def photograph(height, width):
    """Smooth: what a size begins with beside it is seen."""
    rows, columns = np.linspace(0, 1, height)[:, None, None], np.linspace(0, 1, width)[None, :, None]
    return np.uint8(255 * np.concatenate([rows + 0 * columns, columns + 0 * rows, 0.5 * (rows + columns)], 2))


@pytest.mark.parametrize(
    ("changes", "first", "second"),
    [
        ({}, 0.7, 0.7),
        ({"octave_noise": 0.2}, 0.2, 0.2),
        ({"octave_noise": 0}, 0, 0),
        ({"init": "noise"}, 0, 0.7),
        ({"style_strength": 0.0}, 0, 0),
        ({"style_strength": 0.2}, 0.28, 0.28),  # 2 * 0.2 as much style as by default
        ({"style_strength": 0.9}, 0.7, 0.7),
        ({"balance": 30 / 16}, 0.28, 0.28),  # of a strength of 0.2: (0.2 / 0.8) ** 2 = 1 / 16
        ({"content_weight": 0.0}, 0.7, 0.7),
    ],
)
def test_a_size_begins_with_as_much_noise_as_there_is_style(options, changes, first, second):
    transfer = nst.StyleTransfer(
        photograph(32, 48), picture(1, 40, 30), scales=(24,), steps=(2, 2), **options, **changes
    )
    run = transfer._run
    for number, longest, ratio, amount in ((1, 24, 2**-0.5, first), (2, 48, 0.5, second)):
        stage = transfer._stage(longest)
        noise = run._noise(number, stage)
        if amount == 0:
            assert noise is None
        else:
            np.testing.assert_allclose(noise, amount * transfer.start.octave(stage.scene, ratio), atol=1e-6)


def test_no_noise_is_in_a_picture_that_nobody_painted(options):
    """Step 0, and a size without steps."""
    content = photograph(32, 48)
    still = nst.stylize(content, picture(1, 40, 30), steps=0, **options)
    assert np.array_equal(still, content)
    transfer = nst.StyleTransfer(content, picture(1, 40, 30), steps=20, scales=1, **options)
    records = []
    for record in transfer.iterate():
        seen, kept = record.raw_picture().rgb, record.array()[0].transpose(1, 2, 0)
        records.append((seen, float(np.abs(seen - kept.clip(0, 1)).mean())))
    np.testing.assert_allclose(records[0][0], content / np.float32(255), atol=1e-6)
    hidden = [amount for _, amount in records]
    assert hidden[0] > hidden[5] > 0.3 * hidden[0]
    assert max(hidden[10:]) < 1e-6  # from then on a picture is what the losses are of
