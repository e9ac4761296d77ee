"""The processes that paint, run here: what they make of what they are asked, with a small network on numpy."""

import errno
import io
import os
import shlex
import signal
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest
from PIL import Image, ImageFilter

from nst.cli.web.messages import (
    Colored,
    Estimate,
    Finished,
    Large,
    LookPainted,
    Order,
    Paint,
    Preview,
    Recolor,
    Status,
    Stop,
)
from nst.cli.web.painting import PaintingContext, Setup, error_line, paint_looks
from nst.cli.web.process import LargeWorker, LiveWorker, PaintingProcess
from nst.cli.web.recipe import LOOKS, Composition, Recipe, Upload
from tests.conftest import scene

SIZE = 32


class Pipe:
    """What the server says, and when: `plan(sent)` gives the requests that are there by now."""

    def __init__(self, requests):
        self.requests, self.sent, self.after = list(requests), [], []

    def when(self, test, *requests):
        """Ask for these as soon as an event passes a test."""
        self.after.append((test, requests))
        return self

    def send(self, event):
        self.sent.append(event)
        for pair in [pair for pair in self.after if pair[0](event)]:
            self.after.remove(pair)
            self.requests += pair[1]

    def waiting(self):
        return bool(self.requests)

    def __call__(self):
        if not self.requests or self.requests[0] is None:
            raise EOFError  # the server has ended
        return self.requests.pop(0)

    def of(self, kind):
        return [event for event in self.sent if isinstance(event, kind)]

    @property
    def entries(self):
        return [event.entry for event in self.of(Finished)]


@pytest.fixture(scope="session")
def context(weights_file):
    held = PaintingContext(Setup(backend="numpy", weights=str(weights_file), precision=None, size=SIZE))
    held.warm_up()
    return held


@pytest.fixture
def order(tmp_path, pictures):
    """order(run, **sliders) of the small pictures."""

    def upload(path):
        return Upload(path.name, str(path), "", 0, 0)  # a path that is absolute stays what it is

    def make(run, session="a", masks=(), size=SIZE, **sliders):
        folder = tmp_path / session
        folder.mkdir(exist_ok=True)
        styles = (upload(pictures.style),)
        subject = Composition(upload(pictures.content), styles, Recipe(**sliders), dict(masks))
        return Order(session, run, str(folder), subject, size)

    return make


def serve(context, pipe, kind=LiveWorker):
    with pytest.raises(EOFError):
        kind(pipe, pipe.send, context).run()
    assert not states(pipe, "failed")
    return pipe


def states(pipe, state):
    return [event for event in pipe.of(Status) if event.state == state]


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"), np.float64)


def step(count):
    return lambda event: isinstance(event, Preview) and event.step >= count


def finished(event):
    return isinstance(event, Finished)


@pytest.fixture(autouse=True)
def small_cards(monkeypatch):
    """Those of the looks, which follow a picture."""
    monkeypatch.setattr("nst.cli.web.painting.CARD_SIZE", 64)
    monkeypatch.setattr("nst.cli.web.painting.CARD_STEPS", 1)


@pytest.fixture
def quick(monkeypatch):
    """Few steps, and a preview for each."""
    monkeypatch.setattr("nst.cli.web.painting.PAUSE", 0.0)
    monkeypatch.setattr("nst.cli.web.painting.SHARE", 0.0)
    for name, steps in {"FIRST_STEPS": 12, "MORE_STEPS": 8, "LARGE_STEPS": 6}.items():
        monkeypatch.setattr(f"nst.cli.web.painting.{name}", (steps, "..."))


def test_a_picture_is_painted_and_its_command_makes_it(context, order, command, quick):
    pipe = serve(context, Pipe([Paint(order(1, color=0.5, strength=0.6), False)]))
    previews, (done,) = pipe.of(Preview), pipe.entries
    assert [event.step for event in previews[:3]] == [1, 2, 3]
    assert Image.open(io.BytesIO(previews[0].jpeg)).size == (32, 24)
    assert previews[-1].loss < previews[0].loss
    assert (done.why, done.step, done.size) == ("done", done.steps, (32, 24))
    words = shlex.split(done.command)
    assert words[:2] == ["nst", "stylize"]
    assert command(*words[1:]).status == 0
    picture = Path(order(1).folder) / done.files["picture"]
    np.testing.assert_array_equal(pixels("out.png"), pixels(picture))


def test_paint_flows_over_the_sharp_photograph(context, order, tmp_path, quick):
    """From the first steps on, at 128 of 256 pixels, a preview has the size and the fine detail of the result."""
    Image.fromarray(scene(5, 256, 192)).save(tmp_path / "photo.png")
    photo = pixels(tmp_path / "photo.png")
    small = order(1, size=256)
    sharp = replace(
        small, subject=replace(small.subject, photo=Upload("", str(tmp_path / "photo.png"), "", 0, 0))
    )
    pipe = serve(context, Pipe([Paint(sharp, False)]).when(step(3), Stop("a")))
    preview = pipe.of(Preview)[0]
    assert preview.size == (128, 96)
    shown = np.asarray(Image.open(io.BytesIO(preview.jpeg)), np.float64)
    assert shown.shape == photo.shape
    assert high_frequencies(shown) >= 0.8 * high_frequencies(photo)


def high_frequencies(picture):
    """The variance of a picture less its blur."""
    blurred = Image.fromarray(picture.astype(np.uint8)).filter(ImageFilter.GaussianBlur(2))
    return np.var(picture - np.asarray(blurred, np.float64))


@pytest.mark.slow
def test_an_early_preview_has_the_colours_of_the_slider(context, order, quick):
    """They are moved after the run has begun, at the coarse of two sizes."""
    shown = []
    for recolor in ([], [Recolor(order(1, size=192, color=1.0))]):
        pipe = Pipe([Paint(order(1, size=192), False)]).when(step(2), *recolor).when(step(3), Stop("a"))
        preview = next(event for event in serve(context, pipe).of(Preview) if event.step == 3)
        assert preview.size == (136, 102)
        shown.append(np.asarray(Image.open(io.BytesIO(preview.jpeg)), np.float64))
    assert np.abs(shown[0] - shown[1]).mean() > 0.5  # else the very same


def test_a_slider_goes_on_from_the_picture_and_that_has_its_command_too(context, order, command, quick):
    pipe = Pipe([Paint(order(1), False)]).when(step(5), Paint(order(2, strength=0.8), True))
    (done,) = serve(context, pipe).entries
    assert done.run == 2
    first = next(event for event in pipe.of(Preview) if event.run == 2)
    before = [event for event in pipe.of(Preview) if event.run == 1][-1]
    shown = [np.asarray(Image.open(io.BytesIO(event.jpeg)), float) for event in (before, first)]
    assert first.start == "start-2.png"
    assert np.abs(shown[0] - shown[1]).mean() < 6  # the same picture, saved as JPEG
    assert command(*shlex.split(done.command)[1:]).status == 0
    np.testing.assert_array_equal(pixels("out.png"), pixels(Path(order(2).folder) / "picture-2.png"))


def test_ten_quick_changes_leave_one_run(context, order, quick):
    changes = [Paint(order(2 + number, strength=0.5 + number / 30), True) for number in range(10)]
    pipe = serve(context, Pipe([Paint(order(1), False)]).when(step(2), *changes))
    assert {event.run for event in pipe.of(Preview)} == {1, 11}
    assert [entry.run for entry in pipe.entries] == [11]


def test_changes_before_the_first_step_still_begin_with_the_photograph(context, order, quick):
    pipe = serve(context, Pipe([Paint(order(1), False), Paint(order(2, strength=0.7), True)]))
    assert {event.start for event in pipe.of(Preview)} == {None}


def test_stop_shows_the_picture_and_continue_goes_on_bit_for_bit(context, order, quick):
    whole = serve(context, Pipe([Paint(order(1, session="whole"), False)])).entries[0]
    again = Paint(order(1), True, resume=True)
    pipe = Pipe([Paint(order(1), False)]).when(step(4), Stop("a")).when(finished, again)
    stopped, done = serve(context, pipe).entries
    assert (stopped.why, stopped.step) == ("stopped", 4)
    assert (done.why, done.step) == ("done", whole.step)
    for name in ("picture-1.png", "raw-1.png"):
        paths = [Path(order(1, session=session).folder) / name for session in ("whole", "a")]
        np.testing.assert_array_equal(*map(pixels, paths))


def test_stopped_before_the_first_step(context, order):
    pipe = serve(context, Pipe([Paint(order(1), False), Stop("a")]))
    assert pipe.sent == [Status("a", 1, "stopped")]


def test_other_colours_without_a_step(context, order, command, quick):
    recolor = [Recolor(order(1, color=value)) for value in (0.2, 0.5, 1.0)]
    pipe = serve(context, Pipe([Paint(order(1), False)]).when(finished, *recolor))
    (colored,) = pipe.of(Colored)  # the last one counts
    assert command(*shlex.split(colored.command)[1:]).status == 0
    np.testing.assert_array_equal(pixels("out.png"), pixels(Path(order(1).folder) / "picture-1.png"))


def test_other_colours_while_it_is_painted(context, order, quick):
    pipe = serve(context, Pipe([Paint(order(1), False)]).when(step(3), Recolor(order(1, color=1.0))))
    (done,) = pipe.entries
    assert not pipe.of(Colored)
    assert "--color lab" in done.command
    assert not np.array_equal(
        *(pixels(Path(order(1).folder) / done.files[name]) for name in ("picture", "raw"))
    )


def test_the_brush_protects(context, order, tmp_path, pictures, quick):
    mask = np.zeros((24, 32), np.uint8)
    mask[:, :16] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    masked = order(2, masks={"protect": str(tmp_path / "mask.png")}, feather=0.0, strength=0.9)
    pipe = Pipe([Paint(order(1, strength=0.9), False)]).when(finished, Paint(masked, True))
    serve(context, pipe)
    photo, before, after = (
        pixels(pictures.content),
        *(pixels(Path(order(1).folder) / f"picture-{run}.png") for run in (1, 2)),
    )
    inside, outside = np.s_[:, :12], np.s_[:, 20:]
    assert np.abs(after - photo)[inside].mean() < 0.5 * np.abs(before - photo)[inside].mean()
    assert np.abs(after - photo)[outside].mean() > 0.6 * np.abs(before - photo)[outside].mean()


@pytest.mark.slow
def test_the_looks_keep_what_is_protected(context, order, tmp_path, pictures, quick):
    mask = np.zeros((24, 32), np.uint8)
    mask[:, :16] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    kept = order(2, masks={"protect": str(tmp_path / "mask.png")}, feather=0.0)
    pipe = Pipe([Paint(order(1), False)]).when(step(3), Paint(kept, True))
    first = serve(context, Pipe([Paint(order(1), False)])).of(LookPainted)
    cards = serve(context, pipe).of(LookPainted)
    assert {card.pair for card in cards} == {kept.subject.pair} != {card.pair for card in first}
    photo = np.asarray(Image.open(pictures.content).convert("RGB").resize((240, 180)), np.float64)
    for without, card in zip(first, cards, strict=True):
        off = [
            np.abs(np.asarray(Image.open(io.BytesIO(one.jpeg)), np.float64) - photo)[:, :100].mean()
            for one in (without, card)
        ]
        assert off[1] < 0.6 * off[0], card.look


def test_two_people_take_turns(context, order, quick, monkeypatch):
    monkeypatch.setattr("nst.cli.web.process.HEAD_START", 0.0)
    pipe = serve(context, Pipe([Paint(order(1), False), Paint(order(1, session="b"), False)]))
    whose = [event.session for event in pipe.of(Preview)]
    first_done = next(place for place, event in enumerate(pipe.sent) if isinstance(event, Finished))
    early = [event.session for event in pipe.sent[:first_done]]
    assert min(early.count("a"), early.count("b")) > 4
    assert {event.session for event in pipe.of(Finished)} == {"a", "b"}
    assert set(whose) == {"a", "b"}


@pytest.mark.slow
def test_who_finds_no_memory_waits_for_the_other(context, order, weights_file, quick):
    """The limit holds one picture and not two."""
    pipe = serve(context, Pipe([Paint(order(1), False)]))
    peak = pipe.of(Preview)[0].peak
    tight = PaintingContext(
        Setup("numpy", weights=str(weights_file), precision=None, size=SIZE, memory=int(peak * 1.3))
    )
    pipe = serve(tight, Pipe([Paint(order(1), False), Paint(order(1, session="b"), False)]))
    assert [event.session for event in states(pipe, "waiting")] == ["b"]
    assert [event.session for event in pipe.of(Finished)] == ["a", "b"]


@pytest.mark.slow
def test_who_waits_for_a_turn_does_not_take_the_memory_of_a_stopped_picture(
    context, order, quick, monkeypatch
):
    monkeypatch.setattr("nst.cli.web.process.MOST", 1)
    others = [Paint(order(1, session=name), False) for name in "bc"]
    again = Paint(order(1), True, resume=True)
    pipe = Pipe([Paint(order(1), False)]).when(step(4), Stop("a")).when(finished, *others)
    serve(context, pipe.when(lambda event: getattr(event, "state", "") == "waiting", again))
    assert [event.session for event in states(pipe, "waiting")][:1] == ["c"]
    stopped, done = (event.entry for event in pipe.of(Finished) if event.session == "a")
    assert (stopped.step, done.step) == (4, stopped.steps)  # the same run


def test_what_will_never_fit_is_said(order, weights_file):
    tight = PaintingContext(
        Setup("numpy", weights=str(weights_file), precision=None, size=SIZE, memory=10**6)
    )
    pipe = Pipe([Paint(order(1), False)])
    with pytest.raises(EOFError):
        LiveWorker(pipe, pipe.send, tight).run()
    assert "memory is limited to" in states(pipe, "failed")[0].error


def test_a_mask_that_leaves_no_style_is_said(context, order, tmp_path):
    Image.new("L", (32, 24), 255).save(tmp_path / "white.png")
    pipe = Pipe([Paint(order(1, masks={"protect": str(tmp_path / "white.png")}), False)])
    with pytest.raises(EOFError):
        LiveWorker(pipe, pipe.send, context).run()
    assert "no region" in states(pipe, "failed")[0].error


def test_the_looks_of_these_pictures_are_painted_in_idle_time_and_once(context, order, quick):
    def first(event):
        return isinstance(event, LookPainted)

    later = Paint(order(2, strength=0.9), True)
    pipe = serve(context, Pipe([Paint(order(1), False)]).when(first, later))
    kinds = [type(event) for event in pipe.sent if isinstance(event, (LookPainted, Finished))]
    assert kinds == [Finished, LookPainted, Finished, *5 * [LookPainted]]  # a picture does not wait for them
    cards = pipe.of(LookPainted)
    assert [card.look for card in cards] == list(LOOKS)
    assert {card.pair for card in cards} == {order(1).subject.pair}
    assert Image.open(io.BytesIO(cards[0].jpeg)).size == (240, 180)  # as sharp as the photograph
    assert len({card.jpeg for card in cards}) == len(LOOKS)


def test_looks_that_differ_in_colors_alone_share_a_run_and_all_a_network(context, order, monkeypatch):
    runs, networks = [], []
    transfer, network = context.transfer, context.backend.network
    monkeypatch.setattr(context, "transfer", lambda *a, **k: runs.append(a) or transfer(*a, **k))
    monkeypatch.setattr(context.backend, "network", lambda *a: networks.append(a) or network(*a))
    cards = [card for card in paint_looks(context, order(1)) if card is not None]
    assert [card.look for card in cards] == list(LOOKS)
    assert (len(runs), len(networks)) == (5, 1)


def test_the_plan_of_a_large_picture(context, order, quick):
    present = Path(order(1).folder) / "raw-1.png"
    plan = Large(order(2, size=64), str(present), 32)
    pipe = serve(context, Pipe([Paint(order(1), False)]).when(finished, plan))
    (estimate,) = pipe.of(Estimate)
    assert (estimate.width, estimate.height) == (64, 48)
    assert estimate.fits
    assert estimate.peak > 2**20
    assert estimate.seconds > 0


def test_of_many_plans_the_newest_of_a_session_is_worked_out(context, order, monkeypatch):
    """A hundred clicks; another page does not wait for them, and what is asked meanwhile takes their place."""
    worked = []

    def work_out(_, plan):
        worked.append((plan.order.session, plan.order.size))
        if len(worked) == 1:
            pipe.requests += [Large(order(2, size=size), "", SIZE) for size in (500, 600)]
        return Estimate(plan.order.session, plan.order.size)

    monkeypatch.setattr("nst.cli.web.process.estimate", work_out)
    other = Large(replace(order(1, size=90), session="other"), "", SIZE)
    pipe = Pipe([*(Large(order(2, size=size), "", SIZE) for size in range(100, 200)), other])
    with pytest.raises(EOFError):
        LiveWorker(pipe, pipe.send, context).run()
    assert worked == [(order(1).session, 199), ("other", 90), (order(1).session, 600)]


@pytest.fixture
def large(context, order, tmp_path, quick):
    """large(run): a request for 64 pixels of a picture of 32."""
    serve(context, Pipe([Paint(order(1), False)]))
    present = str(Path(order(1).folder) / "raw-1.png")
    return lambda run: Large(order(run, size=64), present, SIZE, "job", str(tmp_path / f"{run}.checkpoint"))


def test_a_quick_poster_and_its_command(context, large, command):
    folder = Path(large(2).order.folder)
    quick = replace(large(2), quick=True)
    (done,) = serve(context, Pipe([quick]), LargeWorker).entries
    assert (done.size, done.why, done.steps) == ((64, 48), "large", 0)
    assert shlex.split(done.command)[:2] == ["nst", "poster"]
    assert command(*shlex.split(done.command)[1:]).status == 0
    # from the picture of 8 bits here, from the run itself there
    np.testing.assert_allclose(pixels("out.png"), pixels(folder / "picture-2.png"), atol=1)
    pipe = Pipe([replace(quick, order=replace(quick.order, size=32))])
    LargeWorker(pipe, pipe.send, context)._paint(pipe())
    assert "larger size" in states(pipe, "failed")[0].error


@pytest.mark.slow
def test_a_large_picture_and_its_command(context, large, command):
    (done,) = serve(context, Pipe([large(2)]), LargeWorker).entries
    assert (done.size, done.why) == ((64, 48), "large")
    assert command(*shlex.split(done.command)[1:]).status == 0
    np.testing.assert_array_equal(pixels("out.png"), pixels(Path(large(2).order.folder) / "picture-2.png"))


def test_a_large_picture_goes_on_from_its_checkpoint_bit_for_bit(context, large, monkeypatch):
    """Put down by a server that ends, taken up by the next one."""
    monkeypatch.setattr("nst.cli.web.painting.time.monotonic", iter(range(10**6)).__next__)
    whole = serve(context, Pipe([large(2)]), LargeWorker).entries[0]
    pipe = serve(context, Pipe([large(3)]).when(step(4), None), LargeWorker)
    assert not pipe.of(Finished)
    assert Path(large(3).checkpoint).exists()
    (done,) = serve(context, Pipe([large(3)]), LargeWorker).entries
    assert done.step == whole.step
    assert not Path(large(3).checkpoint).exists()
    folder = Path(large(2).order.folder)
    np.testing.assert_array_equal(pixels(folder / "picture-2.png"), pixels(folder / "picture-3.png"))


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_fills_while_it_is_painted(context, large, monkeypatch):
    """A checkpoint costs nothing, the picture a line in plain words."""
    monkeypatch.setattr("nst.cli.web.painting.time.monotonic", iter(range(10**6)).__next__)
    with monkeypatch.context() as patch:
        patch.setattr("nst.checkpoint.write_tensors", no_space)
        (done,) = serve(context, Pipe([large(2)]), LargeWorker).entries
    assert done.step == done.steps
    monkeypatch.setattr("nst.checkpoint.write_tensors", no_space)
    monkeypatch.setattr(Path, "write_bytes", no_space)
    pipe = Pipe([large(3)])
    LargeWorker(pipe, pipe.send, context)._paint(pipe())
    (failed,) = states(pipe, "failed")
    assert failed.error == (
        f"the disk of {large(3).order.folder} is full: make room, or start nst web with another --folder"
    )
    where = "the studio's folder"
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert error_line(error).startswith(f"the disk of {where} is full: make room")


@pytest.mark.slow
def test_real_processes_are_started_again_and_save_what_they_paint(context, order, large):
    """A live one that is killed is a death; a slow one that is stopped while it paints leaves its checkpoint."""
    heard = SimpleQueue()

    def hears(test):
        while not test(event := heard.get(timeout=120)):
            pass
        return event

    live = PaintingProcess(context.setup, False, heard.put)
    live.send(Paint(order(1), False))
    hears(finished)
    os.kill(live.pid, signal.SIGKILL)
    hears(lambda event: event is None)
    assert not live.alive
    live.send(Paint(order(2), False))
    assert hears(finished).entry.run == 2
    live.stop()
    slow = PaintingProcess(context.setup, True, heard.put)
    slow.send(replace(large(3), order=order(3, size=256)))
    hears(step(1))
    slow.stop(60.0)
    assert hears(lambda event: getattr(event, "state", "") == "saved").run == 3
    assert Path(large(3).checkpoint).exists()
    assert heard.empty()  # an end that was asked for is no death


def test_a_damaged_checkpoint_begins_anew(context, large):
    Path(large(2).checkpoint).write_bytes(b"nonsense")
    (done,) = serve(context, Pipe([large(2)]), LargeWorker).entries
    assert done.step == done.steps
