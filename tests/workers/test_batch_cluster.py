"""A batch on a Ray cluster: the same files as in this process, whoever is killed; no disk in common."""

import json
import os
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import nst
from nst.batch.cluster import Cluster
from nst.batch.fingerprint import digest
from nst.batch.painter import Painted, Painter
from nst.batch.rows import Row
from nst.batch.supplies import Supplies, paths_of

OPTIONS = {"backend": "numpy", "steps": 6, "size": 48, "style_layers": "conv1_1,conv2_1", "content_layers": "conv2_2"}


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


def run(job, name, crew, watch=None):
    batch = nst.Batch(job.contents, job.styles, job.folder / name, **job.options)
    summary = batch.run(watch, crew)
    return summary, {path.name: path.read_bytes() for path in (job.folder / name).glob("*.png")}


def manifest(job, name):
    return [json.loads(line) for line in (job.folder / name / "nst-batch.jsonl").read_text().splitlines()]


def test_four_actors_make_the_same_files(ray_cluster, job):
    summary, made = run(job, "four", Cluster("auto", 4))
    assert (summary.done, summary.kept, summary.failed) == (12, 0, ())
    assert made == job.here
    again, _ = run(job, "four", Cluster("auto", 4))
    assert (again.done, again.kept) == (0, 12)


class Watched(Cluster):
    """Kills the actor that has the first row, when the first answer of another has come."""

    def work(self, rows, see):
        from nst.batch import cluster

        self.killed = None
        for painted in super().work(rows, see):
            yield painted
            if self.killed is None:
                import psutil

                actors = [p for p in psutil.process_iter(["cmdline"]) if "_Actor" in " ".join(p.info["cmdline"] or [])]
                self.killed = actors[0].pid
                os.kill(self.killed, signal.SIGKILL)
        assert cluster


def test_what_a_killed_actor_had_is_painted_by_another(ray_cluster, job):
    crew = Watched("auto", 2)
    summary, made = run(job, "killed", crew)
    assert crew.killed is not None
    with pytest.raises(ProcessLookupError):
        os.kill(crew.killed, 0)
    assert (summary.done, summary.failed) == (12, ())
    assert made == job.here
    assert len(manifest(job, "killed")) == 12  # none was written twice
