"""The suite as a pytest class, for the author of a backend."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from nst.conformance.case import Case, Subject
from nst.conformance.runner import WEIGHTS
from nst.conformance.suite import all_cases, run_case, select
from nst.models.weights import load_weights
from nst.protocol import Backend


class BackendConformance:
    """Subclass it in a test module, name the class `Test...`, and write `backend`; pytest runs each case as a test.

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
