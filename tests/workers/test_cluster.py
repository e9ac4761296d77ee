"""One picture over the actors of a Ray cluster, of which one is killed."""

import os
import re
import signal
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import nst
from nst.backends.numpy.backend import NumpyBackend
from nst.errors import NSTError
from nst.workers.cluster import Places, _start, connect, places
from tests.workers.conftest import CONTENT, OPTIONS, STYLE, transfer

pytestmark = pytest.mark.slow


def on_cluster(network, workers):
    return transfer(network, device=nst.Devices(ray="auto", workers=workers))


def test_four_actors_have_the_bits_of_this_process(ray_cluster, small_network, alone):
    made = on_cluster(small_network, 4)
    np.testing.assert_array_equal(made.run(), alone)
    assert len({worker.name for worker in made._group.workers}) == 4
    for worker in made._group.workers:
        worker.close()  # the next test needs the room


def test_windows_of_an_actor_that_is_killed_are_done_by_the_other(ray_cluster, small_network, alone, caplog):
    made = on_cluster(small_network, 2)
    for record in made.iterate():
        if record.step == 1:
            name = made._group.workers[0].name
            os.kill(int(re.search(r"process (\d+)", name)[1]), signal.SIGKILL)
    np.testing.assert_array_equal(record.image(), alone)
    assert len(made._group.workers) == 1
    assert f"the worker on {name} is gone: its windows are done elsewhere" in caplog.messages
    made._group.workers[0].close()


def test_workers_that_cannot_start_say_why(ray_cluster, small_network):
    with pytest.raises(NSTError, match=r"^no worker of the cluster starts: .* runs on the CPU only"):
        _start(ray_cluster, Places(1, 1, 0), partial(NumpyBackend, "cuda:0"), small_network)


def test_the_command_line(ray_cluster, command, tmp_path, weights_file):
    """The same bytes with and without a cluster."""
    Image.fromarray(CONTENT).save(tmp_path / "content.png")
    Image.fromarray(STYLE).save(tmp_path / "style.png")
    shared = ["stylize", "content.png", "style.png", "--weights", weights_file, "--size", 203]
    for name, value in OPTIONS.items():
        shared += [f"--{name.replace('_', '-')}", value]
    for more in (["-o", "alone.png"], ["-o", "cluster.png", "--ray-workers", 2, "--ray"]):
        done = command(*shared, *more)
        assert done.status == 0, done.stderr
    alone, cluster = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("alone", "cluster"))
    np.testing.assert_array_equal(cluster, alone)


def cluster(nodes=1, **resources):
    alive = [{"Alive": number < nodes} for number in range(nodes + 1)]
    return SimpleNamespace(cluster_resources=lambda: resources, nodes=lambda: alive)


def test_an_actor_asks_for_a_gpu_where_there_are_any():
    found = places(cluster(nodes=2, GPU=8.0, CPU=64.0), None)
    assert (found.count, found.gpus, found.device) == (8, 1, "cuda:0")
    assert places(cluster(GPU=8.0, CPU=64.0), 3).count == 3


def test_an_actor_has_a_machine_where_there_are_none():
    found = places(cluster(nodes=3, CPU=24.0), None)
    assert (found.count, found.processors, found.device) == (3, 8, "cpu")
    assert found.options == {"num_cpus": 8, "num_gpus": 0}
    assert found.together == 1
    assert places(cluster(CPU=2.0), 4).processors == 1
    assert places(cluster(nodes=2, CPU=16.0), 3).together == 2


def test_a_picture_behind_the_option_is_no_address(command, pictures):
    done = command("stylize", "--ray", pictures.content, pictures.style, "-o", "out.png")
    assert done.status == 2
    (line,) = done.stderr.splitlines()
    assert f"{pictures.content} is a file: put --ray last, or write --ray=ADDRESS" in line


def test_what_is_no_cluster_is_one_line(monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(NSTError, match=r"^there is no Ray cluster at nowhere"):
        connect("nowhere")
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(NSTError, match=r"pip install 'nst\[ray\]'"):
        connect("auto")
