"""A run that is watched and ended by the program around it: callback, progress, deadline, cancel."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import nst
from nst import control
from nst.engine.stage import Stage
from nst.engine.start import Start
from nst.errors import SettingsError
from nst.pictures.picture import resize

SCALES = {"scales": (32, 64), "steps": (3, 4), "size": 64}


@pytest.fixture
def content(pictures):
    """(24, 32, 3) uint8."""
    return np.asarray(Image.open(pictures.content))


@pytest.fixture
def options(small_network):
    return {"backend": "numpy", "weights": small_network, **SCALES}


@pytest.fixture
def clock(monkeypatch):
    """A clock that is moved by hand: clock[0] in seconds."""
    now = [100.0]
    monkeypatch.setattr(control, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.fixture
def transfer(content, pictures, options):
    return nst.StyleTransfer(content, pictures.style, **options)


def test_a_whole_run(transfer, content):
    seen = []
    result = transfer.paint(seen.append)
    records = list(transfer.iterate())
    assert [record.step for record in seen] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert (result.steps, result.asked, result.stopped, result.size) == (7, 7, None, (64, 48))
    assert (result.image.dtype, result.image.shape) == (content.dtype, (48, 64, 3))
    assert np.array_equal(result.image, records[-1].image())
    assert np.array_equal(transfer.run(), result.image)
    assert (result.settings.size, result.settings.steps) == (64, (3, 4))
    assert (result.backend, result.weights) == ("numpy on cpu", transfer.weights.name)


def test_overflow_brings_no_warnings_of_numpy(content, pictures, options):
    """Whoever goes through the records; it shows in the losses, and what numpy warns of elsewhere is left alone."""
    over = nst.StyleTransfer(content, pictures.style, **{**options, "style_weight": 1e308})
    with np.errstate(over="raise"):
        *_, last = over.iterate()
        assert last.stopped == "non-finite"
        assert np.geterr()["over"] == "raise"


def test_losses_are_columns(transfer):
    losses = transfer.paint().losses
    records = list(transfer.iterate())
    assert losses.step.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert losses.scale.tolist() == [1] * 4 + [2] * 4
    assert losses.width.tolist() == [32] * 4 + [64] * 4
    assert losses.height.tolist() == [24] * 4 + [48] * 4
    assert losses.total.tolist() == [record.losses().total for record in records]
    assert losses.content.tolist() == [record.losses().terms["content"] for record in records]
    assert losses.style_weight.tolist() == [record.weights["style"] for record in records]
    weighted = losses.content * losses.content_weight + losses.style * losses.style_weight
    np.testing.assert_allclose(losses.total, weighted, rtol=1e-12)
    assert (np.diff(losses.seconds) >= 0).all()


def test_losses_are_a_data_frame(transfer):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(transfer.paint().losses)
    assert frame.groupby("scale").step.max().tolist() == [3, 7]


def test_a_loss_may_be_called_like_a_column(content, pictures, options):
    from nst.losses import LocalTerm, Prepared

    class Term(LocalTerm):
        name = "step"

        def statistics(self, ops, x, features, constants):
            return {"step": ops.sum(ops.square(x))}

    class Loss:
        name, layers, depends_on_content = "step", (), False

        def prepare(self, encoder, scene):
            return Prepared(Term(), 0.5)

    transfer = nst.StyleTransfer(content, pictures.style, **options, octave_noise=0, extra_terms=[Loss()])
    losses = transfer.paint().losses
    assert losses.step.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    start = resize(transfer.content, 32, 24).rgb.astype(np.float64)
    assert losses.step_loss[0] == pytest.approx(np.square(start).sum(), rel=1e-5)


def test_no_time_at_all_gives_the_start_at_its_full_size(content, pictures, options):
    called = []
    painted = nst.stylize(content, pictures.style, **options, deadline=0, callback=called.append)
    transfer = nst.StyleTransfer(content, pictures.style, **options)
    assert called == []
    assert np.array_equal(painted, np.rint(transfer.content.rgb * 255).astype(np.uint8))
    noise = nst.StyleTransfer(content, pictures.style, **options, init="noise", seed=3)
    result = noise.paint(deadline=0)
    expected = np.random.default_rng(3).random((1, 3, 48, 64), np.float32)[0].transpose(1, 2, 0)
    assert np.array_equal(result.picture.rgb, expected)
    assert (result.steps, result.stopped, len(result.losses)) == (0, "deadline", 0)
    assert result.losses.dtype.names == ("step", "scale", "width", "height", "seconds", "total")


def test_a_deadline_among_the_small_sizes(content, pictures, options, clock):
    """What is there is brought up to the full size: its change of the start, enlarged, on top of the start there."""
    transfer, records = nst.StyleTransfer(content, pictures.style, octave_noise=0, **options), []

    def tick(record):
        records.append(record)
        clock[0] += 1.0

    result = transfer.paint(tick, deadline=2.5)
    assert (result.steps, result.stopped, result.size, result.seconds) == (2, "deadline", (64, 48), 3.0)
    small = records[-1].array()
    assert small.shape == (1, 3, 24, 32)
    content = transfer.content
    change = small[0].transpose(1, 2, 0) - resize(content, 32, 24).rgb
    enlarged = [
        np.asarray(Image.fromarray(change[..., i]).resize((64, 48), Image.Resampling.BICUBIC))
        for i in range(3)
    ]
    expected = np.clip(content.rgb + np.stack(enlarged, axis=-1), 0, 1)
    np.testing.assert_allclose(result.picture.rgb, expected, atol=1e-6)
    assert result.image.shape == (48, 64, 3)
    assert np.array_equal(transfer.full_size(records[-1]).rgb, result.picture.rgb)


def test_colours_and_transparency_are_those_of_a_whole_run(pictures, options):
    image = Image.open(pictures.rgba)
    early = nst.stylize(image, pictures.style, **options, color="yuv", deadline=0)
    whole = nst.stylize(image, pictures.style, **options, color="yuv")
    assert (early.mode, early.size) == (whole.mode, whole.size) == ("RGBA", (64, 48))
    assert np.array_equal(np.asarray(early)[..., 3], np.asarray(whole)[..., 3])


def test_a_deadline_counts_setting_up(content, pictures, options, clock):
    def slow():
        clock[0] += 9.0
        return nst.get_backend("numpy")

    seen = []
    given = options | {"backend": slow}
    nst.stylize(content, pictures.style, **given, deadline=8, callback=seen.append)
    assert seen == []
    nst.stylize(content, pictures.style, **given, deadline=10, callback=seen.append)
    assert seen[-1].step == 7


def test_after_the_last_step_nothing_has_been_cut_off(transfer, clock):
    def tick(record):
        clock[0] += 10.0 * (record.step == 7)

    assert transfer.paint(tick, deadline=5).stopped is None


def test_a_last_size_without_steps_is_no_deadline_missed(content, pictures, options):
    event = threading.Event()
    given = options | {"steps": (3, 0)}
    result = nst.StyleTransfer(content, pictures.style, **given).paint(
        lambda record: record.step == 3 and event.set(), cancel=event
    )
    assert (result.steps, result.stopped, result.size) == (3, None, (64, 48))


@pytest.mark.parametrize("at", range(7))
def test_cancelled_from_another_thread(transfer, at):
    """No step follows the one during which the event was set; no matter at which size."""
    event, reached = threading.Event(), threading.Event()
    seen = []

    def cancel():
        reached.wait(60)
        event.set()

    def callback(record):
        seen.append(record.step)
        if record.step == at:
            reached.set()
            event.wait(60)

    helper = threading.Thread(target=cancel)
    helper.start()
    result = transfer.paint(callback, cancel=event)
    helper.join()
    assert seen == list(range(at + 1))
    assert (result.steps, result.stopped, result.size) == (at, "cancelled", (64, 48))


def test_cancelled_while_a_size_is_set_up(transfer, monkeypatch):
    """Nothing of it is evaluated."""
    event, enlarged = threading.Event(), []
    go_on = Start.go_on

    def set_up(scene, *arguments):
        made = Stage(scene, *arguments)
        if max(scene.size) == 64:
            event.set()
        return made

    def counted(self, *arguments):
        enlarged.append(event.is_set())
        return go_on(self, *arguments)

    monkeypatch.setattr("nst.transfer.Stage", set_up)
    monkeypatch.setattr(Start, "go_on", counted)
    result = transfer.paint(cancel=event)
    assert (result.steps, result.stopped, result.size) == (3, "cancelled", (64, 48))
    assert enlarged == [True]  # for the result, and not for a first iterate


def test_what_a_callback_raises_ends_the_run(transfer, tmp_path):
    class DiskError(Exception):
        pass

    def callback(record):
        if record.step == 2:
            raise DiskError

    with pytest.raises(DiskError):
        transfer.paint(callback)
    assert transfer.paint().steps == 7


def test_a_run_that_is_over_time_can_be_saved_and_go_on(content, pictures, weights_file, tmp_path, clock):
    options = {"backend": "numpy", "weights": weights_file, **SCALES}
    whole = nst.stylize(content, pictures.style, **options)
    transfer = nst.StyleTransfer(content, pictures.style, **options)

    def tick(record):
        clock[0] += 1.0

    assert transfer.paint(tick, deadline=4.5).steps == 4
    transfer.save(tmp_path / "run.nst")
    later = nst.StyleTransfer.resume(tmp_path / "run.nst", like=content)
    early = later.paint(deadline=0)  # what was saved comes first, and no time is left for more
    assert (early.steps, early.stopped) == (4, "deadline")
    assert np.array_equal(nst.StyleTransfer.resume(tmp_path / "run.nst", like=content).run(), whole)


def test_batches_share_the_time_out(content, pictures, options, clock):
    steps = []

    def tick(record):
        steps.append(record.step)
        clock[0] += 1.0

    batch = np.stack([content, content[:, ::-1]])
    painted = nst.stylize(batch, pictures.style, **options, callback=tick, deadline=6.5)
    assert painted.shape == (2, 48, 64, 3)
    assert steps == [0, 1, 2, 3, 0, 1, 2]  # 3.25 s for the one, what is left for the other


def test_what_is_left_of_a_cancelled_batch_costs_no_backend_and_no_network(content, pictures, options):
    called, event = [], threading.Event()

    def made(what, value):
        return lambda: called.append(what) or value

    given = options | {
        "backend": made("backend", nst.get_backend("numpy")),
        "weights": made("weights", options["weights"]),
    }
    batch = np.stack([content, content[:, ::-1], content])
    painted = nst.stylize(
        batch, pictures.style, **given, callback=lambda record: record.step == 2 and event.set(), cancel=event
    )
    assert called == ["backend", "weights"]
    start = nst.stylize(content, pictures.style, **options, deadline=0)
    assert np.array_equal(painted[1], start[:, ::-1])
    assert np.array_equal(painted[2], start)
    assert not np.array_equal(painted[0], start)


def test_textures_and_inversions_too(content, pictures, options):
    seen = []
    given = options | {"scales": 1, "steps": 3}
    del given["size"]
    tile = nst.texture(pictures.style, 32, **given, callback=seen.append)
    assert tile.size == (25, 32)
    assert nst.texture(content, 32, **given, deadline=0).shape == (24, 32, 3)
    nst.invert(content, "conv2_1", **given, size="content", callback=seen.append)
    assert [record.step for record in seen] == [0, 1, 2, 3, 0, 1, 2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["numpy", "torch", pytest.param("tf", marks=pytest.mark.slow), "onnx"])
def test_four_at_once_are_as_one_after_the_other(name, content, pictures, small_network, need):
    """With backends of their own, and with one that all of them share."""
    if name != "numpy":
        need(name)
    given = {"backend": name, "device": "cpu", "weights": small_network, "size": "content", "steps": 2}
    given |= {"content_layers": "conv2_1", "style_layers": "conv1_1,conv2_1"}
    seeds = range(4)

    def paint(seed):
        return nst.stylize(content, pictures.style, **given, init="noise", seed=seed).tobytes()

    expected = [paint(seed) for seed in seeds]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(paint, seeds)) == expected
        given["backend"] = nst.get_backend(name, "cpu")
        assert list(pool.map(paint, seeds)) == expected
    assert len(set(expected)) == 4


WRONG = [
    ({"callback": 3}, "callback is 3: it must be a function that takes a record"),
    ({"progress": "yes"}, "progress is 'yes': it must be auto, true or false"),
    ({"deadline": -1}, "deadline is -1: it must be a number of seconds, 0 or more"),
    ({"deadline": "5"}, "deadline is '5'"),
    ({"deadline": float("nan")}, "deadline is nan"),
    ({"deadline": True}, "deadline is True"),
    ({"cancel": True}, "cancel is True: it must be a threading.Event"),
]


@pytest.mark.parametrize(("wrong", "cause"), WRONG, ids=[str(wrong) for wrong, _ in WRONG])
def test_what_is_refused_before_any_work(wrong, cause, transfer, pictures):
    with pytest.raises(SettingsError) as error:
        nst.stylize("missing.png", pictures.style, **wrong)
    assert str(error.value).startswith(cause)
    with pytest.raises(SettingsError):
        transfer.run(**wrong)
