"""Time and peak memory of one step of the engine, optimiser included, beside a bare loop in the same framework.

    python benchmarks/step.py                       a table on the terminal
    python benchmarks/step.py --json FILE           the figures
    python benchmarks/step.py --table docs/benchmarks.md    replace the table in the page

Each backend runs in a process of its own; there the engine's steps and the bare passes alternate, so that both
see the same machine, and the medians are compared. Peak memory is the process's largest resident set, one
process for the engine and one for the bare loop.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 512, 384
MARKS = ("<!-- step.py begin -->", "<!-- step.py end -->")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--backends", default="torch,tf,onnx")
    parser.add_argument("--steps", type=int, default=12, help="timed steps, after 11 to fill the history")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(*arguments.child, arguments.steps)))
        return
    rows = []
    for backend in arguments.backends.split(","):
        row = {"backend": backend, **child(backend, "time", arguments.steps)}
        for what in ("engine", "bare"):
            row[f"{what}_peak_mb"] = child(backend, what, 3)["peak_mb"]
        rows.append(row)
        print(markdown([row]).splitlines()[-1], flush=True)
    report = {
        "command": "python benchmarks/step.py",
        "date": str(dt.date.today()),
        **machine(),
        "rows": rows,
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    if arguments.table:
        page = arguments.table.read_text()
        before, after = page.split(MARKS[0])[0], page.split(MARKS[1])[1]
        arguments.table.write_text(
            f"{before}{MARKS[0]}\n{caption(report)}\n\n{markdown(rows)}\n{MARKS[1]}{after}"
        )


def child(backend: str, what: str, steps: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", backend, what, "--steps", str(steps)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    result: dict[str, Any] = json.loads(output.stdout.splitlines()[-1])
    return result


def measure(backend: str, what: str, steps: int) -> dict[str, Any]:
    from _bare import STEPS

    from nst import StyleTransfer
    from nst.cli.demo_pictures import draw_harbour, paint_strokes
    from nst.models.random_weights import random_weights
    from nst.problem import planar

    weights = random_weights(0, depth="conv5_1")
    transfer = StyleTransfer(
        draw_harbour(WIDTH, HEIGHT),
        paint_strokes(WIDTH, HEIGHT),
        backend=backend,
        device="cpu",
        weights=weights,
        steps=10_000,
    )
    alpha, beta = 1e-6, 1.0
    result: dict[str, Any] = {"versions": transfer.backend.versions()}
    bare = engine = None
    if what in ("time", "bare"):
        pictures = [planar(transfer.content), planar(transfer._styles[0])]
        bare = STEPS[backend](weights, *pictures, alpha, beta)
    if what in ("time", "engine"):
        records = transfer.iterate()
        engine = lambda: next(records)  # noqa: E731
        for _ in range(1 if what == "engine" else 11):  # the start picture, then a full history
            engine()
    times: dict[str, list[float]] = {"bare": [], "engine": []}
    for _ in range(steps):
        for name, step in (("bare", bare), ("engine", engine)):
            if step is not None:
                began = time.perf_counter()
                step()
                times[name].append(time.perf_counter() - began)
    if what == "time":
        medians = {name: statistics.median(values) for name, values in times.items()}
        result |= {f"{name}_s": round(value, 4) for name, value in medians.items()}
        result["ratio"] = round(medians["engine"] / medians["bare"], 4)
    result["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return result


def machine() -> dict[str, Any]:
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version()}


def caption(report: dict[str, Any]) -> str:
    versions = {name: v for row in report["rows"] for name, v in row["versions"].items()}
    listed = ", ".join(f"{name} {v}" for name, v in versions.items())
    return (
        f"`{report['command']}`, {report['date']}: {report['cores']} cores of {report['cpu']}, "
        f"Python {report['python']}, {listed}. {WIDTH}x{HEIGHT}, VGG19 to conv5_1, full width, fp32, L-BFGS with "
        "history 10. Medians."
    )


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| backend | bare pass | engine step | engine / bare | peak memory bare | peak memory engine |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['backend']} | {row['bare_s']:.3f} s | {row['engine_s']:.3f} s | {row['ratio']:.3f} "
            f"| {row['bare_peak_mb']} MB | {row['engine_peak_mb']} MB |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
