"""How much memory does a picture take, and does `nst.plan` know? By backend, network, size and windows.

    python benchmarks/memory.py
    python benchmarks/memory.py --backends torch --weights embedded --tiles 1024 --sizes 4096

Each row is a run of its own process: L-BFGS steps from the content picture. Memory is the peak of the process, or
what is gone of a GPU's.
"""

from __future__ import annotations

import statistics
import time
from itertools import pairwise
from typing import Any

from _report import Report, child, options_of, peak_memory, serve

KEY = ("backend", "weights", "width", "height", "tile")


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--backends", help="torch,tf,onnx on a CPU, torch,onnx on a GPU")
    parser.add_argument("--sizes", default="256,512,1024,2048", help="widths")
    parser.add_argument("--tiles", default="off,512", help="off, auto, or the side of the windows in pixels")
    parser.add_argument("--weights", default="embedded", help="embedded, full, or a name in the cache")
    parser.add_argument("--steps", type=int, default=2)
    options = parser.parse_args()
    report = Report(__file__, options, KEY)
    backends = options.backends or ("torch,onnx" if options.device == "cuda" else "torch,tf,onnx")
    specs = [
        {"backend": backend, "weights": weights, "tile": tile, "size": int(size)}
        for backend in backends.split(",")
        for weights in options.weights.split(",")
        for tile in options.tiles.split(",")
        for size in options.sizes.split(",")
        if not (tile.isdecimal() and int(tile) >= int(size))
    ]
    for spec in () if options.table_only else specs:
        report.add(child(__file__, device=options.device, steps=options.steps, **spec))
    report.publish("*Predicted* is what `nst plan` says, for a CPU.", markdown(report.rows))


def measure(backend: str, device: str, weights: str, size: int, tile: str, steps: int) -> dict[str, Any]:
    """Run a few steps of noise in the style of noise: the pictures themselves take no part in memory or time."""
    import numpy as np
    from _subject import dimensions, network

    from nst.backends import get_backend
    from nst.memory import free_memory
    from nst.transfer import StyleTransfer

    free = None if device == "cpu" else free_memory(device)
    width, height = dimensions(size, device)
    rng = np.random.default_rng(0)
    content, style = (rng.integers(0, 256, (height, width, 3), np.uint8) for _ in range(2))
    engine = get_backend(backend, device)
    transfer = StyleTransfer(
        content,
        style,
        backend=engine,
        weights=network(weights),
        steps=steps,
        scales=1,
        tile=int(tile) if tile.isdecimal() else tile,
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
        "side": plan.side,
        "history": plan.history,
        "steps": steps,
        "step": statistics.median(after - before for before, after in pairwise(stamps)),
        "peak": peak_memory(device, free),
        "predicted": plan.peak if device == "cpu" else None,
        "objective": losses.total,
        "versions": engine.versions(),
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| backend | network | size | windows | peak | a pixel | predicted | predicted / peak |",
        "|---" * 8 + "|",
    ]
    for row in rows:
        predicted = row["predicted"]
        told = f"{predicted / 2**20:.0f} MiB | {predicted / row['peak']:.2f}" if predicted else " | "
        lines.append(
            f"| {row['backend']} | {row['weights']} | {row['width']}x{row['height']} | {row['side'] or 'no'} "
            f"| {row['peak'] / 2**20:.0f} MiB | {row['peak'] / row['width'] / row['height'] / 1000:.2f} kB | {told} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    serve(measure)
    main()
