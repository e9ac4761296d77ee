from collections.abc import Callable
from typing import Any

import pytest

from nst.conformance import Result, Subject, all_cases, run_case


@pytest.fixture(scope="session")
def run() -> Callable[[Any, str], Result]:
    cases = {case.id: case for case in all_cases()}
    return lambda backend, case_id: run_case(Subject(backend), cases[case_id])
