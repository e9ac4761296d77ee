"""Peak memory by backend, size, and tiling, each run in a process of its own; what `nst.plan` predicts beside it.

python benchmarks/memory.py --json benchmarks/results/memory.json --table docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

SIZES = (256, 512, 1024, 2048)
STEPS = 2


def measure(backend: str, size: int, tile: str, weights: str, steps: int) -> dict[str, Any]:
    """Run a few steps here; peak resident memory of this process in bytes."""
    from nst.backends import get_backend
    from nst.transfer import StyleTransfer

    rng = np.random.default_rng(0)
    content, style = (rng.integers(0, 256, (size * 3 // 4, size, 3), np.uint8) for _ in range(2))
    engine = get_backend(backend, "cpu")
    before = _resident()
    transfer = StyleTransfer(
        content,
        style,
        backend=engine,
        weights=weights,
        steps=steps,
        scales=1,
        tile=tile if tile in ("auto", "off") else int(tile),
    )
    began = time.perf_counter()
    for record in transfer.iterate():
        losses = record.losses()
    from nst.plan import predict

    chosen = transfer.plan
    plan = predict(
        transfer.settings, transfer.weights, engine, transfer.size, chosen.side, chosen.history, chosen.half
    )
    return {
        "backend": backend,
        "size": size,
        "tile": tile,
        "weights": weights,
        "steps": steps,
        "before": before,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "predicted": plan.peak,
        "seconds": time.perf_counter() - began,
        "total": losses.total,
    }


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=5, metavar=("BACKEND", "SIZE", "TILE", "WEIGHTS", "STEPS"))
    parser.add_argument("--backends", default="torch,tf,onnx")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--tiles", default="off")
    parser.add_argument("--weights", default="embedded,random")
    parser.add_argument("--steps", default=str(STEPS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.one:
        backend, size, tile, weights, steps = arguments.one
        print(json.dumps(measure(backend, int(size), tile, weights, int(steps))))
        return
    rows = []
    for backend in arguments.backends.split(","):
        for weights in arguments.weights.split(","):
            for tile in arguments.tiles.split(","):
                for size in arguments.sizes.split(","):
                    command = [
                        sys.executable,
                        __file__,
                        "--one",
                        backend,
                        size,
                        tile,
                        weights,
                        arguments.steps,
                    ]
                    done = subprocess.run(command, capture_output=True, text=True, check=False)
                    if done.returncode:
                        print(backend, size, tile, weights, "failed:", done.stderr[-300:], file=sys.stderr)
                        continue
                    rows.append(json.loads(done.stdout.splitlines()[-1]))
                    row = rows[-1]
                    ratio = row["predicted"] / row["peak"]
                    print(
                        f"{backend} {weights} {tile} {size}: {row['peak'] / 2**20:.0f} MB, "
                        f"predicted {ratio:.2f} of it, {row['seconds']:.1f} s",
                        flush=True,
                    )
    document = {
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "command": "python " + " ".join(sys.argv),
        "rows": rows,
    }
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
