"""One picture over several devices: the same bits as on one, whoever dies on the way."""

import importlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

import nst
from nst.backends.numpy.backend import NumpyBackend
from nst.encoding.windows import PASSES, overlap_factor, windows
from nst.engine.cache import Context
from nst.engine.distributed import WorkerGroup, WorkerLostError
from nst.engine.stage import Stage
from nst.engine.weighting import losses_of
from nst.errors import BackendError, NSTError, SettingsError
from nst.models.random import random_weights
from nst.pictures.picture import Picture, planar
from nst.pictures.scene import make_scene
from nst.planning.plan import Task, choose, predict
from nst.processes import ProcessExecutor
from nst.settings import make_settings
from nst.workers.devices import devices_of
from nst.workers.local import local_workers, process_worker, start_workers, thread_worker
from tests.workers.conftest import CONTENT, OPTIONS, STYLE, transfer


def workers_of(made):
    return made._group.workers


def pids(made):
    """Of the processes, which their executors know."""
    return [worker._executor.process.pid for worker in workers_of(made)]


@pytest.fixture(scope="module")
def shared_out(small_network):
    """A transfer among three processes, with the result of its first run."""
    made = transfer(small_network, device="cpu,cpu,cpu")
    return made, made.run()


def test_three_processes_have_the_bits_of_one(shared_out, alone):
    made, result = shared_out
    assert len(set(pids(made))) == 3
    assert os.getpid() not in pids(made)
    assert len(made._stage(203).problem.encoder.views) == 6
    np.testing.assert_array_equal(result, alone)
    assert np.abs(result.astype(int) - CONTENT).max() > 20  # something was painted


def test_another_run_takes_the_same_processes(shared_out, alone):
    made, _ = shared_out
    before = pids(made)
    np.testing.assert_array_equal(made.run(), alone)
    assert pids(made) == before


@pytest.mark.slow
def test_a_run_goes_on_where_it_was_saved(shared_out, alone, small_network, tmp_path):
    made, _ = shared_out
    for record in made.iterate():
        if record.step == 2:
            made.save(tmp_path / "run.nst")
            break
    same = {"weights": small_network, "like": CONTENT}
    with pytest.raises(NSTError, match="say again among which, with device="):
        nst.StyleTransfer.resume(tmp_path / "run.nst", **same)
    again = nst.StyleTransfer.resume(tmp_path / "run.nst", device=["cpu"] * 3, **same)
    assert again._devices.names == ("cpu", "cpu", "cpu")
    again._group = made._group  # three more processes would do the same
    np.testing.assert_array_equal(again.run(), alone)


@pytest.mark.slow
def test_pictures_in_turn_have_their_own_targets(shared_out, small_network):
    """Workers who have been told of one picture since do not know the windows of the other any more."""
    other, made = np.ascontiguousarray(CONTENT[::-1]), shared_out[0]
    gradients = []
    for transfers in (made, transfer(small_network)):
        stages = [transfers._stage(203), transfers._frame(other, other).ready]
        x = transfers.backend.from_numpy(transfers.start.first(*transfers.size))
        gradients.append([stages[i].evaluate(x).gradient for i in (0, 1, 0, 1)])
    for got, want in zip(*gradients, strict=True):
        np.testing.assert_array_equal(got, want)
    assert not np.array_equal(gradients[0][0], gradients[0][1])


@pytest.mark.slow
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


def shared_among(network, make, count, sides=(96,)):
    """A stage whose windows are shared out among as many threads, and a gradient; 0 for this process alone."""
    # zeros outside: any other padding is folded on the whole picture, for which `Cramped` has no memory
    layers = {"content_layers": {"conv3_2": 1.0}, "style_layers": {"conv1_1": 0.5, "conv3_1": 0.5}}
    settings = make_settings(**layers, padding="zero")
    content, style = (Picture((p / 255).astype("f4")) for p in (CONTENT, STYLE))
    scene, losses = make_scene(content, [style], [1.0], None), losses_of(settings, network)

    makers = [make] * count if callable(make) else make
    threads = start_workers([(thread_worker("cpu", n), m) for n, m in enumerate(makers, start=1)], network)
    group = WorkerGroup(lambda: threads, count, count) if threads else None
    backend = makers[0]() if threads else make()
    stage = Stage(scene, losses, Context(settings, network, backend, sides, group=group))
    x = backend.from_numpy(planar(content))
    return stage, backend.to_numpy(stage.evaluate(x).gradient)


@pytest.mark.slow
def test_a_worker_without_memory_gets_smaller_windows(small_network):
    """What runs out in a worker is seen here as if it had run out here."""
    stage, got = shared_among(small_network, [NumpyBackend, Cramped], 2, (128, 72))
    _, want = shared_among(small_network, Cramped, 0, (128, 72))
    assert stage.state.sides == (72,)
    np.testing.assert_array_equal(got, want)


def test_the_scale_of_half_precision_does_not_depend_on_the_number(small_network, need):
    """And goes to the position that is saved."""
    need("torch")
    from nst.backends.torch.backend import TorchBackend

    made = partial(TorchBackend, "cpu", precision="float16")
    shared = [shared_among(small_network, made, count) for count in (1, 3)]
    (first, one), (second, three) = shared
    np.testing.assert_array_equal(one, three)
    assert first.state.scale == second.state.scale
    value, settled, good = first.state.scale
    assert settled
    assert (value, good) != (2.0**24, 0)
    _, here = shared_among(small_network, made, 0)
    assert np.linalg.norm(one - here) < 0.02 * np.linalg.norm(here)


def test_workers_take_the_precision_of_the_size(small_network, need):
    """They are started once, with the backend of the last size."""
    need("torch")
    from nst.backends.torch.backend import TorchBackend

    half = partial(TorchBackend, "cpu", precision="bfloat16")
    _, want = shared_among(small_network, half, 2)
    _, got = shared_among(small_network, [half, partial(TorchBackend, "cpu"), TorchBackend], 3)
    np.testing.assert_array_equal(got, want)


def test_a_fault_in_a_worker_comes_with_its_traceback(small_network):
    (worker,) = start_workers([(thread_worker("cpu", 1), NumpyBackend)], small_network)
    with pytest.raises(RuntimeError, match=r"^Traceback[\s\S]*distributed\.py"):
        worker.ask("statistics", 7, np.zeros((1, 3, 8, 8)))()


def test_an_error_of_nst_stays_one(small_network):
    with pytest.raises(BackendError, match="runs on the CPU only"):
        local_workers([("cuda:0", partial(NumpyBackend, "cuda:0"))], small_network)


def test_an_ended_worker_is_lost_and_not_a_traceback(small_network):
    (worker,) = local_workers([("cpu", NumpyBackend)], small_network)
    os.kill(worker._executor.process.pid, signal.SIGKILL)
    with pytest.raises(WorkerLostError, match="the worker on cpu"):
        worker.ask("begin", None)()
    with pytest.raises(WorkerLostError):
        worker.ask("begin", None)()


DYING = """
import contextlib, os, signal
import numpy as np
from nst.backends.numpy.backend import NumpyBackend

def first(array, *more):
    return array

class LongAnswer:
    def __init__(self, array):
        self.array = array

    def __reduce__(self):
        return first, (self.array, np.zeros(2 * 10**8, np.uint8), Alarm())  # some tenths of a second in the pipe

class Alarm:
    def __reduce__(self):
        signal.setitimer(signal.ITIMER_REAL, 0.2)  # which kills
        return tuple, ()

class Backend(NumpyBackend):
    def to_numpy(self, tensor):
        if os.getpid() != int(os.environ["FIRST"]):
            with contextlib.suppress(FileNotFoundError):  # the other one may be quicker
                os.remove("one shall die")
                return LongAnswer(super().to_numpy(tensor))
        return super().to_numpy(tensor)
"""


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_worker_that_dies_in_the_middle_of_an_answer_is_lost(small_network, alone, tmp_path, monkeypatch):
    """Whoever waits for the rest of it waits for ever, if nobody closes the pipe."""
    (tmp_path / "dying.py").write_text(DYING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("FIRST", str(os.getpid()))
    monkeypatch.chdir(tmp_path)
    made = transfer(small_network, backend="dying:Backend", device="cpu,cpu")
    for record in made.iterate():
        if record.step == 1:
            Path("one shall die").touch()
    assert not Path("one shall die").exists()
    assert len(workers_of(made)) == 1
    np.testing.assert_array_equal(record.image(), alone)


FORKING = """
import os, signal

def fork():
    return os.fork() or signal.pause()
"""


@pytest.mark.slow
def test_a_process_is_over_though_one_that_it_started_holds_its_pipes(tmp_path, monkeypatch):
    """Which then have no end."""
    (tmp_path / "forking.py").write_text(FORKING)
    monkeypatch.syspath_prepend(tmp_path)
    executor = ProcessExecutor()
    pid = executor.submit(importlib.import_module("forking").fork).result()
    try:
        with pytest.raises(BrokenExecutor, match="memory runs out"):
            executor.submit(os.kill, executor.process.pid, signal.SIGKILL).result(120)
    finally:
        os.kill(pid, signal.SIGKILL)


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
    pictures = (11 + 2 * 5) * picture + targets
    base = costs.process + costs.copies * parameters
    computing = one.peak - base - pictures
    assert two.peak == pytest.approx(base + pictures + 2 * (base + computing) + targets + picture, rel=1e-6)
    assert far.peak == one.peak
    assert two.workers == far.workers == 2


def test_windows_for_several_workers_come_out_even():
    network, costs = random_weights(0, 0.125), NumpyBackend(dtype="float32")
    settings = make_settings(content_layers={"conv4_2": 1.0}, style_layers={"conv5_1": 1.0}, steps=50)
    for size, workers in (((2048, 1536), 2), ((4096, 3072), 4), ((1024, 768), 4)):
        width, height = size
        found = choose(Task(settings, network, costs, size, settings.layers, workers, workers), 10**12)
        count = len(windows(height, width, found.side, settings.layers))
        assert count % workers == 0
        assert PASSES * overlap_factor(height, width, found.side, settings.layers, workers=workers) < 1
    alone = choose(Task(settings, network, costs, (2048, 1536), settings.layers), 10**12)
    assert alone.side is None


def test_a_worker_that_nobody_needs_has_ended():
    """Before Python goes on: it may be about to end, while the pool of the process is being shut down."""
    worker = process_worker("cpu", 1)
    pid = worker._answer(os.getpid)()
    assert psutil.pid_exists(pid)
    del worker
    assert not psutil.pid_exists(pid)


@pytest.fixture
def painting(tmp_path, environment, weights_file):
    """A command that shares a picture out among two processes, and these; they have been at it for a second."""
    Image.fromarray(CONTENT).save(tmp_path / "content.png")
    Image.fromarray(STYLE).save(tmp_path / "style.png")
    words = ["stylize", "content.png", "style.png", "-o", "out.png", "--weights", weights_file, "--size", 203]
    words += ["--device", "cpu,cpu"]
    for name, value in {**OPTIONS, "steps": 10_000}.items():
        words += [f"--{name.replace('_', '-')}", value]
    first = subprocess.Popen(
        [sys.executable, "-m", "nst", *map(str, words)],
        env=environment,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield first, started(first)
    first.kill()
    first.communicate()


@pytest.mark.slow
def test_ctrl_c_ends_all_in_good_order(tmp_path, painting):
    """It reaches the workers too, who leave it to the first process."""
    first, children = painting
    os.killpg(first.pid, signal.SIGINT)
    _, said = first.communicate(timeout=120)
    assert first.returncode == 130, said
    assert "Traceback" not in said
    assert Image.open(tmp_path / "out.png").size == (203, 131)
    assert psutil.wait_procs(children, timeout=60)[1] == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_two_signals_end_all_though_no_worker_answers(painting, number):
    first, children = painting
    for process in children:
        process.suspend()
    own, busy = psutil.Process(first.pid), None
    while busy != (
        busy := sum(own.cpu_times()[:2])
    ):  # what they have answered is worked through: it waits for them
        time.sleep(1)
    for _ in range(2):
        first.send_signal(number)
        time.sleep(0.5)  # else they are one
    _, said = first.communicate(timeout=60)
    assert (first.returncode, said.splitlines()[-1]) == (130, "nst: interrupted")
    assert "Traceback" not in said
    assert psutil.wait_procs(children, timeout=60)[1] == []


def started(first):
    """The processes that one has started, when they have had a second."""
    own, deadline = psutil.Process(first.pid), time.monotonic() + 120
    while len(children := own.children(recursive=True)) < 2:
        assert time.monotonic() < deadline
        assert first.poll() is None
        time.sleep(0.1)
    time.sleep(1)
    return children


SCRIPT = """
import numpy as np
import nst
from nst.models.random import random_weights
rng = np.random.default_rng(1)
picture = rng.integers(0, 256, (131, 203, 3), np.uint8)
{guard}nst.stylize(picture, picture, weights=random_weights(0, 0.0625), {options}, device="cpu,cpu")
"""


OWN_LOSS = """
import nst.losses

class Term:
    name, layers, spatial = "mine", ("conv1_1",), {}

    def statistics(self, ops, x, features, constants):
        return {"mine/sum": ops.channel_sum(features["conv1_1"])}

    def energy(self, ops, totals):
        return ops.sum(ops.square(totals.statistics["mine/sum"]))

class Loss:
    name, layers, depends_on_content = "mine", Term.layers, False

    def prepare(self, encoder, scene):
        return nst.losses.Prepared(Term(), 1e-9)
"""
GUARD = 'if __name__ == "__main__":'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("guard", "own", "said"),
    [("", "", None), (f"{GUARD}\n    ", OWN_LOSS, None), ("", OWN_LOSS, f"put what calls nst below {GUARD}")],
    ids=["plain", "own-loss", "own-loss-without-guard"],
)
def test_a_script_needs_a_guard_only_where_workers_need_a_class_of_it(
    tmp_path, environment, guard, own, said
):
    script = tmp_path / "script.py"
    options = ", ".join(f"{name}={value!r}" for name, value in OPTIONS.items())
    script.write_text(
        own + SCRIPT.format(guard=guard, options=options + ", extra_terms=[Loss()]" * bool(own))
    )
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == (said is not None), done.stderr
    assert said in done.stderr if said else not done.stderr


@pytest.mark.slow
def test_processes_end_with_the_first_one(tmp_path, environment):
    """Even when it is killed and can send nobody home."""
    script = tmp_path / "script.py"
    options = ", ".join(f"{name}={value!r}" for name, value in {**OPTIONS, "steps": 10_000}.items())
    script.write_text(SCRIPT.format(guard='if __name__ == "__main__":\n    ', options=options))
    first = subprocess.Popen([sys.executable, script], env=environment)
    try:
        children = started(first)
    finally:
        first.kill()
        first.wait()
    gone, alive = psutil.wait_procs(children, timeout=60)
    for process in alive:
        process.kill()
    assert alive == []
    assert len(gone) >= 2
