"""Where a step's time goes: each convolution, forward and back to its input, against the peak of matrix products.

PyTorch's, as the engine has them (Winograd's in float32 on a CPU), one at a time on random feature maps. What is left
of a step of the engine is ReLU, pooling, Gram matrices, losses and L-BFGS.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from _report import Row, listed, markdown

KEY = ("precision",)
NOTE = (
    "VGG19 to conv5_1 in PyTorch, full width. Milliseconds, medians; in brackets the part of the peak that the "
    "operations of the definition reach."
)
PRECISIONS = ("fp32", "bf16")
DTYPES = {"fp32": "float32", "bf16": "bfloat16"}
WARM = 2


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, default=9)


def rows(options: argparse.Namespace, child: Callable[..., Row | None]) -> Iterator[Row | None]:
    size = int(listed(options.sizes, options.device, "512")[0])
    for precision in PRECISIONS:
        yield child(precision=precision, device=options.device, size=size, repeats=options.repeats)


def measure(precision: str, device: str, size: int, repeats: int) -> Row:
    import torch
    from _subject import dimensions, network, peak, step_flop, transfer

    from nst.backends import get_backend
    from nst.models import vgg

    width, height = dimensions(size, device)
    backend, weights = get_backend("torch", device, precision=precision), network("full")
    subject = transfer(backend, weights, width, height, steps=repeats + WARM, history=10, tile="off")
    stamps = [time.perf_counter() for _ in subject.iterate()]
    step = statistics.median(after - before for before, after in pairwise(stamps[WARM:]))
    module = backend.network(weights, subject.layers, "avg").native
    layers = {}
    for layer in vgg.layers_up_to(subject.layers):
        if not isinstance(layer, vgg.Conv):
            continue
        convolution = getattr(module, layer.name)
        outputs, channels = convolution.weight.shape[:2]
        shape = (1, channels, *vgg.layer_size(layer.name, height, width))
        x = torch.randn(shape, device=device, dtype=convolution.weight.dtype)
        x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
        y = convolution(x)
        gradient = torch.randn_like(y)

        def forward(x: Any = x, convolution: Any = convolution) -> None:
            float(convolution(x)[0, 0, 0, 0])  # waits for the device

        def backward(x: Any = x, y: Any = y, gradient: Any = gradient) -> None:
            float(torch.autograd.grad(y, x, gradient, retain_graph=True)[0][0, 0, 0, 0])

        layers[layer.name] = {
            "map": [outputs, *shape[2:]],
            "flop": step_flop(weights, [layer.name], width, height, alone=True) // 2,
            "forward": _median(forward, repeats),
            "backward": _median(backward, repeats),
        }
    return {
        "precision": precision,
        "width": width,
        "height": height,
        "step": step,
        "peak": peak(DTYPES[precision], device),
        "layers": layers,
        "versions": backend.versions(),
    }


def _median(work: Any, repeats: int) -> float:
    from _subject import seconds

    return statistics.median([seconds(work) for _ in range(repeats + WARM)][WARM:])


def table(rows: list[Row]) -> str:
    ways = ("forward", "backward")
    heads = [f"{row['precision']} {way}" for row in rows for way in ("forward", "back")]
    lines = []
    for name, first in rows[0]["layers"].items():
        outputs, height, width = first["map"]
        line = [name, f"{outputs} x {width}x{height}", f"{first['flop'] / 1e9:.2f}"]
        for row in rows:
            own = row["layers"][name]
            shares = (100 * own["flop"] / own[way] / row["peak"] for way in ways)
            line += [f"{1e3 * own[way]:.1f} ({share:.0f} %)" for way, share in zip(ways, shares, strict=True)]
        lines.append(line)
    flop = sum(own["flop"] for own in rows[0]["layers"].values()) / 1e9
    sums = [[sum(own[way] for own in row["layers"].values()) for way in ways] for row in rows]
    total, rest, steps = ["convolutions", "", f"{flop:.1f}"], ["the rest", "", ""], ["a step", "", ""]
    for row, both in zip(rows, sums, strict=True):
        total += [f"{1e3 * way:.0f}" for way in both]
        rest += [f"{1e3 * (row['step'] - sum(both)):.0f}", ""]
        steps += [f"{1e3 * row['step']:.0f}", ""]
    peaks = ", ".join(f"{row['precision']} {row['peak'] / 1e9:.0f}" for row in rows)
    told = markdown(["layer", "its map", "GFLOP", *heads], [*lines, total, rest, steps])
    return f"{told}\n\nPeak in GFLOP/s: {peaks}."
