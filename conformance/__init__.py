"""Proof that a backend computes what the float64 reference computes.

`python -m nst.conformance mine` or `nst conformance mine` runs the cases; under pytest, subclass `BackendConformance`.
"""

from nst.conformance.case import Case, Need, Subject
from nst.conformance.compare import Measurement, Mismatch
from nst.conformance.suite import BackendConformance, Result, all_cases, run_case, run_cases, select

__all__ = [
    "BackendConformance",
    "Case",
    "Measurement",
    "Mismatch",
    "Need",
    "Result",
    "Subject",
    "all_cases",
    "run_case",
    "run_cases",
    "select",
]
