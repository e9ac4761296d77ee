r"""Do whole runs agree? The same run on several backends, and how far the totals and the pixels are apart in the end.

    python benchmarks/agreement.py --pictures chelsea ../shared/images/starry_night.jpg
    python benchmarks/agreement.py --add --weights random:0.25 --optimizers adam \
        --backends torch/float64 torch/float64/1e-7 --pictures chelsea ../shared/images/starry_night.jpg

A backend is NAME, NAME/TYPE, or NAME/TYPE/DEVIATION: in a data type of its own, and with noise of that deviation added
to the start picture. Two runs of one backend that start 1e-7 apart show how much of a difference no backend is to
blame for. An optimiser is lbfgs, adam, adam/RATE, or adam/RATE/EPSILON.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from _report import ROOT, Report, child, options_of, serve

KEY = ("content", "style", "weights", "optimizer", "size", "steps", "backends")
SEED = 9


def main() -> None:
    parser = options_of(__doc__)
    parser.set_defaults(page=ROOT / "docs" / "conformance.md")
    parser.add_argument("--size", type=int, default=256, help="longest side of the result in pixels")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument(
        "--backends", nargs="+", default=["torch", "tf", "onnx"], metavar="NAME[/TYPE[/DEVIATION]]"
    )
    parser.add_argument(
        "--weights", default="embedded", help="embedded, random:WIDTH, or a name in the cache"
    )
    parser.add_argument("--optimizers", nargs="+", default=["lbfgs", "adam"], metavar="NAME[/RATE[/EPSILON]]")
    parser.add_argument("--pictures", nargs=2, default=["demo", "demo"], metavar=("CONTENT", "STYLE"))
    options = parser.parse_args()
    report = Report(__file__, options, KEY)
    for optimizer in [] if options.table_only else options.optimizers:
        report.add(compare(options, optimizer))
    note = (
        "One scale, from the content picture, 50 steps unless a row says otherwise, everything else the default. "
        "*Total*: of the first backend; the rest is the worst pair of backends."
    )
    report.publish(note, markdown(report.rows))


def compare(options: argparse.Namespace, optimizer: str) -> dict[str, Any] | None:
    """Run on each backend, each in a process of its own; None if one of them failed."""
    content, style = options.pictures
    same = {
        "content": content,
        "style": style,
        "optimizer": optimizer,
        **{name: getattr(options, name) for name in ("weights", "size", "steps", "device")},
    }
    totals, results, versions = {}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for backend in options.backends:
            file = str(Path(folder) / "result.npy")
            row = child(__file__, backend=backend, file=file, **same)
            if row is None:
                return None
            totals[backend], results[backend] = row["total"], np.load(file)
            versions |= row["versions"]
    pairs = list(combinations(options.backends, 2))
    gaps = [np.abs(results[a] - results[b]) * 255 for a, b in pairs]
    return {
        **{name: value for name, value in same.items() if name != "device"},
        "content": Path(content).stem,
        "style": Path(style).stem,
        "backends": ", ".join(options.backends),
        "totals": totals,
        "versions": versions,
        "total": max(abs(totals[a] / totals[b] - 1) for a, b in pairs),
        "mean": max(float(gap.mean()) for gap in gaps),
        "p99": max(float(np.quantile(gap, 0.99)) for gap in gaps),
        "largest": max(float(gap.max()) for gap in gaps),
    }


def measure(
    backend: str,
    file: str,
    content: str,
    style: str,
    weights: str,
    optimizer: str,
    size: int,
    steps: int,
    device: str,
) -> dict[str, Any]:
    """One run; its last picture, (1, 3, H, W), goes to `file`."""
    from _subject import network, pictures

    from nst.backends.registry import backend_class
    from nst.engine.stage import descend, first_state
    from nst.models.random import random_weights
    from nst.optim import LBFGS, Adam
    from nst.transfer import StyleTransfer

    name, dtype, deviation = [*backend.split("/"), "", ""][:3]
    word, _, width = weights.partition(":")
    net = random_weights(0, float(width), depth="conv5_1") if word == "random" else network(weights)
    engine = backend_class(name)(device=device, dtype=dtype or None)
    run = StyleTransfer(
        *pictures((content, style), size, size * 3 // 4),
        backend=engine,
        weights=net,
        size=size,
        scales=1,
        steps=steps,
    )
    stage = run.stage(size)
    start = run.start.first(*stage.scene.size).astype(np.float64)
    if deviation:
        start += float(deviation) * np.random.default_rng(SEED).standard_normal(start.shape)
    word, *numbers = optimizer.split("/")
    method: Any = LBFGS(history=run.plan.history) if word == "lbfgs" else Adam(*map(float, numbers[:1]))
    if numbers[1:]:
        method = replace(method, epsilon=float(numbers[1]))
    begin = first_state(engine, method, stage.evaluate, np.clip(start, 0, 1))
    *_, state = descend(engine.space, method, stage.evaluate, begin, steps)
    np.save(file, np.asarray(engine.to_numpy(state.x), np.float64))
    return {"total": state.total, "versions": engine.versions()}


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table."""
    lines = [
        "| network | pictures | optimiser | backends | total | totals differ by | pixels: mean | 99 % | largest |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        steps = "" if row["steps"] == 50 else f", {row['steps']} steps"
        word, rate, epsilon = [*row["optimizer"].split("/"), "", ""][:3]
        method = "L-BFGS" if word == "lbfgs" else "Adam"
        method += f", rate {rate}" if rate else ""
        method += f", epsilon {epsilon}" if epsilon else ""
        pixels = " | ".join(f"{row[key]:.2g}/255" for key in ("mean", "p99", "largest"))
        lines.append(
            f"| {row['weights']} | {row['content']}, {row['style']}, {row['size']} px{steps} | {method} "
            f"| {row['backends']} | {next(iter(row['totals'].values())):.4g} | {100 * row['total']:.2g} % | {pixels} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    serve(measure)
    main()
