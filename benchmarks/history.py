"""What a long history costs: memory and seconds a step, over a run of many steps, by backend and pairs.

    python benchmarks/history.py

Each row is a run of its own process: L-BFGS from the content, the embedded VGG19, one scale. Memory is the resident set
after so many steps; seconds are medians of the steps around. What grows with the steps would show.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from _report import Report, child, options_of, peak_memory, serve

MARKS = 3


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--backends", help="torch,tf,onnx on a CPU, torch,onnx on a GPU")
    parser.add_argument("--pairs", default="10,100")
    parser.add_argument("--size", type=int, default=320, help="width in pixels")
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    report = Report(__file__, options, ("backend", "pairs"))
    backends = options.backends or ("torch,onnx" if options.device == "cuda" else "torch,tf,onnx")
    for backend in () if options.table_only else backends.split(","):
        for pairs in options.pairs.split(","):
            same = {name: getattr(options, name) for name in ("device", "size", "steps")}
            report.add(child(__file__, backend=backend, pairs=int(pairs), **same))
    note = "Embedded VGG19, fp32, from the content, one scale. *Predicted* is what `nst plan` says."
    report.publish(note, markdown(report.rows))


def measure(backend: str, device: str, pairs: int, size: int, steps: int) -> dict[str, Any]:
    import psutil
    from _subject import dimensions, network, transfer

    from nst.backends import get_backend
    from nst.planning.memory import free_memory

    free = None if device == "cpu" else free_memory(device)
    width, height = dimensions(size, device)
    engine = get_backend(backend, device)
    subject = transfer(engine, network("embedded"), width, height, steps=steps, history=pairs, tile="off")
    third = max(1, steps // MARKS)
    began, seconds, resident, total = time.perf_counter(), [], [], 0.0
    records = subject.iterate()
    next(records)
    for record in records:
        now = time.perf_counter()
        seconds.append(now - began)
        if record.step % third == 0:
            resident.append(psutil.Process().memory_info().rss)
        total = record.losses().total
        began = time.perf_counter()
    return {
        "backend": backend,
        "pairs": pairs,
        "width": width,
        "height": height,
        "steps": len(seconds),
        "seconds": [
            statistics.median(seconds[first : first + third]) for first in range(0, MARKS * third, third)
        ],
        "resident": resident,
        "peak": peak_memory(device, free),
        "predicted": subject.plan.peak,
        "objective": total,
        "versions": engine.versions(),
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| backend | pairs | size | steps | seconds a step, by thirds | memory at their ends | peak | predicted "
        "| objective |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        seconds = ", ".join(f"{value:.3g}" for value in row["seconds"])
        memory = ", ".join(f"{value / 2**20:.0f}" for value in row["resident"])
        lines.append(
            f"| {row['backend']} | {row['pairs']} | {row['width']}x{row['height']} | {row['steps']} | {seconds} "
            f"| {memory} MiB | {row['peak'] / 2**20:.0f} MiB | {row['predicted'] / 2**20:.0f} MiB "
            f"| {row['objective']:.4g} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    serve(measure)
    main()
