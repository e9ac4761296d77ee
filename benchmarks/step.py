"""Does the engine cost anything? Time and peak memory of one step, optimiser included, beside a bare loop.

    python benchmarks/step.py

Each backend runs in a process of its own; there the engine's steps and the bare passes alternate, so that both
see the same machine, and the medians are compared. Peak memory is that of a process for the engine alone and of one
for the bare loop alone.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from _report import Report, child, options_of, peak_memory, serve

HISTORY = 10


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--backends", help="torch,tf,onnx on a CPU, torch,onnx on a GPU")
    parser.add_argument("--size", type=int, default=512, help="width in pixels")
    parser.add_argument(
        "--steps", type=int, default=15, help="timed steps, after those that fill the history"
    )
    options = parser.parse_args()
    report = Report(__file__, options, ("backend",))
    backends = options.backends or ("torch,onnx" if options.device == "cuda" else "torch,tf,onnx")
    for backend in () if options.table_only else backends.split(","):
        common = {"backend": backend, "device": options.device, "size": options.size}
        row = child(__file__, what="both", steps=options.steps, **common)
        for what in ("engine", "bare"):
            alone = child(__file__, what=what, steps=3, **common)
            if row and alone:
                row[f"{what}_peak"] = alone["peak"]
        report.add(row)
    note = f"VGG19 to conv5_1, full width, fp32, L-BFGS with history {HISTORY}. Medians."
    report.publish(note, markdown(report.rows))


def measure(backend: str, device: str, size: int, what: str, steps: int) -> dict[str, Any]:
    from _bare import STEPS
    from _subject import demo_arrays, dimensions, network, transfer

    from nst.backends import get_backend
    from nst.planning.memory import free_memory

    free = None if device == "cpu" else free_memory(device)
    width, height = dimensions(size, device)
    weights = network("full")
    engine = get_backend(backend, device)
    subject = transfer(engine, weights, width, height, steps=10_000, history=HISTORY, tile="off")
    loops: dict[str, Any] = {}
    if what in ("both", "bare"):
        loops["bare"] = STEPS[backend](weights, *demo_arrays(width, height), 1e-6, 1.0, device)
    if what in ("both", "engine"):
        records = subject.iterate()
        loops["engine"] = lambda: next(records)
        for _ in range(HISTORY + 1 if what == "both" else 1):
            next(records)
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(steps):
        for name, loop in loops.items():
            began = time.perf_counter()
            loop()
            seconds[name].append(time.perf_counter() - began)
    row = {
        "backend": backend,
        "width": width,
        "height": height,
        "steps": steps,
        "versions": engine.versions(),
    }
    row |= {name: statistics.median(values) for name, values in seconds.items()}
    return {**row, "peak": peak_memory(device, free)}


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| backend | size | bare pass | engine step | engine / bare | peak memory bare | peak memory engine |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['backend']} | {row['width']}x{row['height']} | {row['bare']:.4g} s | {row['engine']:.4g} s "
            f"| {row['engine'] / row['bare']:.3f} | {row['bare_peak'] / 2**20:.0f} MiB "
            f"| {row['engine_peak'] / 2**20:.0f} MiB |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    serve(measure)
    main()
