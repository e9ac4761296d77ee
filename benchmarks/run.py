"""Measure: one question a case, its rows in results/CASE.json, its table in docs/benchmarks.md.

    python benchmarks/run.py                          the cases
    python benchmarks/run.py speed --sizes 512        measure, keep the rows, make the table
    python benchmarks/run.py speed --table-only       make the table alone

A case is a module of `cases`: its docstring, `KEY` (the fields that tell one row from another), `NOTE` (a line above
the table), `add_options(parser)`, `rows(options, child)`, which yields rows, and `table(rows)`. What needs a process
of its own stands in `measure(...)`, which `child(...)` calls in one.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

from _report import FOLDER, ROOT, Report, in_child

__all__ = ["case_names", "load"]


def case_names() -> list[str]:
    """The modules of `cases`."""
    return sorted(path.stem for path in (FOLDER / "cases").glob("[!_]*.py"))


def load(name: str) -> ModuleType:
    """A case by its name."""
    return importlib.import_module(f"cases.{name}")


def main() -> None:
    names = case_names()
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(load(sys.argv[2]).measure(**json.loads(sys.argv[3]))))
        return
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        print(__doc__)
        for name in names:
            print(f"{name:12}{(load(name).__doc__ or '').splitlines()[0]}")
        sys.exit(len(sys.argv) > 1 and sys.argv[1] not in ("-h", "--help") and 2)
    name = sys.argv[1]
    case = load(name)
    parser = argparse.ArgumentParser(
        f"run.py {name}", description=case.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    common = parser.add_argument_group("of every case")
    common.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    common.add_argument("--backends", help="by commas; a few unless given")
    common.add_argument("--sizes", help="widths in pixels, by commas; a few unless given")
    common.add_argument("--results", type=Path, default=FOLDER / "results", help="folder of the JSON files")
    common.add_argument(
        "--page", type=Path, default=ROOT / "docs" / "benchmarks.md", help="page of the tables"
    )
    common.add_argument("--add", action="store_true", help="keep the rows that are not measured anew")
    common.add_argument("--table-only", action="store_true", help="measure nothing, make the table anew")
    case.add_options(parser)
    options = parser.parse_args(sys.argv[2:])
    report = Report(name, options, case.KEY)
    if not options.table_only:
        for row in case.rows(options, partial(in_child, name)):
            report.add(row)
    report.publish(case.NOTE, case.table(report.rows))


if __name__ == "__main__":
    main()
