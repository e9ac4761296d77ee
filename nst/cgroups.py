"""What the control groups that this process is in leave it: memory, and time of the processors (Linux).

A limit may stand at any group from the process's own up to the root, and the least of them counts. In a container the
path in /proc/self/cgroup may be the host's, of which only the root is to be seen here.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path("/")  # where /proc and /sys are

MEMORY = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""Controller of a hierarchy, "" for version 2 -> files of limit and use, and what of memory.stat is given back when
asked: the contents of files that were read once."""


THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
"""Where frameworks and the libraries below them read how many threads they may have."""


def free_memory() -> list[int]:
    """Bytes that are left below each limit of this process's groups."""
    found = []
    for controller, (limit, used, idle) in MEMORY.items():
        for group in _groups(controller):
            with suppress(OSError, ValueError):  # no such limit, or "max"
                left = int((group / limit).read_text()) - int((group / used).read_text())
                found.append(max(0, left + _stat(group, idle)))
    return found


def cores() -> int:
    """How many processors this process may use, or as many as its share of their time fills."""
    return min([_there(), *(max(1, math.ceil(share)) for share in _shares())])


def keep_threads_to_share() -> None:
    """For a program, before it loads a framework: one counts processors, and more threads than fill its share wait."""
    if cores() < _there() and not os.environ.get("OMP_NUM_THREADS"):
        os.environ.update(dict.fromkeys(THREADS, str(cores())))


def _there() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _shares() -> Iterator[float]:
    """The limits of processor time, in processors."""
    for group in _groups(""):
        with suppress(OSError, ValueError):  # "max 100000"
            quota, period = map(int, (group / "cpu.max").read_text().split())
            yield quota / period
    for group in _groups("cpu"):
        with suppress(OSError, ValueError):
            quota, period = (int((group / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
            if quota > 0:  # -1 is none
                yield quota / period


def _stat(group: Path, name: str) -> int:
    with suppress(OSError, ValueError):
        return int(
            dict(line.split() for line in (group / "memory.stat").read_text().splitlines()).get(name, 0)
        )
    return 0


def _groups(controller: str) -> Iterator[Path]:
    """The folders of this process's group and of those above it, of the hierarchy of a controller."""
    with suppress(OSError, ValueError):
        for line in (ROOT / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(","):
                top = ROOT / "sys/fs/cgroup" / controllers
                inside = Path(path.lstrip("/"))
                for folder in (inside, *inside.parents) if ".." not in inside.parts else (Path(),):
                    yield top / folder
