"""What a batch saves beside as many single calls, and whether its memory stays flat. By backend.

    python benchmarks/run.py batch --backends numpy --count 50 --steps 2 --add

*Single* is `nst.stylize` in a loop, *batch* is `nst.Batch` in one process, both from and to files, in the same style,
all pictures of one size. Memory is the resident set after 20 pictures and at the end.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from _report import Row, listed, markdown, mib

KEY = ("backend", "mode")
NOTE = (
    "*Ratio* is a picture of the batch over a single call, in time and in time of the processor (over the number "
    "of jobs), which other programs on the machine disturb less; the goal is 0.5."
)
EARLY = 20


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", default="embedded")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--singles", type=int, default=50, help="single calls")
    parser.add_argument("--count", type=int, default=200, help="pictures of the batch")
    parser.add_argument("--jobs", type=int, help="processes of the batch, in place of this one alone")


def rows(options: argparse.Namespace, child: Callable[..., Row | None]) -> Iterator[Row | None]:
    same = {name: getattr(options, name) for name in ("device", "weights", "steps", "jobs")}
    batch = f"batch, {options.jobs} jobs" if options.jobs else "batch"
    counts = {mode: count for mode, count in (("single", options.singles), (batch, options.count)) if count}
    for backend in listed(options.backends, options.device, "torch,tf,onnx,numpy"):
        for size in map(int, listed(options.sizes, options.device, "64")):
            for mode, count in counts.items():
                yield child(backend=backend, mode=mode, count=count, size=size, **same)


def measure(
    backend: str, device: str, mode: str, count: int, weights: str, size: int, steps: int, jobs: int | None
) -> Row:
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


def table(rows: list[Row]) -> str:
    heads = ("backend", "network", "width", "steps", "", "pictures", "the first", "a picture")
    heads += ("of the processor", "ratio", "of the processor", "memory after 20", "at the end")
    single = {row["backend"]: row for row in rows if row["mode"] == "single"}
    lines = []
    for row in rows:
        each, used = row["seconds"] / row["count"], row["cpu"] / row["count"] / (row.get("jobs") or 1)
        line = [row[name] for name in ("backend", "weights", "size", "steps", "mode", "count")]
        line += [f"{row['first']:.2f} s", f"{each:.3f} s", f"{used:.3f} s"]
        other = single.get(row["backend"]) if row["mode"] != "single" else None
        if other is None:
            line += ["", ""]
        else:
            line.append(f"{each * other['count'] / other['seconds']:.2f}")
            line.append(f"{used * other['count'] / other['cpu']:.2f}")
        lines.append([*line, *(["", ""] if row.get("jobs") else [mib(row["early"]), mib(row["end"])])])
    return markdown(heads, lines)
