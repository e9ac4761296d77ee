"""A batch on a Ray cluster: the same files as in this process, whoever is killed; no disk in common."""

import io
import json
import logging
import os
import re
import signal
import sys
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import nst
from nst.batch.cluster import Cluster
from nst.batch.painter import Painted, RowInputs, RowPainter, paths_of
from nst.batch.rows import Row
from nst.errors import NSTError

pytestmark = pytest.mark.slow

OPTIONS = {
    "backend": "numpy",
    "steps": 6,
    "size": 48,
    "style_layers": "conv1_1,conv2_1",
    "content_layers": "conv2_2",
}


def draw(path, seed, width=60, height=44):
    """A file of waves and noise."""
    rng = np.random.default_rng(seed)
    waves = np.sin(np.outer(np.arange(height), rng.random(3))[:, None] + np.arange(width)[:, None] / 9)
    pixels = np.clip(0.5 + 0.3 * waves + 0.1 * rng.standard_normal(waves.shape), 0, 1) * 255
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return str(path)


@pytest.fixture(scope="module")
def job(tmp_path_factory, weights_file):
    """Six contents, two styles; the bytes that this process makes, by name."""
    folder = tmp_path_factory.mktemp("batch")
    contents = [draw(folder / f"c{n}.png", n) for n in range(6)]
    styles = [draw(folder / f"s{n}.png", 90 + n) for n in range(2)]
    options = {**OPTIONS, "weights": str(weights_file)}
    nst.Batch(contents, styles, folder / "here", **options).run()
    here = {path.name: path.read_bytes() for path in (folder / "here").glob("*.png")}
    assert len(here) == 12
    return SimpleNamespace(folder=folder, contents=contents, styles=styles, options=options, here=here)


def run(job, name, executor, watch=None):
    batch = nst.Batch(job.contents, job.styles, job.folder / name, **job.options)
    summary = batch.run(watch, executor)
    return summary, {path.name: path.read_bytes() for path in (job.folder / name).glob("*.png")}


def manifest(job, name):
    return [json.loads(line) for line in (job.folder / name / "nst-batch.jsonl").read_text().splitlines()]


def test_four_actors_make_the_same_files(ray_cluster, job):
    summary, made = run(job, "four", Cluster("auto", 4))
    assert (summary.done, summary.kept, summary.failed) == (12, 0, ())
    assert made == job.here
    again, _ = run(job, "four", Cluster("auto", 4))
    assert (again.done, again.kept) == (0, 12)


def test_what_a_killed_actor_had_is_painted_by_another(ray_cluster, job, caplog):
    caplog.set_level(logging.INFO, "nst")
    killed = []

    def watch(status):
        if status.done and not killed:
            ready = [line for line in caplog.messages if line.endswith("is ready")]
            killed.append(int(re.search(r"process (\d+)", ready[0])[1]))
            os.kill(killed[0], signal.SIGKILL)

    summary, made = run(job, "killed", Cluster("auto", 2), watch)
    with pytest.raises(ProcessLookupError):
        os.kill(killed[0], 0)
    assert any(f"process {killed[0]}) is gone" in line for line in caplog.messages)
    assert (summary.done, summary.failed) == (12, ())
    assert made == job.here
    assert len(manifest(job, "killed")) == 12  # none was written twice


def test_actors_need_no_file_of_the_driver(ray_cluster, job, monkeypatch):
    """They were started elsewhere: names that begin here lead nowhere for them. Faults stay with their row."""
    monkeypatch.chdir(job.folder)
    (job.folder / "broken.png").write_bytes(b"no picture")
    names = [os.path.basename(path) for path in job.contents[:2]]
    batch = nst.Batch([*names, "broken.png"], ["s0.png"], "relative", **job.options)
    summary = batch.run(executor=Cluster("auto", 1))
    assert summary.done == 2
    ((name, why),) = summary.failed
    assert (name, why.startswith("cannot read broken.png: ")) == ("broken-s0.png", True)
    for name in ("c0-s0.png", "c1-s0.png"):
        got, want = (np.asarray(Image.open(job.folder / folder / name)) for folder in ("relative", "here"))
        np.testing.assert_array_equal(got, want)


def test_the_command_line(ray_cluster, job, command):
    """A folder, a blend of options, two actors: the files that the command makes without a cluster."""
    shared = ["batch", *job.contents[:2], "--weights", job.options["weights"], "--size", 48, "--steps", 2]
    shared += ["--backend", "numpy", "--color", "lab", "--styles", *job.styles]
    for more in (["-o", "without"], ["-o", "with", "--ray-workers", 2, "--ray"]):
        done = command(*shared, *more)
        assert done.status == 0, done.stderr
    without, made = (
        {path.name: path.read_bytes() for path in Path(folder).glob("*.png")}
        for folder in ("without", "with")
    )
    assert len(made) == 4
    assert made == without


def test_supplies_stand_for_paths(job, tmp_path):
    """Pictures, masks, the start and the network by contents: the row's own names are of no file."""
    mask = str(tmp_path / "mask.png")
    Image.linear_gradient("L").save(mask)
    row = Row(
        "a.png",
        ("b.png",),
        "out.png",
        {**job.options, "weights": "n.safetensors", "masks": {"protect": "m.png"}, "init": "i.png"},
    )
    assert paths_of(Row(mask, (mask,), "out.png", {"masks": {"style1": (mask, "red")}})) == [mask]
    real = {"a.png": job.contents[0], "b.png": job.styles[0], "m.png": mask, "i.png": job.contents[1]}
    files = {name: Path(path).read_bytes() for name, path in real.items()}
    network = nst.StyleTransfer(job.contents[0], job.styles[0], **job.options).weights
    *_, got = RowPainter().paint(row, RowInputs(files, network))
    options = {**job.options, "masks": {"protect": mask}, "init": job.contents[1]}
    *_, want = RowPainter().paint(Row(job.contents[0], (job.styles[0],), "out.png", options))
    assert got.error is want.error is None
    pixels = [np.asarray(Image.open(io.BytesIO(painted.data))) for painted in (got, want)]
    np.testing.assert_array_equal(*pixels)


class DeadActorError(Exception):
    pass


class Reference:
    def __init__(self, answer):
        self.future, future = lambda: future, Future()
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


class FakeRay:
    """Actors in this process that die by name; an answer is there at once."""

    exceptions = SimpleNamespace(RayTaskError=ZeroDivisionError)

    def __init__(self, deadly=(), starts=True):
        self.deadly, self.starts, self.living, self.started = deadly, starts, [], 0

    def is_initialized(self):
        return True

    def cluster_resources(self):
        return {"CPU": 2}

    def nodes(self):
        return [{"Alive": True}]

    def remote(self, **options):
        return lambda kind: SimpleNamespace(remote=lambda *arguments: self.actor())

    def place(self):
        return Reference("here" if self.starts else DeadActorError("no module named nst"))

    def actor(self):
        def paint(row, *_):
            return DeadActorError() if row.output in self.deadly else Painted(row, b"data")

        made = SimpleNamespace(
            place=SimpleNamespace(remote=self.place),
            paint=SimpleNamespace(remote=lambda *a: Reference(paint(*a))),
        )
        self.living.append(made)
        self.started += 1
        return made

    def kill(self, actor):
        self.living.remove(actor)

    def put(self, value):
        return value


@pytest.fixture
def work(monkeypatch):
    """Paints rows of these names with two actors of a fake cluster, on which nobody is left in the end."""

    def done(ray, names, weights=None):
        monkeypatch.setitem(sys.modules, "ray", ray)
        rows = [Row("c", ("s",), name, {"weights": weights or object()}) for name in names]
        try:
            return list(Cluster("auto", 2).work(rows, lambda row, part: None))
        finally:
            assert ray.living == []

    return done


def test_a_row_that_kills_three_workers_has_failed_and_the_others_go_on(work):
    ray = FakeRay(deadly={"b"})
    answers = {painted.row.output: painted.error for painted in work(ray, "abc")}
    assert answers["a"] is answers["c"] is None
    assert answers["b"].startswith("3 workers died over it")
    assert ray.started >= 3


def test_a_cluster_on_which_no_worker_starts_is_one_line(work):
    with pytest.raises(NSTError, match=r"^no worker of the cluster starts: no module named nst$"):
        work(FakeRay(starts=False), "ab")


def test_a_network_that_is_not_there_fails_its_row(work):
    (painted,) = work(FakeRay(), "a", "no such")
    assert painted.hopeless
    assert "no such" in painted.error


def test_a_cluster_without_room_is_one_line(work, monkeypatch):
    monkeypatch.setattr(nst.batch.cluster, "PATIENCE", 0.1)
    ray = FakeRay()
    monkeypatch.setattr(ray, "place", lambda: SimpleNamespace(future=Future))
    with pytest.raises(NSTError, match=r"^the cluster has no room for a worker with 1 processors and 0 GPUs"):
        work(ray, "ab")
