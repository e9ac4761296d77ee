"""What a batch saves beside as many single calls, and whether its memory stays flat. By backend.

    python benchmarks/batch.py
    python benchmarks/batch.py --backends numpy --count 50 --steps 2 --add

*Single* is `nst.stylize` in a loop, *batch* is `nst.Batch` in one process, both from and to files, in the same style,
all pictures of one size. Memory is the resident set after 20 pictures and at the end.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from _report import Report, child, options_of, serve

KEY = ("backend", "mode")
EARLY = 20


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--backends", default="torch,tf,onnx,numpy")
    parser.add_argument("--weights", default="embedded")
    parser.add_argument("--size", type=int, default=64, help="width in pixels; the height is 3/4 of it")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--singles", type=int, default=50, help="single calls")
    parser.add_argument("--count", type=int, default=200, help="pictures of the batch")
    parser.add_argument("--jobs", type=int, help="processes of the batch, in place of this one alone")
    options = parser.parse_args()
    report = Report(__file__, options, KEY)
    same = {name: getattr(options, name) for name in ("device", "weights", "size", "steps", "jobs")}
    batch = f"batch, {options.jobs} jobs" if options.jobs else "batch"
    counts = {mode: count for mode, count in (("single", options.singles), (batch, options.count)) if count}
    for backend in () if options.table_only else options.backends.split(","):
        for mode, count in counts.items():
            report.add(child(__file__, backend=backend, mode=mode, count=count, **same))
    note = (
        "*Ratio* is a picture of the batch over a single call, in time and in time of the processor (over the number "
        "of jobs), which other programs on the machine disturb less; the goal is 0.5."
    )
    report.publish(note, markdown(report.rows))


def measure(
    backend: str, device: str, mode: str, count: int, weights: str, size: int, steps: int, jobs: int | None
) -> dict[str, Any]:
    """Paint `count` pictures; seconds and memory after each."""
    import numpy as np
    import psutil
    from _subject import pictures
    from PIL import Image

    import nst
    from nst.pictures.kinds import from_any
    from nst.pictures.writing import to_pil, write_picture

    process, resident = psutil.Process(), []

    def look(*_: Any) -> None:
        stamps.append(time.perf_counter())
        resident.append(process.memory_info().rss)

    with tempfile.TemporaryDirectory() as folder:
        contents, out = Path(folder, "contents"), Path(folder, "out")
        contents.mkdir()
        out.mkdir()
        drawn, style = (to_pil(from_any(p)[0]) for p in pictures(("demo", "demo"), size, size * 3 // 4))
        style.save(Path(folder, "style.png"))
        rng = np.random.default_rng(0)
        for number in range(count):
            noise = rng.integers(-20, 21, np.asarray(drawn).shape)
            noisy = np.clip(np.asarray(drawn) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(contents / f"{number}.png")
        options: dict[str, Any] = {"backend": backend, "device": device, "weights": weights}
        options |= {"steps": steps, "scales": 1, "size": "content"}
        stamps, used = [time.perf_counter()], busy()
        if mode == "single":
            for number in range(count):
                result = nst.stylize(contents / f"{number}.png", Path(folder, "style.png"), **options)
                write_picture(result, out / f"{number}.png")
                look()
        else:
            done = 0

            def watch(status: Any) -> None:
                nonlocal done
                if status.done >= done + 1 and status.done == int(status.done):
                    done = int(status.done)
                    look()

            nst.Batch(contents, Path(folder, "style.png"), out, jobs=jobs, **options).run(watch)
        used = busy() - used
    return {
        "backend": backend,
        "mode": mode,
        "weights": weights,
        "size": size,
        "steps": steps,
        "count": count,
        "jobs": jobs,
        "seconds": stamps[-1] - stamps[0],
        "cpu": used,
        "first": stamps[1] - stamps[0],
        "early": resident[min(EARLY, count) - 1],
        "end": resident[-1],
        "versions": nst.get_backend(backend, device).versions(),
    }


def busy() -> float:
    """Seconds of the processor that this process has taken, and those that it started and that have ended."""
    return sum(os.times()[:4])


def markdown(rows: list[dict[str, Any]]) -> str:
    names = (
        "backend",
        "network",
        "width",
        "steps",
        "",
        "pictures",
        "the first",
        "a picture",
        "of the processor",
    )
    names = (*names, "ratio", "of the processor", "memory after 20", "at the end")
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    single = {row["backend"]: row for row in rows if row["mode"] == "single"}
    for row in rows:
        each, busy = row["seconds"] / row["count"], row["cpu"] / row["count"] / (row.get("jobs") or 1)
        other = single.get(row["backend"]) if row["mode"] != "single" else None
        ratios = "| |"
        if other is not None:
            ratios = f"{each * other['count'] / other['seconds']:.2f} | {busy * other['count'] / other['cpu']:.2f} |"
        lines.append(
            f"| {row['backend']} | {row['weights']} | {row['size']} | {row['steps']} | {row['mode']} | {row['count']} "
            f"| {row['first']:.2f} s | {each:.3f} s | {busy:.3f} s | {ratios} "
            + (
                " | |"
                if row.get("jobs")
                else f"{row['early'] / 2**20:.0f} MiB | {row['end'] / 2**20:.0f} MiB |"
            )
        )
    return "\n".join(lines)


if __name__ == "__main__":
    serve(measure)
    main()
