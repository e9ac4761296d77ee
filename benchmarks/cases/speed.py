"""How fast is a step, by backend, precision and size, beside what the machine can do and what the result is worth?

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
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from _report import Row, listed, markdown, mib, peak_memory, size_of

KEY = ("backend", "precision", "width", "height")
YARDSTICK = "bare torch, NCHW"
NOTE = (
    f"VGG19 to conv5_1, full width with random filters, L-BFGS with history 10, medians. *Objective*: in float32, "
    f"after the steps of the column before it, over the float32 run's. Yardstick: {YARDSTICK}, float32, eager."
)
WARM = 3


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--precisions", help="fp32,bf16 on a CPU, fp32,bf16,fp16 on a GPU")
    parser.add_argument(
        "--steps", type=int, help=f"of each run; 15 on a CPU, 20 to 500 on a GPU; {WARM} warm up"
    )


def rows(options: argparse.Namespace, child: Callable[..., Row | None]) -> Iterator[Row | None]:
    device = options.device
    backends = listed(options.backends, device, "torch,tf,onnx", "torch,onnx")
    precisions = listed(options.precisions, device, "fp32,bf16", "fp32,bf16,fp16")
    for size in map(int, listed(options.sizes, device, "256,512,1024", "256,512,1024,2048,4096")):
        steps = options.steps or (max(20, min(500, 500 * 512**2 // size**2)) if device == "cuda" else 15)
        common = {"device": device, "size": size}
        bare = {"backend": YARDSTICK, "precision": "fp32", "steps": max(5, steps // 2), **common}
        before = child(**bare)
        found = [
            child(backend=backend, precision=precision, steps=steps, **common)
            for backend in backends
            for precision in precisions
        ]
        after = child(**bare)
        if before and after:
            before["step"] = (before["step"] + after["step"]) / 2
            before["peaks"] = {name: max(v, after["peaks"][name]) for name, v in before["peaks"].items()}
        yield from (before, *found)


def measure(backend: str, precision: str, device: str, size: int, steps: int) -> Row:
    from _subject import dimensions

    from nst.planning.plan import free_memory

    free = None if device == "cpu" else free_memory(device)
    width, height = dimensions(size, device)
    row = {"backend": backend, "precision": precision, "width": width, "height": height, "steps": steps}
    run = _bare if backend == YARDSTICK else _engine
    return row | run(backend, precision, device, width, height, steps, free)


def _engine(
    backend: str, precision: str, device: str, width: int, height: int, steps: int, free: int | None
) -> Row:
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
    stage = transfer(exact, weights, width, height, history=10, tile="off")._stage(width)
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
) -> Row:
    import torch
    from _subject import demo_arrays, network, peak, seconds, step_flop

    from nst.backends.torch.backend import CudnnSettings
    from nst.settings import CONTENT_LAYERS, STYLE_LAYERS

    weights = network("full")
    layers = [*STYLE_LAYERS, *CONTENT_LAYERS]
    step = _bare_step(weights, layers, *demo_arrays(width, height), device)
    with CudnnSettings():  # as the engine has it
        for _ in range(2):
            step()
        median = statistics.median(seconds(step) for _ in range(steps))
    return {
        "step": median,
        "memory": peak_memory(device, free),
        "flop": step_flop(weights, layers, width, height),
        "peaks": {"fp32": peak("float32", device), "bf16": peak("bfloat16", device)}
        | ({"fp16": peak("float16", device)} if device == "cuda" else {}),
        "versions": {"torch": torch.__version__},
    }


def _bare_step(
    weights: Any, layers: list[str], content: Any, style: Any, device: str
) -> Callable[[], object]:
    """A forward and backward pass written straight in PyTorch, and waited for; pictures are (1, 3, H, W) in sRGB."""
    import torch

    from nst.backends.torch.network import VGG

    net = VGG(weights, layers).to(device)
    *style_layers, content_layer = layers

    def gram(f: Any) -> Any:
        f = f[0].permute(1, 2, 0).flatten(0, 1)
        return f.T @ f / len(f)

    x, painting = (torch.from_numpy(array).to(device) for array in (content, style))
    with torch.no_grad():
        P, found = net(x)[content_layer], net(painting)
        A = {layer: gram(found[layer]) for layer in style_layers}
    x = x.clone().requires_grad_()

    def step() -> object:
        features = net(x)
        loss = 0.5e-6 * (features[content_layer] - P).square().sum()
        for layer in style_layers:
            E = (gram(features[layer]) - A[layer]).square().sum() / (4 * len(A[layer]) ** 2)
            loss = loss + E / len(style_layers)
        (gradient,) = torch.autograd.grad(loss, x)
        return float(loss.detach()), gradient

    return step


def table(rows: list[Row]) -> str:
    yardsticks = {(row["width"], row["height"]): row for row in rows if row["backend"] == YARDSTICK}
    exact = {
        (row["backend"], row["width"], row["height"]): row["objective"]
        for row in rows
        if row["precision"] == "fp32" and "objective" in row
    }
    lines = []
    for row in sorted(rows, key=lambda row: row["width"]):
        size = row["width"], row["height"]
        yardstick = yardsticks[size]
        share = row["flop"] / row["step"] / yardstick["peaks"][row["precision"]]
        line = [size_of(row), row["backend"], row["precision"], f"{row['step']:.4g} s"]
        line += [f"{row['step'] / yardstick['step']:.2f}", f"{100 * share:.0f} %", mib(row["memory"])]
        if row["backend"] == YARDSTICK:
            line += [""] * 4
        else:
            change = row["objective"] / exact.get((row["backend"], *size), row["objective"]) - 1
            worth = "" if row["precision"] == "fp32" else f" ({100 * change:+.2f} %)"
            line += [f"{row['set_up']:.3g} s" if "set_up" in row else "", row["made"]]
            line += [f"{row['all_steps']:.3g} s", f"{row['objective']:.5g}{worth}"]
        lines.append(line)
    peaks = ", ".join(
        f"{name} {flops / 1e9:.0f}"
        for row in yardsticks.values()
        if row["width"] == 512 or len(yardsticks) == 1
        for name, flops in row["peaks"].items()
    )
    heads = ("size", "backend", "network in", "step", "over the yardstick", "of the peak", "memory")
    heads += ("set up", "steps", "all steps", "objective")
    return f"{markdown(heads, lines)}\n\nMatrix-product peak in GFLOP/s: {peaks}."
