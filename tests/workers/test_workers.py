"""One picture over several devices: the same bits as on one, whoever dies on the way."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import psutil
import pytest

import nst
from nst.backends.numpy.backend import NumpyBackend
from nst.engine.team import Team, WorkerLostError
from nst.errors import BackendError, NSTError, SettingsError
from nst.models.random import random_weights
from nst.planning.plan import Task, predict
from nst.settings import make_settings
from nst.workers.devices import devices_of
from nst.workers.local import local_workers, start_workers, thread_worker

OPTIONS = {
    "backend": "numpy",
    "style_layers": "conv1_1,conv2_1,conv3_1",
    "content_layers": "conv3_2",
    "tile": 96,  # conv3_2 needs 2 x 16 pixels and a position around: 2 x 3 windows
    "scales": 1,
    "steps": 3,
}


def picture(seed, height, width):
    """(H, W, 3) uint8: waves and noise."""
    rng = np.random.default_rng(seed)
    waves = np.sin(np.outer(np.arange(height), rng.random(3))[:, None] + np.arange(width)[:, None] / 9)
    return (np.clip(0.5 + 0.3 * waves + 0.1 * rng.standard_normal(waves.shape), 0, 1) * 255).astype(np.uint8)


CONTENT, STYLE = picture(1, 131, 203), picture(2, 90, 120)


def transfer(network, **options):
    return nst.StyleTransfer(CONTENT, STYLE, weights=network, **{**OPTIONS, **options})


def workers_of(made):
    return made._team.workers


def pids(made):
    """Of the processes, which their executors know."""
    return [next(iter(worker._executor._processes)) for worker in workers_of(made)]


@pytest.fixture(scope="module")
def alone(small_network):
    """The result of this process."""
    return transfer(small_network).run()


@pytest.fixture(scope="module")
def shared_out(small_network):
    """A transfer among three processes, with the result of its first run."""
    made = transfer(small_network, device="cpu,cpu,cpu")
    return made, made.run()


def test_three_processes_have_the_bits_of_one(shared_out, alone):
    made, result = shared_out
    assert len(set(pids(made))) == 3
    assert os.getpid() not in pids(made)
    assert len(made.stage(203).problem.encoder.views) == 6
    np.testing.assert_array_equal(result, alone)
    assert np.abs(result.astype(int) - CONTENT).max() > 20  # something was painted


def test_another_run_takes_the_same_processes(shared_out, alone):
    made, _ = shared_out
    before = pids(made)
    np.testing.assert_array_equal(made.run(), alone)
    assert pids(made) == before


def test_a_run_goes_on_where_it_was_saved(shared_out, alone, small_network, tmp_path):
    made, _ = shared_out
    for record in made.iterate():
        if record.step == 2:
            made.save(tmp_path / "run.nst")
            break
    again = nst.StyleTransfer.resume(tmp_path / "run.nst", weights=small_network, like=CONTENT)
    assert again.devices.names == ("cpu", "cpu", "cpu")
    again._team = made._team  # three more processes would do the same
    np.testing.assert_array_equal(again.run(), alone)


def test_windows_of_a_process_that_is_killed_are_done_by_others(shared_out, alone, caplog):
    """The last of these tests: it kills them one after the other."""
    made, _ = shared_out
    for record in made.iterate():
        if record.step in (1, 2):
            os.kill(pids(made)[0], signal.SIGKILL)
    np.testing.assert_array_equal(record.image(), alone)
    assert len(workers_of(made)) == 1
    assert [line for line in caplog.messages if "is gone: its windows are done elsewhere" in line]
    os.kill(pids(made)[0], signal.SIGKILL)
    with pytest.raises(NSTError, match=r"^the worker on cpu \(\d\) is gone, and there is no other: .*--tile"):
        made.run()


class Cramped(NumpyBackend):
    """Has no memory for windows of more than 80 x 80 pixels."""

    def compile(self, function, like, constants):
        if like.ndim == 4 and like.shape[1] == 3 and like.shape[2] * like.shape[3] > 6400:
            raise MemoryError("too large")
        return super().compile(function, like, constants)


def test_a_worker_without_memory_gets_smaller_windows(small_network):
    """What runs out in a worker is seen here as if it had run out here."""
    from nst.engine.machine import Machine
    from nst.engine.stage import Stage
    from nst.engine.weights import losses_of
    from nst.pictures.picture import Picture, planar
    from nst.pictures.scene import make_scene

    settings = make_settings(content_layers={"conv3_2": 1.0}, style_layers={"conv1_1": 0.5, "conv3_1": 0.5})
    content, style = (Picture((p / 255).astype("f4")) for p in (CONTENT, STYLE))
    scene, losses = make_scene(content, [style], [1.0], None), losses_of(settings, small_network)

    def gradient(backend, team=None):
        stage = Stage(scene, losses, Machine(settings, small_network, backend, (128, 72), team=team))
        return stage, stage.evaluate(backend.from_numpy(planar(content))).gradient

    threads = start_workers([(thread_worker("cpu", n), Cramped) for n in (1, 2)], small_network)
    stage, got = gradient(NumpyBackend(), Team(lambda: threads, 2, 2))
    _, want = gradient(Cramped())
    assert stage.found.sides == (72,)
    np.testing.assert_array_equal(got, want)


def test_a_fault_in_a_worker_comes_with_its_traceback(small_network):
    (worker,) = start_workers([(thread_worker("cpu", 1), NumpyBackend)], small_network)
    with pytest.raises(RuntimeError, match=r"^Traceback[\s\S]*share\.py"):
        worker.ask("statistics", 7, np.zeros((1, 3, 8, 8)))()


def test_an_error_of_nst_stays_one(small_network):
    with pytest.raises(BackendError, match="runs on the CPU only"):
        local_workers([("cuda:0", partial(NumpyBackend, "cuda:0"))], small_network)


def test_an_ended_worker_is_lost_and_not_a_traceback(small_network):
    (worker,) = local_workers([("cpu", NumpyBackend)], small_network)
    os.kill(next(iter(worker._executor._processes)), signal.SIGKILL)
    with pytest.raises(WorkerLostError, match="the worker on cpu"):
        worker.ask("begin", None)()
    with pytest.raises(WorkerLostError):
        worker.ask("begin", None)


def test_devices_as_they_are_given():
    assert devices_of("cuda:0,cuda:1").names == ("cuda:0", "cuda:1")
    assert devices_of(["cpu", "cpu"]).names == ("cpu", "cpu")
    with pytest.raises(BackendError, match="unknown device 'gpu'"):
        devices_of("cpu,gpu")
    with pytest.raises(SettingsError, match="no device"):
        devices_of([])
    with pytest.raises(SettingsError, match="0 workers"):
        nst.Devices(ray="auto", workers=0)


def test_a_device_that_is_not_there_is_one_line_before_any_work(small_network):
    with pytest.raises(BackendError, match=r"^backend numpy sees no cuda:1: it sees cpu$"):
        transfer(small_network, device="cpu,cuda:1")


def test_a_plan_for_several_workers_by_hand():
    """Two workers in this memory: two networks more, two windows' maps, and half of the targets and parts each."""
    network = random_weights(0, 0.125)
    settings = make_settings(
        content_layers={"conv4_2": 1.0}, style_layers={"conv1_1": 1.0}, steps=50, tile=512
    )
    task = Task(settings, network, NumpyBackend(dtype="float32"), (2048, 1024), settings.layers)
    one, two, far = (
        predict(replaced, 512, history=5)
        for replaced in (task, Task(*vars(task).values()), Task(*vars(task).values()))
    )
    costs, pixels = NumpyBackend.capabilities.costs, 2048 * 1024
    parameters = 4 * sum(
        array.size
        for layer, arrays in network.convolutions.items()
        if layer in {"conv4_1", "conv4_2"} or layer[4] in "123"
        for array in arrays
    )
    assert one.peak == two.peak == far.peak
    two = predict(Task(*list(vars(task).values())[:5], 2, 2), 512, history=5)
    far = predict(Task(*list(vars(task).values())[:5], 2, 0), 512, history=5)
    picture, targets = 12 * pixels, 4 * 64 * pixels / 64
    pictures = (10 + 2 * 5) * picture + targets
    base = costs.process + costs.copies * parameters
    computing = one.peak - base - pictures
    assert two.peak == pytest.approx(base + pictures + 2 * (base + computing) + targets + picture, rel=1e-6)
    assert far.peak == one.peak
    assert two.workers == far.workers == 2


SCRIPT = """
import numpy as np
import nst
from nst.models.random import random_weights
rng = np.random.default_rng(1)
picture = rng.integers(0, 256, (131, 203, 3), np.uint8)
{guard}nst.stylize(picture, picture, weights=random_weights(0, 0.0625), {options}, device="cpu,cpu")
"""


def test_a_script_without_a_guard_is_told_so(tmp_path, environment):
    script = tmp_path / "script.py"
    options = ", ".join(f"{name}={value!r}" for name, value in OPTIONS.items())
    script.write_text(SCRIPT.format(guard="", options=options))
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert 'put what calls nst below if __name__ == "__main__":' in done.stderr


def test_processes_end_with_the_first_one(tmp_path, environment):
    """Even when it is killed and can send nobody home."""
    script = tmp_path / "script.py"
    options = ", ".join(f"{name}={value!r}" for name, value in {**OPTIONS, "steps": 10_000}.items())
    script.write_text(SCRIPT.format(guard='if __name__ == "__main__":\n    ', options=options))
    first = subprocess.Popen([sys.executable, script], env=environment)
    try:
        own, deadline = psutil.Process(first.pid), time.monotonic() + 120
        while len(children := own.children(recursive=True)) < 2:
            assert time.monotonic() < deadline
            assert first.poll() is None
            time.sleep(0.1)
        time.sleep(1)
    finally:
        first.kill()
        first.wait()
    gone, alive = psutil.wait_procs(children, timeout=60)
    for process in alive:
        process.kill()
    assert alive == []
    assert len(gone) >= 2
