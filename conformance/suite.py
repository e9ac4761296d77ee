"""All cases, and running them on one backend in this process: from a loop, or under pytest."""

from __future__ import annotations

import os
import re
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, ClassVar, Literal

import numpy as np

from nst.conformance import cases
from nst.conformance.case import Case, Skip, Subject
from nst.conformance.compare import Measurement, Mismatch
from nst.errors import SettingsError
from nst.models.weights import load_weights
from nst.protocol import Backend

WEIGHTS = "NST_CONFORMANCE_WEIGHTS"

Status = Literal["passed", "failed", "skipped", "deviates"]


@dataclass(frozen=True)
class Result:
    """What became of a case."""

    id: str  # of the case
    level: int  # of the case
    status: Status  # "deviates" is a failure that was announced as known
    message: str  # why it failed or was skipped; empty when it passed
    measurements: tuple[Measurement, ...]  # every comparison made
    seconds: float


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case of the modules l0_... to l7_... in `nst.conformance.cases`, in order of level."""
    names = sorted(module.name for module in iter_modules(cases.__path__))
    modules = [import_module(f"{cases.__name__}.{name}") for name in names if re.match(r"l\d_", name)]
    found = [case for module in modules for case in module.CASES]
    return tuple(sorted(found, key=lambda case: case.level))


def select(level: int, pattern: str = "") -> tuple[Case, ...]:
    """The cases up to a level whose id contains `pattern`."""
    return tuple(case for case in all_cases() if case.level <= level and pattern in case.id)


def run_case(subject: Subject, case: Case, known_deviation: str | None = None) -> Result:
    """Run one case to its end or its first mismatch; whatever the backend raises is a failure of the case.

    `known_deviation` says why the backend is known to fail it. Strict: passing is then a failure.
    """
    missing = case.need.missing(subject)
    if missing:
        return Result(case.id, case.level, "skipped", missing, (), 0.0)
    began = time.perf_counter()
    measurements: list[Measurement] = []
    status: Status = "passed"
    message = ""
    try:
        with np.errstate(all="ignore"):  # overflow and NaN are part of some cases
            for measurement in case.run(subject):
                measurements.append(measurement)
    except Skip as skip:
        status, message = "skipped", str(skip)
    except Mismatch as mismatch:
        measurements.append(mismatch.measurement)
        status, message = "failed", str(mismatch)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        status, message = "failed", f"{type(error).__name__}: {error} ({place.name}, line {place.lineno})"
    if known_deviation is not None and status == "failed":
        status, message = "deviates", f"{known_deviation} ({message})"
    elif known_deviation is not None and status == "passed":
        status, message = (
            "failed",
            f"passes, yet is a known deviation ({known_deviation}): remove it from the list",
        )
    seconds = time.perf_counter() - began
    return Result(case.id, case.level, status, message, tuple(measurements), seconds)


def run_cases(
    subject: Subject, chosen: Sequence[Case], known_deviations: Mapping[str, str] | None = None
) -> list[Result]:
    """Run cases one after the other; SettingsError for a known deviation of an id that no case has."""
    known = known_deviations or {}
    unknown = set(known) - {case.id for case in all_cases()}
    if unknown:
        raise SettingsError(f"known deviations of cases that do not exist: {', '.join(sorted(unknown))}")
    return [run_case(subject, case, known.get(case.id)) for case in chosen]


class BackendConformance:
    """The suite for the author of a backend.

    Subclass it in a test module, name the class `Test...`, and write `backend`; pytest runs each case as a test.

    Attributes:
        known_deviations: case id -> reason, for what the backend cannot do. Strict: a deviation that passes, or an id
            that no case has, is a failure.
        level: the last level to run.
    """

    known_deviations: ClassVar[Mapping[str, str]] = {}
    level: ClassVar[int] = 7

    def backend(self) -> Backend[Any]:
        """The backend under test; made once."""
        raise NotImplementedError(f"{type(self).__name__} must define backend(self)")

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """One test for each case; called by pytest."""
        if "conformance_case" in metafunc.fixturenames:
            cases = select(self.level)
            metafunc.parametrize("conformance_case", cases, ids=[case.id for case in cases])

    def test_conforms(self, conformance_case: Case) -> None:
        """The case passes, or fails where a deviation is known."""
        import pytest

        reason = self.known_deviations.get(conformance_case.id)
        kind: Any = type(self)
        result = run_case(_subject(kind), conformance_case, reason)
        if result.status == "skipped":
            pytest.skip(result.message)
        if result.status == "deviates":
            pytest.xfail(result.message)
        if result.status == "failed":
            pytest.fail(f"{result.id}: {result.message}", pytrace=False)

    def test_known_deviations_exist(self) -> None:
        """Every id in `known_deviations` is that of a case."""
        unknown = set(self.known_deviations) - {case.id for case in all_cases()}
        assert not unknown, f"no such case: {', '.join(sorted(unknown))}"


@cache
def _subject(cls: type[Any]) -> Subject:
    path = os.environ.get(WEIGHTS)
    return Subject(cls().backend(), load_weights(path) if path else None)
