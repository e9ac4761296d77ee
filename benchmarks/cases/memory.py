"""How much memory does a picture take, and does `nst.planning.plan` know? By backend, network, size and windows.

    python benchmarks/run.py memory
    python benchmarks/run.py memory --add --backends torch --sizes 4096 --square --tiles auto --limit 6 --steps 11

Each row is a run of its own process: L-BFGS steps from the content picture. Memory is the peak of the process, or
what is gone of a GPU's. The history of L-BFGS is full after 11 steps; a prediction counts no more pairs than steps.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

from _report import Row, listed, markdown, mib, peak_memory, size_of

KEY = ("backend", "weights", "width", "height", "tile", "limit")
NOTE = "*Predicted* is what `nst plan` says, for a CPU."


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tiles", default="off,512", help="off, auto, or the side of the windows in pixels")
    parser.add_argument("--weights", default="embedded", help="embedded, full, or a name in the cache")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--square", action="store_true", help="as high as wide, in place of 4:3")
    parser.add_argument("--limit", type=float, help="GiB that the plan is to stay within")


def rows(options: argparse.Namespace, child: Callable[..., Row | None]) -> Iterator[Row | None]:
    same = {name: getattr(options, name) for name in ("device", "steps", "square", "limit")}
    for backend in listed(options.backends, options.device, "torch,tf,onnx", "torch,onnx"):
        for weights in options.weights.split(","):
            for tile in options.tiles.split(","):
                for size in listed(options.sizes, options.device, "256,512,1024,2048"):
                    if not (tile.isdecimal() and int(tile) >= int(size)):
                        yield child(backend=backend, weights=weights, tile=tile, size=int(size), **same)


def measure(
    backend: str,
    device: str,
    weights: str,
    size: int,
    tile: str,
    steps: int,
    square: bool = False,
    limit: float | None = None,
) -> Row:
    """Run a few steps of noise in the style of noise: the pictures themselves take no part in memory or time."""
    import numpy as np
    from _subject import dimensions, network

    from nst.backends import get_backend
    from nst.planning.plan import free_memory
    from nst.transfer import StyleTransfer

    free = None if device == "cpu" else free_memory(device)
    width, height = (size, size) if square else dimensions(size, device)
    rng = np.random.default_rng(0)
    content, style = (rng.integers(0, 256, (height, width, 3), np.uint8) for _ in range(2))
    engine = get_backend(backend, device)
    transfer = StyleTransfer(
        content,
        style,
        backend=engine,
        weights=network(weights),
        size="content",
        steps=steps,
        scales=1,
        tile=int(tile) if tile.isdecimal() else tile,
        memory=None if limit is None else round(limit * 2**30),
    )
    plan = transfer.plan
    if not plan.fits:
        raise SystemExit(f"needs about {plan.peak / 2**30:.1f} GiB, {(plan.free or 0) / 2**30:.1f} are free")
    stamps = []
    for record in transfer.iterate():
        losses = record.losses()
        stamps.append(time.perf_counter())
    return {
        "backend": backend,
        "weights": weights,
        "width": width,
        "height": height,
        "tile": tile,
        "limit": limit,
        "side": plan.side,
        "history": plan.history,
        "half": plan.half,
        "steps": steps,
        "step": statistics.median(after - before for before, after in pairwise(stamps)),
        "peak": peak_memory(device, free),
        "predicted": plan.peak if device == "cpu" else None,
        "objective": losses.total,
        "versions": engine.versions(),
    }


def table(rows: list[Row]) -> str:
    lines = []
    for row in rows:
        predicted = row["predicted"]
        lines.append(
            (
                row["backend"],
                row["weights"],
                size_of(row),
                f"{row['limit']:g} GiB" if row["limit"] else "",
                row["side"] or "no",
                f"{min(row['history'], row['steps'])} in {'float16' if row['half'] else 'float32'}",
                mib(row["peak"]),
                f"{row['peak'] / row['width'] / row['height'] / 1000:.2f} kB",
                mib(predicted) if predicted else "",
                f"{predicted / row['peak']:.2f}" if predicted else "",
            )
        )
    heads = ("backend", "network", "size", "limit", "windows", "history", "peak", "a pixel", "predicted")
    return markdown((*heads, "predicted / peak"), lines)
