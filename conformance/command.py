"""What `nst conformance` and `python -m nst.conformance` have in common."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from nst._files import write_atomically
from nst.conformance import report
from nst.conformance.runner import Options, names_to_run, run_apart
from nst.errors import NSTError

__all__ = ["run_command"]


def run_command(
    backends: Sequence[str],
    *,
    device: str,
    dtype: str | None,
    precision: str | None,
    level: int,
    weights: str | None,
    json_file: str | None,
    show: Callable[[str], None],
) -> bool:
    """Run the suite on each backend in turn, show the tables, and return whether everything passed.

    Args:
        backends: names or `package.module:Class`; none for every installed and required one.
        device: see `Options`.
        dtype: see `Options`.
        precision: see `Options`.
        level: see `Options`.
        weights: see `Options`.
        json_file: where to write the whole report, or None.
        show: takes one table at a time.

    Raises:
        NSTError: the JSON file cannot be written.
    """
    options = Options(device, dtype, level, weights, precision)
    reports, outputs = [], {}
    for name in names_to_run(backends):
        values, arrays = run_apart(name, options)
        reports.append(values)
        if arrays:
            outputs[name] = arrays
        show(report.backend_table(values) + "\n")
    if len(outputs) > 1:
        show("Every pair of backends on the same inputs:\n" + report.pair_table(outputs) + "\n")
    whole = report.as_json(reports, outputs)
    if json_file is not None:
        try:
            write_atomically(json_file, (json.dumps(whole, indent=1, allow_nan=False) + "\n").encode())
        except OSError as error:
            raise NSTError(f"cannot write {json_file}: {error.strerror}") from error
    show("passed" if whole["passed"] else "FAILED")
    return bool(whole["passed"])
