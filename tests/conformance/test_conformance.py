"""The project's own backends under the conformance suite, each in a process of its own."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest

from nst.backends.registry import BUILTIN, backend_class, how_to_install
from nst.conformance.case import Subject
from nst.conformance.compare import TABLE
from nst.conformance.report import EMBEDDED, QUANTITIES, pair_differences, passes
from nst.conformance.runner import Options, required_backends, run_apart
from nst.conformance.suite import run_cases, select
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

RUNS = [(name, None, 7) for name in BUILTIN] + [
    ("numpy", "float32", 6),
    ("torch", "float64", 6),
    ("tf", "float64", 6),
]
UNTRACED = "tests.conformance.untraced:Untraced"
"""What runs in place of TensorFlow: its graphs take minutes to make. Those that differ in kind are made below."""


def wanted(name):
    return how_to_install(name) is None or name in required_backends()


@pytest.fixture(scope="module")
def reports():
    """(name, dtype) -> (report, outputs); two at a time, on one core each."""
    runs = [run for run in RUNS if wanted(run[0])]
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
            patch.setitem(os.environ, name, "1")
        patch.chdir(ROOT)  # in which the new processes look for what is here
        done = pool.map(
            lambda run: run_apart(UNTRACED if run[0] == "tf" else run[0], Options("cpu", *run[1:])), runs
        )
        return {(name, dtype): result for (name, dtype, _), result in zip(runs, done, strict=True)}


@pytest.mark.parametrize(("name", "dtype", "level"), RUNS, ids=[f"{n}-{d or 'default'}" for n, d, _ in RUNS])
def test_a_backend_conforms(reports, name, dtype, level):
    if not wanted(name):
        pytest.skip(how_to_install(name))
    report, _ = reports[name, dtype]
    assert "error" not in report, report.get("error")
    assert [f"{r['id']}: {r['message']}" for r in report["results"] if r["status"] == "failed"] == []
    assert passes(report)
    assert {r["level"] for r in report["results"] if r["status"] == "passed"} == set(range(level + 1))


TRACED = (
    "optimizer/trajectory/deep",
    "loss/whole/",
    "loss/style/all",
    "loss/style/w2",
    "loss/smoothed/guided",
    "full/embedded/objective/paper",
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_graphs_of_tensorflow(dtype, need):
    """Of which the runs above make none: all terms, masked, smoothed, in batches, by the trained network; descents."""
    need("tf")
    subject = Subject(backend_class("tf")("cpu", dtype))
    chosen = TRACED if dtype == "float32" else ("optimizer/trajectory/deep", "loss/whole/avg")
    results = run_cases(subject, [case for part in chosen for case in select(7, part)])
    assert [f"{r.id}: {r.message}" for r in results if r.status != "passed"] == []
    assert len(results) >= len(chosen)


def test_the_reference_skips_what_needs_a_framework_or_real_weights_and_nothing_else(reports):
    report, _ = reports["numpy", None]
    skipped = {r["id"] for r in report["results"] if r["status"] == "skipped"}
    half = {"precision/sizes/bf16", "precision/sizes/fp16"}  # which numpy has not
    assert skipped == half | {"state/native-grad-is-untouched", "full/real/features", "full/real/objective"}


def test_backends_agree_with_each_other(reports):
    outputs = {name: arrays for (name, dtype), (_, arrays) in reports.items() if dtype is None}
    rows = pair_differences(outputs)
    assert [row["pair"] for row in rows] == [list(pair) for pair in combinations(outputs, 2)]
    for row in rows:
        for quantity in QUANTITIES:
            assert row[quantity] <= TABLE["float32"][quantity].limit, (row["pair"], quantity)
    trained = pair_differences(outputs, EMBEDDED)
    assert [row["pair"] for row in trained] == [row["pair"] for row in rows]
    for row in trained:
        for quantity in QUANTITIES:
            assert row[quantity] <= TABLE["float32"][f"full {quantity}"].limit, (row["pair"], quantity)


def test_a_difference_between_two_backends_shows():
    a = {f"{quantity}/x": np.array([3.0, 4.0]) for quantity in QUANTITIES}
    b = {**a, "gram/x": np.array([3.0, 4.4]), "gradient/x": np.array([3.0, 4.5])}
    (row,) = pair_differences({"a": a, "b": b})
    assert row["pair"] == ["a", "b"]
    assert row["features"] == row["loss"] == 0
    assert row["gram"] == pytest.approx(0.4 / 4.4)
    assert row["gradient"] == pytest.approx(0.5 / np.hypot(3, 4.5))


def test_the_embedded_network_has_a_table_of_its_own():
    a = {
        f"{prefix}{quantity}/x": np.array([3.0, 4.0]) for quantity in QUANTITIES for prefix in ("", EMBEDDED)
    }
    b = {**a, "embedded/loss/x": np.array([3.0, 4.4])}
    small = {key: array for key, array in a.items() if not key.startswith(EMBEDDED)}
    (row,) = pair_differences({"a": a, "b": b})
    assert row["loss"] == 0
    (row,) = pair_differences({"a": a, "b": b, "no level 7": small}, EMBEDDED)
    assert row["pair"] == ["a", "b"]
    assert row["loss"] == pytest.approx(0.4 / 4.4)
    assert row["features"] == 0
