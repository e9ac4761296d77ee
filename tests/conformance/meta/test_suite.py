"""How cases are compared, selected, run and reported."""

import json
import re
import textwrap
from dataclasses import fields

import numpy as np
import pytest
from click.testing import CliRunner

from nst.backends.numpy.backend import NumpyBackend
from nst.backends.numpy.kernels import NumpyKernels
from nst.cli.commands.conformance import conformance
from nst.conformance import Mismatch, Subject, all_cases, run_case, run_cases, runner, select
from nst.conformance.cases.l7_full_width import OBJECTIVES
from nst.conformance.compare import NETWORK, TABLE, compare, tolerance
from nst.conformance.report import backend_table, passes
from nst.conformance.runner import Options, names_to_run, run_apart
from nst.errors import BackendError, SettingsError
from nst.models.random import random_weights

EVERY_ROW = [(dtype, quantity) for dtype, rows in TABLE.items() for quantity in rows]


def test_the_error_is_relative_to_the_largest_value():
    m = compare("y", [1.0, 2.0 + 4e-6], [1.0, 2.0], "features", "float32")
    assert m.error == pytest.approx(2e-6, rel=1e-6)


def test_a_gradient_is_compared_by_norms():
    m = compare("g", [3e-5, 5.0 + 4e-5], [0.0, 5.0], "gradient", "float32")
    assert m.error == pytest.approx(1e-5, rel=1e-6)


def test_a_mismatch_says_got_want_error_limit_and_place():
    got = np.zeros((2, 3))
    got[1, 2] = 0.5
    with pytest.raises(Mismatch) as caught:
        compare("map", got, np.ones((2, 3)) * [[0, 0, 0], [0, 0, 1]], "features", "float32")
    text = str(caught.value)
    assert text == ("map: got 0.5, want 1 at (1, 2) of shape (2, 3); features error 5.00e-01, limit 1e-04")
    assert caught.value.measurement.error == 0.5


@pytest.mark.parametrize(
    ("got", "want"),
    [([np.nan], [1.0]), ([1.0], [np.nan]), ([np.inf], [1.0]), ([-np.inf], [np.inf]), ([1.0], [np.inf])],
)
def test_what_is_not_finite_must_be_in_the_same_place(got, want):
    with pytest.raises(Mismatch, match="at \\(0,\\)"):
        compare("y", got, want, "features", "float32")
    assert compare("y", want, want, "features", "float32").error == 0


def test_shapes_are_not_broadcast():
    with pytest.raises(Mismatch, match=re.escape("got shape (1,), want shape ()")):
        compare("y", [1.0], 1.0, "exact", "float32")


def test_exact_allows_one_rounding():
    assert compare("y", np.float32(0.1), 0.1, "exact", "float32").error == 0
    with pytest.raises(Mismatch):
        compare("y", np.nextafter(np.float32(0.1), np.float32(1)), 0.1, "exact", "float32")


@pytest.mark.parametrize(("dtype", "quantity"), EVERY_ROW)
def test_limits_rest_on_measurements(dtype, quantity):
    row = TABLE[dtype][quantity]
    if quantity == "exact":
        assert row.limit == 0
    elif quantity == "curve":
        assert row.limit == 0.01
    else:
        worst = max(row.measured.values())
        assert (50 if quantity == "zero" else 5) < row.limit / worst < (200 if quantity == "zero" else 20)


@pytest.mark.parametrize(("precision", "quantity"), [(p, q) for p, rows in NETWORK.items() for q in rows])
def test_limits_of_networks_in_half_are_tight(precision, quantity):
    row = NETWORK[precision][quantity]
    assert 1.5 < row.limit / max(row.measured.values()) < (8 if quantity == "curve" else 6)


def test_a_data_type_without_limits_is_refused():
    with pytest.raises(BackendError, match="no limits for bfloat16"):
        tolerance("bfloat16", "loss")


def test_ids_are_unique_and_levels_known():
    ids = [case.id for case in all_cases()]
    assert len(ids) == len(set(ids))
    assert {case.level for case in all_cases()} == set(range(8))
    assert {case.level for case in select(2)} == {0, 1, 2}
    assert [case.id for case in select(7, "whole/smallest")] == [
        "loss/whole/smallest",
        "gradient/whole/smallest",
    ]


def test_the_command_line_has_the_options_of_a_run(monkeypatch):
    runs = []
    monkeypatch.setattr(runner, "run_command", lambda *arguments: runs.append(arguments[:3]) or True)
    assert CliRunner().invoke(conformance, [], standalone_mode=False).exception is None
    given = Options(device="cuda:1", dtype="float64", level=3, weights="a.npz", precision="fp16")
    assert {getattr(given, f.name) for f in fields(Options)}.isdisjoint({f.default for f in fields(Options)})
    words = [word for f in fields(Options) for word in (f"--{f.name}", str(getattr(given, f.name)))]
    CliRunner().invoke(conformance, ["torch", *words, "--json", "b.json"], standalone_mode=False)
    assert runs == [((), Options(), None), (("torch",), given, "b.json")]
    with pytest.raises(SettingsError, match="level 8: choose 0 to 7"):
        Options(level=8)


class LeakyKernels(NumpyKernels):
    def relu(self, x):
        return np.where(x > 0, x, 0.01 * x)


class Leaky(NumpyBackend):
    kernels = LeakyKernels()


class Broken(NumpyBackend):
    def from_numpy(self, array):
        raise RuntimeError("no memory on the abacus")


def test_known_deviations_are_strict():
    cases = [case for case in all_cases() if case.id.startswith(("primitive/relu", "primitive/sum/odd"))]
    known = {"primitive/relu/odd": "leaks", "primitive/sum/odd": "never"}
    results = {result.id: result for result in run_cases(Subject(Leaky()), cases, known)}
    assert results["primitive/relu/odd"].status == "deviates"
    assert results["primitive/relu/odd"].message.startswith("leaks (relu/odd: got ")
    assert results["primitive/relu/batch"].status == "failed"
    assert results["primitive/sum/odd"].status == "failed"
    assert "passes" in results["primitive/sum/odd"].message
    with pytest.raises(SettingsError, match="primitive/rule"):
        run_cases(Subject(Leaky()), cases, {"primitive/rule": "misspelt"})


def test_what_a_backend_raises_is_a_failure():
    case = select(0, "round-trip/scalar")[0]
    result = run_case(Subject(Broken()), case)
    assert result.status == "failed"
    assert result.message.startswith("RuntimeError: no memory on the abacus")


def test_real_weights_are_used_where_given():
    subject = Subject(NumpyBackend(dtype="float32"), random_weights(3, 0.125))
    results = run_cases(subject, select(7, "full/real"))
    assert [result.status for result in results] == ["passed", "passed"]
    assert len(results[0].measurements) == 12  # maps and Gram matrices of six layers
    assert max(m.error for result in results for m in result.measurements) > 0


def test_a_backend_that_is_missing_fails_the_run():
    report, outputs = run_apart("no_such_module:Backend", Options(level=0))
    assert report["error"].startswith("cannot load no_such_module:Backend")
    assert outputs == {}
    assert not passes(report)
    assert "FAILED: cannot load" in backend_table(report)


def test_a_backend_that_takes_its_process_down_fails_the_run(tmp_path, monkeypatch):
    (tmp_path / "crashing.py").write_text("import os\nos._exit(7)\n")
    monkeypatch.syspath_prepend(tmp_path)
    report, _ = run_apart("crashing:Backend", Options(level=0))
    assert report["error"] == "its process ended with status 7"


def test_required_backends_are_run_though_missing(monkeypatch):
    monkeypatch.setenv("NST_REQUIRE_BACKENDS", "numpy, jax")
    assert names_to_run([]).count("numpy") == 1
    assert names_to_run([])[-1] == "jax"
    assert names_to_run(["torch"]) == ["torch"]


def test_the_command_prints_a_table_and_writes_json(tmp_path):
    file = tmp_path / "report.json"
    done = CliRunner().invoke(
        conformance, ["numpy", "--level", "1", "--json", str(file)], standalone_mode=False
    )
    assert done.return_value == 0, done.output
    assert re.search(r"1 +primitive +(\d+)/\1/\1 +0.0e\+00 +3e-15 +primitive", done.output)
    report = json.loads(file.read_text())
    assert report["passed"] is True
    (backend,) = report["backends"]
    assert (backend["backend"], backend["device"], backend["dtype"]) == ("numpy", "cpu", "float64")
    assert len(backend["results"]) == len(select(1))


@pytest.mark.slow
def test_the_command_fails_with_a_required_backend_that_is_missing(monkeypatch):
    monkeypatch.setenv("NST_REQUIRE_BACKENDS", "jax")
    monkeypatch.setattr("nst.conformance.runner.backend_names", lambda: ["numpy"])
    done = CliRunner().invoke(conformance, ["--level", "0"], standalone_mode=False)
    assert done.return_value == 1
    assert "jax: FAILED: unknown backend 'jax'" in done.output


@pytest.mark.slow
def test_the_pytest_class(tmp_path, python):
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""
        import numpy as np
        from nst.backends.numpy.backend import NumpyBackend
        from nst.backends.numpy.kernels import NumpyKernels
        from nst.conformance import BackendConformance

        class Kernels(NumpyKernels):
            def relu(self, x):
                return np.fmax(x, 0)

        class Mine(NumpyBackend):
            kernels = Kernels()

        class TestRight(BackendConformance):
            level = 1
            def backend(self):
                return NumpyBackend()

        class TestDeviates(BackendConformance):
            level = 1
            known_deviations = {"primitive/relu/nan": "NaN is lost"}
            def backend(self):
                return Mine()

        class TestWrong(BackendConformance):
            level = 1
            known_deviations = {"primitive/abs/nan": "not so", "primitive/no-such": "unknown"}
            def backend(self):
                return Mine()
    """)
    )
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfx", tmp_path)
    total = 3 * (len(select(1)) + 1)
    assert f"3 failed, {total - 4} passed, 1 xfailed" in done.stdout
    failed = {
        line.split(" ")[1].partition("::")[2]
        for line in done.stdout.splitlines()
        if line.startswith("FAILED")
    }
    assert failed == {
        "TestWrong::test_conforms[primitive/relu/nan]",
        "TestWrong::test_conforms[primitive/abs/nan]",
        "TestWrong::test_known_deviations_exist",
    }


@pytest.mark.slow
def test_golden_values_come_from_their_command(python, root):
    fresh = json.loads(python("-m", "nst.conformance.cases.golden").stdout)
    committed = json.loads((root / "conformance" / "cases" / "golden.json").read_text())
    assert fresh["command"] == committed["command"]
    for key, deepest in (("seeded", "conv5_4"), ("embedded", "conv5_1")):
        new, old = fresh[key], committed[key]
        assert new["weights"] == old["weights"]
        assert new["max"][deepest]["norm"] == pytest.approx(old["max"][deepest]["norm"], rel=1e-12)
    assert fresh["seeded"]["total"] == pytest.approx(committed["seeded"]["total"], rel=1e-12)
    for name in OBJECTIVES:
        new, old = fresh["embedded"][name], committed["embedded"][name]
        assert new["terms"] == pytest.approx(old["terms"], rel=1e-12)
        assert new["gradient"]["norm"] == pytest.approx(old["gradient"]["norm"], rel=1e-12)


def test_a_weights_file_that_is_missing_fails_the_run(tmp_path):
    report, _ = run_apart("numpy", Options(weights=str(tmp_path / "missing.safetensors")))
    assert "missing.safetensors not found" in report["error"]
