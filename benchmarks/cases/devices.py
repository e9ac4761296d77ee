"""What is gained by sharing out the windows of a picture: one evaluation on one device, and on several.

    OMP_NUM_THREADS=1 python benchmarks/run.py devices

One process evaluates the losses and their gradient in turn at once, in windows, and in the same windows among
workers, so that all three see the same machine. A ratio is that of two neighbours; the median of the ratios counts.

Beside other jobs seconds say little: more processes get no more of the machine. So there is a second figure from
processor time, which waiting does not count in: that of one process, over that of the busiest worker and of this
process, which takes turns with it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from _report import Row, listed, markdown, size_of

KEY = ("backend", "devices", "width", "height")
NOTE = "Seconds are medians, ratios the medians of neighbours. The windows are those of the plan."


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", default="embedded")
    parser.add_argument("--devices", default="cpu,cpu", help="of the workers")
    parser.add_argument("--rounds", type=int, default=5)


def rows(options: argparse.Namespace, child: Callable[..., Row | None]) -> Iterator[Row | None]:
    same = {name: getattr(options, name) for name in ("weights", "devices", "rounds")}
    for backend in listed(options.backends, options.device, "torch"):
        for size in map(int, listed(options.sizes, options.device, "512,768,1024")):
            yield child(backend=backend, size=size, **same)


def measure(backend: str, weights: str, devices: str, size: int, rounds: int) -> Row:
    from _subject import dimensions, network, transfer

    device = "cpu" if devices.startswith("cpu") else "cuda"
    loaded, sizes = network(weights), dimensions(size, device)

    def on(names: str, tile: Any) -> Any:
        return transfer(backend, loaded, *sizes, device=names, tile=tile)

    shared = on(devices, "auto")
    side = shared.plan.side
    if side is None:
        raise SystemExit(f"{size} px are computed at once")
    subjects = {"whole": on(device, "off"), "alone": on(device, side), "shared": shared}
    calls = {name: evaluation(subject) for name, subject in subjects.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    used: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(rounds + 1):
        for name, call in calls.items():
            began, before = time.perf_counter(), processor_time()
            call()
            if round_:  # the first one warms up
                seconds[name].append(time.perf_counter() - began)
                after = processor_time()
                own, *workers = (after[pid] - before[pid] for pid in after if pid in before)
                used[name].append(own + max(workers, default=0.0))
    width, height = shared.size
    return {
        "backend": backend,
        "weights": weights,
        "devices": devices,
        "width": width,
        "height": height,
        "side": side,
        "windows": len(shared._stage(max(shared.size)).problem.encoder.views),
        **{name: statistics.median(times) for name, times in seconds.items()},
        "gain": statistics.median(a / s for a, s in zip(seconds["alone"], seconds["shared"], strict=True)),
        "gain_whole": statistics.median(
            w / s for w, s in zip(seconds["whole"], seconds["shared"], strict=True)
        ),
        "seconds": seconds,
        "processor_seconds": used,
        "versions": type(shared.backend).versions(),
    }


def processor_time() -> dict[int, float]:
    """Seconds of this process and of those it has started, by their numbers."""
    import psutil

    own = psutil.Process()
    found = {own.pid: own.cpu_times()}
    for child_ in own.children():
        found[child_.pid] = child_.cpu_times()
    return {pid: times.user + times.system for pid, times in found.items()}


def evaluation(subject: Any) -> Callable[[], None]:
    """Losses and gradient at the start picture, waiting for the device."""
    stage, backend = subject._stage(max(subject.size)), subject.backend
    x = backend.from_numpy(subject.start.first(*subject.size))

    def call() -> None:
        gradient = stage.evaluate(x).gradient
        backend.space.dots([(gradient, gradient)])

    return call


def table(rows: list[Row]) -> str:
    heads = ("backend", "network", "devices", "size", "windows", "at once", "one, in windows", "shared out")
    heads += ("faster than in windows", "than at once", "by processor time", "than at once")
    lines = []
    for row in rows:
        used = {name: statistics.median(times) for name, times in row["processor_seconds"].items()}
        line = [row["backend"], row["weights"], row["devices"], size_of(row)]
        line.append(f"{row['windows']} of {row['side']} px")
        line += [f"{row[name]:.3g} s" for name in ("whole", "alone", "shared")]
        ratios = (row["gain"], row["gain_whole"], used["alone"] / used["shared"])
        lines.append([*line, *(f"{ratio:.2f} x" for ratio in (*ratios, used["whole"] / used["shared"]))])
    return markdown(heads, lines)
