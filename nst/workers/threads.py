"""How the cores of this machine are shared out among processes."""

from __future__ import annotations

import os

__all__ = ["THREADS", "cores", "environment"]

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
"""Where frameworks and the libraries below them read how many threads they may have."""


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def environment(jobs: int) -> dict[str, str]:
    """For a worker: the threads of all of them together are as many as there are cores, or as OMP_NUM_THREADS says."""
    if jobs == 1:
        return dict(os.environ)
    asked = os.environ.get("OMP_NUM_THREADS", "")
    most = int(asked) if asked.isdecimal() and int(asked) else cores()
    return {**os.environ, **dict.fromkeys(THREADS, str(max(1, min(most, cores()) // jobs)))}
