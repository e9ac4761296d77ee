"""What a long history costs: memory and seconds a step, over a run of many steps, by backend and pairs.

Each row is a run of its own process: L-BFGS from the content, the embedded VGG19, one scale. Memory is the resident set
after so many steps; seconds are medians of the steps around. What grows with the steps would show.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

from _report import Row, listed, markdown, mib, peak_memory, size_of

KEY = ("backend", "pairs")
NOTE = "Embedded VGG19, fp32, from the content, one scale. *Predicted* is what `nst plan` says."
MARKS = 3


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pairs", default="10,100")
    parser.add_argument("--steps", type=int, default=300)


def rows(options: argparse.Namespace, child: Callable[..., Row | None]) -> Iterator[Row | None]:
    for backend in listed(options.backends, options.device, "torch,tf,onnx", "torch,onnx"):
        for size in map(int, listed(options.sizes, options.device, "320")):
            for pairs in map(int, options.pairs.split(",")):
                yield child(
                    backend=backend, pairs=pairs, size=size, device=options.device, steps=options.steps
                )


def measure(backend: str, device: str, pairs: int, size: int, steps: int) -> Row:
    import psutil
    from _subject import dimensions, network, transfer

    from nst.backends import get_backend
    from nst.planning.plan import free_memory

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


def table(rows: list[Row]) -> str:
    heads = ("backend", "pairs", "size", "steps", "seconds a step, by thirds", "memory at their ends")
    lines = []
    for row in rows:
        memory = ", ".join(f"{value / 2**20:.0f}" for value in row["resident"])
        line = [row["backend"], row["pairs"], size_of(row), row["steps"]]
        line += [", ".join(f"{value:.3g}" for value in row["seconds"]), f"{memory} MiB"]
        lines.append([*line, mib(row["peak"]), mib(row["predicted"]), f"{row['objective']:.4g}"])
    return markdown((*heads, "peak", "predicted", "objective"), lines)
