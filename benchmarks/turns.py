"""A step of every backend, in turn: wall and processor time on a machine that is shared.

    python benchmarks/turns.py --backends torch,tf,onnx,jax

Each backend has a process of its own, all are alive together, and one after the other is asked for a step, so that
all of them see the same load. Processor time is that of all threads, and hardly depends on the load.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Any

from _report import Report, options_of

WARM = 2


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--backends", default="torch,tf,onnx", help="names, plug-ins included")
    parser.add_argument("--size", type=int, default=256, help="width in pixels")
    parser.add_argument("--steps", type=int, default=7, help=f"of each, after {WARM} that warm up")
    options = parser.parse_args()
    report = Report(__file__, options, ("backend",))
    if not options.table_only:
        measure_all(options, report)
    note = (
        "VGG19 to conv5_1, full width, fp32, L-BFGS with history 10, medians. *Set up*: until the first iterate, "
        "compilation included."
    )
    report.publish(note, markdown(report.rows))


def measure_all(options: Any, report: Report) -> None:
    workers = {}
    for name in options.backends.split(","):
        command = [sys.executable, __file__, "--worker", name, options.device, str(options.size)]
        workers[name] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        _tell(workers[name])  # they set up at the same time
    first = {name: _hear(worker) for name, worker in workers.items()}
    found: dict[str, list[Any]] = {name: [] for name in workers}
    for _ in range(WARM + options.steps):
        for name, worker in workers.items():
            _tell(worker)
            found[name].append(_hear(worker))
    for name, worker in workers.items():
        worker.communicate()
        step, processor = (
            statistics.median(row[key] for row in found[name][WARM:]) for key in ("wall", "cpu")
        )
        report.add(
            {**first[name], "backend": name, "step": step, "processor": processor, "steps": options.steps}
        )


def _tell(worker: subprocess.Popen[str]) -> None:
    assert worker.stdin is not None
    worker.stdin.write("\n")
    worker.stdin.flush()


def _hear(worker: subprocess.Popen[str]) -> dict[str, Any]:
    assert worker.stdout is not None
    answer: dict[str, Any] = json.loads(worker.stdout.readline())
    return answer


def work(backend: str, device: str, size: int) -> None:
    """Answer each line of stdin with the times of the next step; the first with those of setting up."""
    from _subject import dimensions, network, transfer

    from nst.backends import get_backend

    width, height = dimensions(size, device)
    weights = network("full")
    engine = get_backend(backend, device, precision="fp32")
    records = None
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        if records is None:
            subject = transfer(engine, weights, width, height, steps=10_000, history=10, tile="off")
            records = subject.iterate()
        next(records)
        times = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - processor}
        print(json.dumps({**times, "size": f"{width}x{height}", "versions": engine.versions()}), flush=True)


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| backend | size | step | over the first | processor time a step | over the first | set up, processor time |",
        "|---" * 7 + "|",
    ]
    for row in rows:
        lines.append(
            f"| {row['backend']} | {row['size']} | {row['step']:.3g} s | {row['step'] / rows[0]['step']:.2f} "
            f"| {row['processor']:.3g} s | {row['processor'] / rows[0]['processor']:.2f} | {row['cpu']:.3g} s |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
