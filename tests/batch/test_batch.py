"""`nst.Batch`: what it paints, what it leaves alone, what it does about pictures that cannot be painted."""

import json
import os
import shutil
import signal

import numpy as np
import psutil
import pytest
from PIL import Image

import nst
from nst import get_backend
from nst.batch import Batch, Row, RowPainter
from nst.batch.pool import InProcess, _Process
from nst.cgroups import THREADS, cores
from nst.errors import ImageError, NSTError, SettingsError
from nst.pictures.masks import Masks
from nst.pictures.picture import Picture
from nst.pictures.writing import read_settings
from nst.workers.local import environment

ALL = [f"{content}-{style}.png" for style in "xy" for content in "abc"]


def lines(folder):
    return [json.loads(line) for line in (folder / "nst-batch.jsonl").read_text().splitlines()]


def contents_of(folder):
    return {path.name: path.read_bytes() for path in folder.glob("**/*.png")}


def test_every_content_in_every_style_as_one_by_one(gallery, options):
    seen = []
    summary = Batch(gallery.contents, gallery.styles, gallery.out, **options).run(seen.append)
    assert (summary.done, summary.kept, summary.failed) == (6, 0, ())
    assert sorted(contents_of(gallery.out)) == sorted(ALL)
    for name in ALL:
        content, style = gallery.contents / f"{name[0]}.png", gallery.styles / f"{name[2]}.png"
        alone = nst.stylize(content, style, **options)
        np.testing.assert_array_equal(np.asarray(Image.open(gallery.out / name)), np.asarray(alone))
    assert read_settings(gallery.out / "a-y.png")["settings"]["styles"] == ["y.png"]
    assert seen[-1].done == seen[-1].total == 6
    assert 0.5 in {status.done for status in seen}  # after the first step of two


def test_the_manifest_says_what_became_of_each(gallery, options):
    (gallery.contents / "d.png").write_text("no picture")
    Batch(gallery.contents, gallery.styles / "x.png", gallery.out, **options).run()
    *good, bad = lines(gallery.out)
    assert [entry["output"] for entry in good] == ["a-x.png", "b-x.png", "c-x.png"]
    for entry in good:
        assert entry["status"] == "done"
        assert entry["seconds"] > 0
        assert entry["losses"]["total"] < entry["losses"]["start"]
        assert entry["settings"]["steps"] == 2
        assert set(entry["inputs"]) == {entry["content"], *entry["styles"], options["weights"]}
    assert (bad["output"], bad["status"]) == ("d-x.png", "failed")
    assert "not a picture" in bad["error"]


def test_masks_and_starts_in_memory(gallery, options):
    """They have no path that the metadata could name."""
    half, start = np.eye(24, 32, dtype=np.float32), Picture(np.zeros((24, 32, 3), np.float32))
    for masks, named in ({"protect": half}, {"protect": "picture"}), (Masks(protect=half), {}):
        one = gallery.contents / "a.png", gallery.styles / "x.png", gallery.out
        assert Batch(*one, init=start, masks=masks, **options).run().failed == ()
        settings = read_settings(gallery.out / "a-x.png")["settings"]
        assert (settings["init"], settings["masks"]) == ("picture", named)


def test_what_is_there_is_left_alone_and_what_changed_is_done_again(gallery, options):
    batch = Batch(gallery.contents, gallery.styles, gallery.out, **options)
    batch.run()
    first = contents_of(gallery.out)
    assert batch.run().kept == 6

    shutil.copy(gallery.contents / "b.png", gallery.contents / "a.png")  # another content
    summary = batch.run()
    assert (summary.done, summary.kept) == (2, 4)
    (gallery.out / "c-x.png").write_bytes(first["c-y.png"])  # a result that somebody changed
    (gallery.out / "c-y.png").unlink()
    summary = batch.run()
    assert (summary.done, summary.kept) == (2, 4)
    now = contents_of(gallery.out)
    assert now["c-x.png"] == first["c-x.png"]
    assert now["c-y.png"] == first["c-y.png"]

    summary = Batch(gallery.contents, gallery.styles, gallery.out, **{**options, "steps": 1}).run()
    assert (summary.done, summary.kept) == (6, 0)


@pytest.mark.parametrize(
    "damage", ["half a line", "a whole line without its end", "garbage", "another program"]
)
def test_a_damaged_manifest_is_not_believed(gallery, options, damage):
    batch = Batch(gallery.contents, gallery.styles, gallery.out, **options)
    batch.run()
    path = gallery.out / "nst-batch.jsonl"
    data = path.read_bytes()
    last = data.splitlines(keepends=True)[-1]
    path.write_bytes(
        {
            "half a line": data[: -len(last) // 2],
            "a whole line without its end": data[:-1],
            "garbage": data[: -len(last)] + b"\xff\x00{]\n",
            "another program": data[: -len(last)] + b'[1]\n{"x": 1}\n"text"\n{"output": []}\n',
        }[damage]
    )
    summary = batch.run()
    assert (summary.done, summary.kept) == (1, 5)
    assert batch.run().kept == 6
    whole = [line for line in path.read_bytes().splitlines() if line.startswith(b'{"output": "')]
    assert [json.loads(line)["output"] for line in whole] == ALL


def test_two_batches_in_one_folder_do_not_mix(gallery, options):
    batch = Batch(gallery.contents, gallery.styles, gallery.out, **options)

    def watch(status):
        with pytest.raises(SettingsError, match="another batch is writing"):
            Batch(gallery.contents, gallery.styles, gallery.out, **options).run()

    batch.run(watch)


def test_what_a_watcher_raises_ends_it_and_it_goes_on_later(gallery, options):
    batch = Batch(gallery.contents, gallery.styles, gallery.out, **options)

    def watch(status):
        if status.done > 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        batch.run(watch)
    assert len(lines(gallery.out)) == 2
    summary = batch.run()
    assert (summary.done, summary.kept) == (4, 2)


@pytest.mark.slow
def test_a_picture_that_takes_too_long_has_failed(gallery, options):
    slow = {**options, "steps": 100_000}
    rows = [
        Row(str(gallery.contents / "a.png"), (str(gallery.styles / "x.png"),), "slow.png", slow),
        Row(str(gallery.contents / "a.png"), (str(gallery.styles / "x.png"),), "quick.png", options),
    ]
    summary = Batch.of_rows(rows, gallery.out, timeout=3.0).run()
    ((name, why),) = summary.failed
    assert (summary.done, name) == (1, "slow.png")
    assert why.startswith("not done after 3 seconds, at step ")
    assert not (gallery.out / "slow.png").exists()


def test_losses_that_are_not_finite_and_unforeseen_errors_are_one_line(gallery, options, monkeypatch):
    rows = [
        Row(str(gallery.contents / "a.png"), (str(gallery.styles / "x.png"),), "one.png", options),
        Row(str(gallery.contents / "b.png"), (str(gallery.styles / "x.png"),), "two.png", options),
    ]
    original = nst.StyleTransfer.iterate

    def iterate(transfer):
        for record in original(transfer):
            if record.step == 1 and "a.png" in str(rows[0].content) and not failures:
                failures.append(1)
                raise RuntimeError("a kernel\nfailed")
            yield record

    failures = []
    monkeypatch.setattr(nst.StyleTransfer, "iterate", iterate)
    summary = Batch.of_rows(rows, gallery.out).run()
    assert summary.failed == (("one.png", "RuntimeError: a kernel failed"),)
    assert summary.done == 1


def test_where_every_row_would_fail_alike_the_first_one_is_the_last(gallery, options):
    for change, message in (({"backend": "nonsense"}, "nonsense"), ({"weights": "nowhere"}, "nowhere")):
        batch = Batch(gallery.contents, gallery.styles, gallery.out, **{**options, **change})
        with pytest.raises(NSTError, match=message):
            batch.run()
        assert len(lines(gallery.out)) == 1
        (gallery.out / "nst-batch.jsonl").unlink()


def test_where_rows_have_options_of_their_own_one_of_them_is_no_reason_to_stop(gallery, options):
    content, style = str(gallery.contents / "a.png"), (str(gallery.styles / "x.png"),)
    rows = [
        Row(content, style, "one.png", {**options, "backend": "nonsense"}),
        Row(content, style, "two.png", options),
    ]
    summary = Batch.of_rows(rows, gallery.out).run()
    assert (summary.done, [name for name, _ in summary.failed]) == (1, ["one.png"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stepz": 3}, "did you mean 'steps'"),
        ({"steps": -1}, "steps"),
        ({"jobs": 0}, "jobs is 0"),
        ({"timeout": 0}, "timeout is 0"),
        ({"name": "{contents}.png"}, r"no field \{contents\}"),
        ({"name": "same.png"}, r"would be same.png, as .*use a name with"),
        ({"name": "../{content}-{style}.png"}, "is not inside"),
        ({"name": "{content}-{style}.txt"}, "the extension .txt"),
        ({"content_layers": "conv9_9"}, "unknown layer"),
        ({"jobs": 1, "weights": lambda: None}, "cannot go to another process"),
    ],
)
def test_what_is_wrong_is_found_before_any_work(gallery, options, change, message):
    with pytest.raises(NSTError, match=message):
        Batch(gallery.contents, gallery.styles, gallery.out, **{**options, **change}).run()
    assert not list(gallery.out.glob("*")) if gallery.out.exists() else True


def test_results_do_not_become_inputs(gallery, options):
    with pytest.raises(SettingsError, match="use another folder"):
        Batch(gallery.contents, gallery.styles, gallery.contents, **options)


def test_a_folder_that_cannot_be_made(gallery, options, tmp_path):
    with pytest.raises(ImageError, match="cannot write to"):
        Batch(gallery.contents, gallery.styles, tmp_path / "no" / "such", **options).run()


# processes


@pytest.mark.slow
def test_processes_paint_the_same_bytes(gallery, options):
    (gallery.contents / "d.png").write_text("no picture")
    Batch(gallery.contents, gallery.styles, gallery.out, **options).run()
    want = contents_of(gallery.out)
    shutil.rmtree(gallery.out)
    before = psutil.Process().children()  # other tests of this process may have some
    summary = Batch(gallery.contents, gallery.styles, gallery.out, jobs=2, **options).run()
    assert (summary.done, len(summary.failed)) == (6, 2)
    assert contents_of(gallery.out) == want
    assert not [
        child
        for child in set(psutil.Process().children()) - set(before)
        if any("nst.processes" in word for word in child.cmdline())
    ]


@pytest.mark.slow
def test_a_worker_that_dies_or_hangs_is_one_picture_that_failed(gallery, options, monkeypatch):
    """One is killed as the system does where memory runs out, one is stopped and no more heard of."""
    names = ("killed", "fine", "stuck", "fine too")
    rows = [
        Row(str(gallery.contents / "a.png"), (str(gallery.styles / "x.png"),), f"{name}.png", options)
        for name in names
    ]
    signals = {"killed.png": signal.SIGKILL, "stuck.png": signal.SIGSTOP}
    late = set()
    seconds = _Process.seconds.fget
    monkeypatch.setattr(_Process, "seconds", property(lambda w: 1e9 if w.row.output in late else seconds(w)))
    give = _Process.give

    def give_and_hit(worker, row):
        give(worker, row)
        if row.output in signals:
            os.kill(worker.pid, signals[row.output])
            late.update({row.output} & {"stuck.png"})

    monkeypatch.setattr(_Process, "give", give_and_hit)
    summary = Batch.of_rows(rows, gallery.out, jobs=1, timeout=500.0).run()
    assert summary.done == 2
    assert sorted(contents_of(gallery.out)) == ["fine too.png", "fine.png"]
    why = dict(summary.failed)
    assert "memory runs out" in why["killed.png"]
    assert "stuck" in why["stuck.png"]


def test_threads_are_shared_out(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("nst.workers.local.cores", lambda: 8)
    assert {environment(4)[name] for name in THREADS} == {"2"}
    assert {environment(16)[name] for name in THREADS} == {"1"}
    assert "OMP_NUM_THREADS" not in environment(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert {environment(2)[name] for name in THREADS} == {"2"}
    assert environment(1)["OMP_NUM_THREADS"] == "4"
    assert cores() >= 1


def test_onnx_runtime_keeps_to_the_threads_that_the_others_take_from_the_environment(need, monkeypatch):
    need("onnx")
    backend = get_backend("onnx", "cpu")
    x = backend.from_numpy(np.ones((1, 3, 8, 8), np.float32))
    for asked, threads in (("1", 1), ("3,2", 3), ("", 0)):
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
        objective = backend.compile(lambda ops, x, c: (ops.sum(x), {}), x, {})
        assert objective.session.get_session_options().intra_op_num_threads == threads


def test_a_painter_sets_up_once(gallery, options, monkeypatch):
    loaded = []
    monkeypatch.setattr(
        "nst.batch.painter.network_of", lambda *a, f=nst.batch.painter.network_of: loaded.append(a) or f(*a)
    )
    painter = RowPainter()
    for name in "abc":
        row = Row(
            str(gallery.contents / f"{name}.png"), (str(gallery.styles / "x.png"),), f"{name}.png", options
        )
        *_, painted = painter.paint(row)
        assert painted.error is None
    assert len(loaded) == 1


def test_names_of_before_are_there_for_one_more_release(gallery, options):
    with pytest.warns(DeprecationWarning, match="Painter is now nst.batch.RowPainter"):
        assert nst.batch.Painter is RowPainter
    with pytest.warns(DeprecationWarning, match="Crew is now nst.batch.Executor"):
        assert nst.batch.Crew is nst.batch.Executor
    batch = Batch(gallery.contents / "a.png", gallery.styles / "x.png", gallery.out, **options)
    with pytest.warns(DeprecationWarning, match="crew= is now executor="):
        assert batch.run(crew=InProcess()).done == 1
