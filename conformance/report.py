"""Reports as text, and whether they pass. Plain values in, so that a report read from JSON prints the same."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from nst._version import __version__

Report = Mapping[str, Any]

QUANTITIES = ("features", "gram", "loss", "gradient")
EMBEDDED = "embedded/"  # starts the names of what the trained network of the package gives


def passes(report: Report) -> bool:
    """No error, at least one case run, none failed."""
    statuses = {result["status"] for result in report["results"]}
    return "error" not in report and "passed" in statuses and "failed" not in statuses


def as_json(reports: Sequence[Report], outputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Everything, for `--json`."""
    return {
        "nst": __version__,
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "passed": bool(reports) and all(passes(report) for report in reports),
        "backends": [
            {**r, "worst": worst_by_quantity(r), "results": [_line(result) for result in r["results"]]}
            for r in reports
        ],
        "pairs": pair_differences(outputs),
        "embedded pairs": pair_differences(outputs, EMBEDDED),
    }


def worst_by_quantity(report: Report) -> dict[str, float | None]:
    """The largest error of each row of the table of tolerances; None for one without bounds."""
    worst: dict[str, float] = {}
    for result in report["results"]:
        for m in result["measurements"]:
            worst[m["quantity"]] = max(worst.get(m["quantity"], 0.0), m["error"])
    return {quantity: _finite(error) for quantity, error in sorted(worst.items())}


def _line(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result with its worst comparison alone; JSON has no infinity."""
    worst = max(result["measurements"], key=_badness, default=None)
    line = {key: value for key, value in result.items() if key != "measurements"}
    return line | ({"worst": {**worst, "error": _finite(worst["error"])}} if worst else {})


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def backend_table(report: Report) -> str:
    """One backend: a line a group of cases, then every failure."""
    if "error" in report:
        return f"{report['backend']}: FAILED: {report['error']}"
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    tf32 = {None: "", False: ", TF32 off", True: ", TF32 on"}[report["tf32"]]
    network = "" if report["precision"] == report["dtype"] else f", network in {report['precision']}"
    place = f"on {report['device']} in {report['dtype']}{network}{tf32}, {report['seconds']} s"
    lines = [f"{report['backend']} ({versions}) {place}"]
    rows: list[tuple[str, ...]] = [("level", "cases", "passed/run/total", "worst error", "limit", "of")]
    groups: dict[tuple[int, str], list[Any]] = {}
    for result in report["results"]:
        groups.setdefault((result["level"], result["id"].partition("/")[0]), []).append(result)
    rows += [(str(level), group, *_summary(results)) for (level, group), results in groups.items()]
    rows.append(("", "all", *_summary(report["results"])[:1], "", "", ""))
    lines += _columns(rows)
    for status in ("failed", "deviates"):
        lines += [
            f"  {status.upper()} {r['id']}: {r['message']}"
            for r in report["results"]
            if r["status"] == status
        ]
    reasons: dict[str, int] = {}
    for result in report["results"]:
        if result["status"] == "skipped":
            reasons[result["message"]] = reasons.get(result["message"], 0) + 1
    lines += [f"  {count} skipped: {reason}" for reason, count in reasons.items()]
    return "\n".join(lines)


def pair_differences(outputs: Mapping[str, Mapping[str, Any]], prefix: str = "") -> list[dict[str, Any]]:
    """For each pair of backends the worst difference of each quantity: rows with the keys `pair` and `QUANTITIES`.

    They are compared with each other, without the reference between them.

    `outputs` are `fixed_outputs` by backend; `prefix` is "" for the small network, `EMBEDDED` for the embedded one. A
    gradient differs by the norm of the difference over the norm, anything else by the largest difference over the
    largest magnitude.
    """
    rows = []
    outputs = {name: own for name, own in outputs.items() if any(key.startswith(prefix) for key in own)}
    for first, second in combinations(outputs, 2):
        row: dict[str, Any] = {"pair": [first, second]}
        for quantity in QUANTITIES:
            keys = [key for key in outputs[first] if key.startswith(f"{prefix}{quantity}/")]
            measure = np.linalg.norm if quantity == "gradient" else np.max
            pairs = [(outputs[first][key], outputs[second][key]) for key in keys]
            row[quantity] = max(float(measure(np.abs(a - b)) / measure(np.abs(b))) for a, b in pairs)
        rows.append(row)
    return rows


def pair_table(outputs: Mapping[str, Mapping[str, Any]], prefix: str = "") -> str:
    """Differences of every pair of backends on the fixed inputs; `prefix` as `pair_differences` takes it."""
    rows: list[tuple[str, ...]] = [("pair", *QUANTITIES)]
    for row in pair_differences(outputs, prefix):
        rows.append((" - ".join(row["pair"]), *(f"{row[quantity]:.1e}" for quantity in QUANTITIES)))
    return "\n".join(_columns(rows))


def _summary(results: Sequence[Any]) -> tuple[str, ...]:
    passed = sum(result["status"] == "passed" for result in results)
    run = sum(result["status"] != "skipped" for result in results)
    measured = [m for result in results for m in result["measurements"]]
    worst = max(measured, key=_badness, default=None)
    counts = f"{passed}/{run}/{len(results)}"
    if worst is None:
        return counts, "", "", ""
    return counts, f"{worst['error']:.1e}", f"{worst['limit']:.0e}", worst["quantity"]


def _badness(measurement: Any) -> tuple[float, float]:
    """Error over limit; of two without an error the one whose limit says more."""
    error, limit = measurement["error"], measurement["limit"]
    return (error / limit if limit else float("inf") if error else 0.0), limit


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
