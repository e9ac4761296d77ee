"""What is gained by sharing out the windows of a picture: one evaluation on one device, and on several.

    OMP_NUM_THREADS=1 python benchmarks/devices.py

One process evaluates the losses and their gradient in turn at once, in windows, and in the same windows among
workers, so that all three see the same machine. A ratio is that of two neighbours; the median of the ratios counts.

Beside other jobs seconds say little: more processes get no more of the machine. So there is a second figure from
processor time, which waiting does not count in: that of one process, over that of the busiest worker and of this
process, which takes turns with it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from _report import Report, child, options_of, serve


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--weights", default="embedded")
    parser.add_argument("--devices", default="cpu,cpu", help="of the workers")
    parser.add_argument("--sizes", default="512,768,1024", help="widths in pixels")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    report = Report(__file__, options, ("backend", "devices", "width", "height"))
    for size in () if options.table_only else map(int, options.sizes.split(",")):
        same = {"backend": options.backend, "weights": options.weights, "devices": options.devices}
        report.add(child(__file__, size=size, rounds=options.rounds, **same))
    note = "Seconds are medians, ratios the medians of neighbours. The windows are those of the plan."
    report.publish(note, markdown(report.rows))


def measure(backend: str, weights: str, devices: str, size: int, rounds: int) -> dict[str, Any]:
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
        "windows": len(shared.stage(max(shared.size)).problem.encoder.views),
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
    stage, backend = subject.stage(max(subject.size)), subject.backend
    x = backend.from_numpy(subject.start.first(*subject.size))

    def call() -> None:
        gradient = stage.evaluate(x).gradient
        backend.space.dots([(gradient, gradient)])

    return call


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| backend | network | devices | size | windows | at once | one, in windows | shared out "
        "| faster than in windows | than at once | by processor time | than at once |",
        "|---" * 12 + "|",
    ]
    for row in rows:
        used = {name: statistics.median(times) for name, times in row["processor_seconds"].items()}
        lines.append(
            f"| {row['backend']} | {row['weights']} | {row['devices']} | {row['width']}x{row['height']} "
            f"| {row['windows']} of {row['side']} px | {row['whole']:.3g} s | {row['alone']:.3g} s "
            f"| {row['shared']:.3g} s | {row['gain']:.2f} x | {row['gain_whole']:.2f} x "
            f"| {used['alone'] / used['shared']:.2f} x | {used['whole'] / used['shared']:.2f} x |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    serve(measure)
    main()
