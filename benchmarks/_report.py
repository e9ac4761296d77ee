"""What the cases share: the machine, processes of their own, JSON files, tables between markers.

Rows are dictionaries. They go to benchmarks/results/NAME.json, each with the run that it is of (command, date,
machine), and the table made from that file to the place in docs/benchmarks.md between `<!-- NAME begin -->` and
`<!-- NAME end -->`. NAME is the case's, with `-cuda` behind it for figures of a GPU.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "Report",
    "in_child",
    "listed",
    "machine",
    "markdown",
    "mib",
    "peak_memory",
    "replace_table",
    "size_of",
]

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent

Row = dict[str, Any]


def listed(given: str | None, device: str, cpu: str, gpu: str | None = None) -> list[str]:
    """What was given by commas, else what is usual on such a device."""
    return (given or (gpu if device == "cuda" and gpu else cpu)).split(",")


def in_child(case: str, **keywords: Any) -> Row | None:
    """What the case's `measure` gives in a process of its own; None, and a line on stderr, if it fails there."""
    command = [sys.executable, str(FOLDER / "run.py"), "--child", case, json.dumps(keywords)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"left out: {keywords}: {reason}", file=sys.stderr, flush=True)
        return None
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def markdown(heads: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """A table: its heads, and the cells of each line."""
    told = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in told)


def mib(count: float) -> str:
    """Bytes, for people."""
    return f"{count / 2**20:.0f} MiB"


def size_of(row: Row) -> str:
    """Width and height of a row."""
    return f"{row['width']}x{row['height']}"


class Report:
    """The rows of one case on one kind of device.

    Args:
        case: its name.
        options: as `run.py` makes them.
        key: the names of the fields that tell one row from another.
    """

    def __init__(self, case: str, options: argparse.Namespace, key: Sequence[str]) -> None:
        self.name = case + ("-cuda" if options.device == "cuda" else "")
        self._path = options.results / f"{self.name}.json"
        self._page, self._key = options.page, tuple(key)
        kept = options.add or options.table_only
        self.rows: list[Row] = json.loads(self._path.read_text())["rows"] if kept else []
        if not options.table_only:
            self._run = {
                "command": " ".join(["python", "benchmarks/run.py", *sys.argv[1:]]),
                "date": str(dt.date.today()),
                **machine(options.device),
                "load": round(os.getloadavg()[0], 1),
            }

    def add(self, row: Row | None) -> None:
        """Keep a row, in place of an earlier one of the same key, and write the file: an interrupted run has it."""
        if row is None:
            return
        mark = [row[name] for name in self._key]
        others = (old for old in self.rows if [old[name] for name in self._key] != mark)
        self.rows = [*others, {**row, "run": self._run}]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join(map(json.dumps, self.rows))
        self._path.write_text(f'{{"rows": [\n{lines}\n]}}\n')
        print(json.dumps(row), flush=True)

    def publish(self, note: str, table: str) -> None:
        """Put the table, under a line on each run's command, date and machine, and the versions, into the page."""
        replace_table(self._page, self.name, f"{_caption(self.rows)} {note}\n\n{table}")


def _caption(rows: Sequence[Row]) -> str:
    """The runs that rows are of, in their order, and the versions of everything."""
    runs, versions = dict[str, None](), dict[str, dict[str, None]]()
    for row in rows:
        run = row["run"]
        runs[f"`{run['command']}`, {run['date']}: {run['machine']}, load {run['load']} before"] = None
        for name, version in {"Python": run["python"], **row.get("versions", {})}.items():
            versions.setdefault(name, {})[version] = None
    told = ", ".join(f"{name} {' and '.join(found)}" for name, found in versions.items())
    return "; ".join([*runs, told]) + "."


def replace_table(page: Path, name: str, text: str) -> None:
    """Replace what stands between the markers of that name."""
    begin, end = f"<!-- {name} begin -->", f"<!-- {name} end -->"
    old = page.read_text()
    before, after = old.split(begin)[0], old.split(end)[1]
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def machine(device: str = "cpu") -> Row:
    """What the figures were measured on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1] for line in info.read_text().splitlines() if "model name" in line]
        cpu = names[0].strip() if names else cpu
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = {"cpu": cpu, "cores": cores, "python": platform.python_version()}
    words = [f"{cores} cores of {cpu}"]
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads:
        words.append(f"OMP_NUM_THREADS={threads}")
    if device == "cuda":
        query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        answer = subprocess.run(query, capture_output=True, text=True, check=True)
        found["gpu"] = answer.stdout.splitlines()[0]
        words.insert(0, found["gpu"])
    return {**found, "machine": ", ".join(words)}


def peak_memory(device: str, free_before: int | None) -> int:
    """Bytes: the largest resident set of this process, or on a GPU what is gone of the memory that was free.

    The frameworks keep what they once took of a GPU, so that what is gone at the end is the peak.
    """
    if device == "cpu":
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    from nst.planning.plan import free_memory

    return (free_before or 0) - (free_memory(device) or 0)
