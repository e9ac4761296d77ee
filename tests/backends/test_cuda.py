"""torch on CUDA devices that are none: whole runs, what a step waits for, graphs, several devices, checkpoints.

What a GPU alone can show, speed, memory and rounding, is not here; see docs/benchmarks.md.
"""

from collections import Counter

import numpy as np
import pytest

import nst
from nst.backends import get_backend
from nst.conformance.runner import Options, run_here

SHALLOW = {"content_layers": "conv2_1", "style_layers": "conv1_1,conv2_1", "scales": 1, "steps": 3}
WINDOWS = {**SHALLOW, "tile": 32}


def transfer(weights, device, **options):
    content, style = np.random.default_rng(1).random((2, 48, 64, 3), np.float32)
    given = {"weights": weights, "size": 64, "steps": (3, 3), "scales": 2, **options}
    return nst.StyleTransfer(
        content, [style] * (1 + ("masks" in given)), backend="torch", device=device, **given
    )


def picture(run):
    *_, last = run.iterate()
    return run.backend.to_numpy(last.position.state.x)


def halves():
    left = np.zeros((48, 64), np.uint8)
    left[:, :32] = 255
    return {"masks": {"style1": left, "style2": 255 - left}}


RUNS = {
    "L-BFGS, two sizes, all layers": {},
    "Adam": {**SHALLOW, "optimizer": "adam"},
    "textbook": {**SHALLOW, "metric": 0.0, "pooling": "max", "padding": "zero", "init": "noise"},
    "pairs in float16": {**SHALLOW, "steps": 4, "optimizer": nst.LBFGS(history=2, half=True)},
    "total variation, an average, circular": {
        **SHALLOW,
        "tv_weight": 1e-3,
        "average": 0.5,
        "padding": "circular",
    },
    "smoothed": {**SHALLOW, "smoothing": True, "style_loss": "covariance"},
    "masks": {**SHALLOW, **halves()},
    "moments": {**SHALLOW, "style_loss": "moments", "tv_weight": 1e-3, "tv_power": 1},
    "Wasserstein": {**SHALLOW, "style_loss": "w2"},
    "windows": WINDOWS,
    "windows of a whole that wraps around": {**WINDOWS, "padding": "circular"},
}


@pytest.mark.slow
@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS)
def test_a_run_has_the_very_numbers_of_one_on_the_cpu_and_replays_graphs(options, pretended, small_network):
    expected = picture(transfer(small_network, "cpu", **options))
    with pretended() as driver:
        found = picture(transfer(small_network, "cuda:1", **options))
    np.testing.assert_array_equal(found, expected)
    assert driver.graphs
    assert all(graph.replays and graph.stream.device.index == 1 for graph in driver.graphs)
    assert driver.refused == []


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("tile", ["off", 32])
def test_a_run_in_half_precision(precision, tile, pretended, small_network):
    options = {**SHALLOW, "tile": tile, "precision": precision}
    expected = picture(transfer(small_network, "cpu", **options))
    with pretended() as driver:
        found = picture(transfer(small_network, "cuda", **options))
    np.testing.assert_allclose(found, expected, atol=0.02)  # the CPU sums a Gram matrix in other strips
    assert all(graph.replays for graph in driver.graphs)
    assert driver.refused == []


LOSS, PRODUCTS, FACTORS = ("to host", "scalars"), ("to host", "products"), ("to device", "combine")


@pytest.mark.parametrize(
    ("options", "waits"),
    [
        # the loss; the inner products of the new pair; the factors of the pairs in the direction
        ({}, {LOSS: 1, PRODUCTS: 1, FACTORS: 1}),
        ({"metric": 0.0}, {LOSS: 1, PRODUCTS: 1, FACTORS: 1}),
        ({"tile": 32}, {LOSS: 1, PRODUCTS: 1, FACTORS: 1}),
        ({"optimizer": nst.LBFGS(half=True)}, {LOSS: 1, PRODUCTS: 1}),
        # the loss, and whether the gradient is finite
        ({"optimizer": "adam"}, {LOSS: 2}),
        # and its norm once more: whether float16 was left. Its scale goes to the device
        ({"precision": "fp16"}, {LOSS: 2, PRODUCTS: 1, FACTORS: 1, ("to device", "from_numpy"): 1}),
    ],
)
def test_a_step_waits_for_the_device_no_more_often_than_this(options, waits, pretended, small_network):
    seen = []
    with pretended() as driver:
        for _ in transfer(small_network, "cuda", **{**SHALLOW, "steps": 5, **options}).iterate():
            seen.append(Counter((event.kind, event.where) for event in driver.events))
            driver.events.clear()
    assert [dict(step) for step in seen[3:]] == [waits] * 3  # the first steps look for a length, and record


@pytest.mark.slow
def test_windows_on_two_devices_are_each_recorded_on_their_own(pretended, small_network):
    """PyTorch records on a stream of the device that was recorded on first, unless it is given one."""
    expected = picture(transfer(small_network, "cpu", **WINDOWS))
    with pretended() as driver:
        found = picture(transfer(small_network, "cuda:0,cuda:1", **WINDOWS))
    np.testing.assert_array_equal(found, expected)
    assert {graph.stream.device.index for graph in driver.graphs} == {0, 1}
    assert all(graph.replays for graph in driver.graphs)


def test_two_threads_do_not_record_at_once(pretended):
    """PyTorch allows one capture of a process at a time."""
    from threading import Barrier, Thread

    from nst.backends.torch.cuda_graphs import record_on_cuda

    start, done = Barrier(2), []

    def record(device):
        x = get_backend("torch", device).from_numpy(np.ones((1, 3, 8, 8), np.float32))
        start.wait()
        for _ in range(20):
            record_on_cuda(lambda: x * x, device)
        done.append(device)

    with pretended():
        threads = [Thread(target=record, args=(device,)) for device in ("cuda:0", "cuda:1")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(done) == ["cuda:0", "cuda:1"]


def test_a_run_goes_on_from_a_file_on_its_device(pretended, small_network, tmp_path):
    expected = picture(transfer(small_network, "cpu", **{**SHALLOW, "steps": 4}))
    with pretended():
        run = transfer(small_network, "cuda:1", **{**SHALLOW, "steps": 4})
        records = run.iterate()
        for _ in range(3):
            next(records)
        run.save(tmp_path / "run.nst")
        resumed = nst.StyleTransfer.resume(tmp_path / "run.nst", weights=small_network)
        assert resumed.backend.device == "cuda:1"
        np.testing.assert_array_equal(picture(resumed), expected)


@pytest.mark.slow
def test_the_conformance_suite_passes_there(pretended):
    with pretended() as driver:
        report, outputs = run_here("torch", Options(device="cuda:1", level=6))
    assert report["device"] == "cuda:1"
    assert [r for r in report["results"] if r["status"] not in ("passed", "skipped")] == []
    assert outputs
    assert driver.refused == []


# what those devices notice


def faulty(pretended, function):
    with pretended() as driver:
        backend = get_backend("torch", "cuda:1")
        x = backend.from_numpy(np.ones((1, 3, 8, 8), np.float32))
        objective = backend.compile(function, x, {})
        return driver, [float(backend.space.scalars([objective(x, {}).total])[0]) for _ in range(3)]


def test_a_loss_that_reads_a_number_is_noticed(pretended):
    driver, totals = faulty(pretended, lambda ops, x, c: (ops.sum(x) * float(ops.sum(x).detach()), {}))
    assert totals == [192.0**2] * 3  # without a graph
    assert [event.kind for event in driver.refused] == ["wait"]


def test_a_loss_whose_shape_depends_on_numbers_is_noticed(pretended):
    import torch

    driver, _ = faulty(pretended, lambda ops, x, c: (ops.sum(torch.masked_select(x, x > 0.5)), {}))
    assert [event.kind for event in driver.refused] == ["wait"]


def test_a_tensor_that_stayed_on_the_cpu_is_noticed(pretended):
    import torch

    with pytest.raises(RuntimeError, match="cuda:1 and cpu"):
        faulty(pretended, lambda ops, x, c: (ops.sum(x * torch.ones(8)), {}))
