"""How fast is a step? By backend, precision and size, beside what the machine can do and what the result is worth.

    python benchmarks/speed.py
    python benchmarks/speed.py --device cuda

Each row is a run of its own process: L-BFGS steps of the engine on VGG19 to conv5_1 at full width, from the content
picture. Beside its time stand

- the *yardstick*: a bare forward and backward pass in PyTorch, float32, eager, feature maps stored NCHW, measured
  before and after the rows of a size;
- what comes before the first step: targets, the first evaluation, compilation in frameworks that compile;
- the share of the machine's measured matrix-product peak in the same precision that the convolutions reach;
- the final objective, evaluated in float32, over that of the same backend's float32 run after as many steps.
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import pairwise
from typing import Any

from _report import Report, child, options_of, peak_memory, serve

KEY = ("backend", "precision", "width", "height")
YARDSTICK = "bare torch, NCHW"
WARM = 3


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--backends", help="torch,tf,onnx on a CPU, torch,onnx on a GPU")
    parser.add_argument("--precisions", help="fp32,bf16 on a CPU, fp32,bf16,fp16 on a GPU")
    parser.add_argument("--sizes", help="widths; 256,512,1024 on a CPU, 256,512,1024,2048,4096 on a GPU")
    parser.add_argument(
        "--steps", type=int, help=f"of each run; 15 on a CPU, 20 to 500 on a GPU; {WARM} warm up"
    )
    options = parser.parse_args()
    report = Report(__file__, options, KEY)
    if not options.table_only:
        measure_all(options, report)
    note = (
        f"VGG19 to conv5_1, full width with random filters, L-BFGS with history 10, medians. *Objective*: in float32, "
        f"after the steps of the column before it, over the float32 run's. Yardstick: {YARDSTICK}, float32, eager."
    )
    report.publish(note, markdown(report.rows))


def measure_all(options: argparse.Namespace, report: Report) -> None:
    on_gpu = options.device == "cuda"
    backends = (options.backends or ("torch,onnx" if on_gpu else "torch,tf,onnx")).split(",")
    precisions = (options.precisions or ("fp32,bf16,fp16" if on_gpu else "fp32,bf16")).split(",")
    sizes = (options.sizes or ("256,512,1024,2048,4096" if on_gpu else "256,512,1024")).split(",")
    for size in map(int, sizes):
        steps = options.steps or (max(20, min(500, 500 * 512**2 // size**2)) if on_gpu else 15)
        common = {"device": options.device, "size": size}
        before = child(__file__, backend=YARDSTICK, precision="fp32", steps=max(5, steps // 2), **common)
        rows = [
            child(__file__, backend=backend, precision=precision, steps=steps, **common)
            for backend in backends
            for precision in precisions
        ]
        after = child(__file__, backend=YARDSTICK, precision="fp32", steps=max(5, steps // 2), **common)
        if before and after:
            before["step"] = (before["step"] + after["step"]) / 2
            before["peaks"] = {name: max(v, after["peaks"][name]) for name, v in before["peaks"].items()}
        for row in [before, *rows]:
            report.add(row)


def measure(backend: str, precision: str, device: str, size: int, steps: int) -> dict[str, Any]:
    from _subject import dimensions

    from nst.planning.memory import free_memory

    free = None if device == "cpu" else free_memory(device)
    width, height = dimensions(size, device)
    row = {"backend": backend, "precision": precision, "width": width, "height": height, "steps": steps}
    run = _bare if backend == YARDSTICK else _engine
    return row | run(backend, precision, device, width, height, steps, free)


def _engine(
    backend: str, precision: str, device: str, width: int, height: int, steps: int, free: int | None
) -> dict[str, Any]:
    from _subject import network, step_flop, transfer

    from nst.backends import get_backend

    engine = get_backend(backend, device, precision=precision)
    weights = network("full")
    began = time.perf_counter()
    subject = transfer(engine, weights, width, height, steps=steps, history=10, tile="off")
    stamps = []
    for record in subject.iterate():
        stamps.append(time.perf_counter())
        last = record
    losses = last.losses()
    total = time.perf_counter() - stamps[0]
    seconds = [after - before for before, after in pairwise(stamps[WARM:])]
    memory = peak_memory(device, free)
    exact = get_backend(backend, device, precision="fp32")
    stage = transfer(exact, weights, width, height, history=10, tile="off").stage(width)
    found = stage.evaluate(exact.from_numpy(engine.to_numpy(last._state.x)))
    return {
        "step": statistics.median(seconds),
        "set_up": stamps[0] - began,
        "all_steps": total,
        "made": last.step,
        "memory": memory,
        "objective": float(exact.space.scalars([found.total])[0]),
        "objective_seen": losses.total,
        "flop": step_flop(weights, subject.settings.layers, width, height),
        "versions": engine.versions(),
    }


def _bare(
    backend: str, precision: str, device: str, width: int, height: int, steps: int, free: int | None
) -> dict[str, Any]:
    import torch
    from _bare import LAYERS, torch_step
    from _clock import peak, seconds
    from _subject import demo_arrays, network, step_flop

    weights = network("full")
    step = torch_step(weights, *demo_arrays(width, height), 1e-6, 1.0, device, channels_last=False)
    for _ in range(2):
        step()
    return {
        "step": statistics.median(seconds(step) for _ in range(steps)),
        "memory": peak_memory(device, free),
        "flop": step_flop(weights, LAYERS, width, height),
        "peaks": {"fp32": peak("float32", device), "bf16": peak("bfloat16", device)}
        | ({"fp16": peak("float16", device)} if device == "cuda" else {}),
        "versions": {"torch": torch.__version__},
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| size | backend | network in | step | over the yardstick | of the peak | memory "
        "| set up | steps | all steps | objective |",
        "|---" * 11 + "|",
    ]
    yardsticks = {(row["width"], row["height"]): row for row in rows if row["backend"] == YARDSTICK}
    exact = {
        (row["backend"], row["width"], row["height"]): row["objective"]
        for row in rows
        if row["precision"] == "fp32" and "objective" in row
    }
    for row in sorted(rows, key=lambda row: row["width"]):
        size = row["width"], row["height"]
        yardstick = yardsticks[size]
        share = row["flop"] / row["step"] / yardstick["peaks"][row["precision"]]
        cells = [
            f"{size[0]}x{size[1]} | {row['backend']} | {row['precision']} | {row['step']:.4g} s",
            f"{row['step'] / yardstick['step']:.2f} | {100 * share:.0f} % | {row['memory'] / 2**20:.0f} MiB",
        ]
        if row["backend"] == YARDSTICK:
            cells.append(" | | |")
        else:
            change = row["objective"] / exact.get((row["backend"], *size), row["objective"]) - 1
            worth = "" if row["precision"] == "fp32" else f" ({100 * change:+.2f} %)"
            set_up = f"{row['set_up']:.3g} s" if "set_up" in row else ""
            cells.append(
                f"{set_up} | {row['made']} | {row['all_steps']:.3g} s | {row['objective']:.5g}{worth}"
            )
        lines.append(f"| {' | '.join(cells)} |")
    peaks = [
        f"{name} {flops / 1e9:.0f}"
        for row in yardsticks.values()
        if row["width"] == 512 or len(yardsticks) == 1
        for name, flops in row["peaks"].items()
    ]
    lines += ["", f"Matrix-product peak in GFLOP/s: {', '.join(peaks)}."]
    return "\n".join(lines)


if __name__ == "__main__":
    serve(measure)
    main()
