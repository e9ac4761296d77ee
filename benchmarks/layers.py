"""Where a step's time goes: each convolution, forward and back to its input, against the peak of matrix products.

    python benchmarks/layers.py --size 512

PyTorch's, as the engine has them (Winograd's in float32 on a CPU), one at a time on random feature maps. What is left
of a step of the engine is ReLU, pooling, Gram matrices, losses and L-BFGS.
"""

from __future__ import annotations

import statistics
import time
from itertools import pairwise
from typing import Any

from _clock import peak, seconds
from _report import Report, child, options_of, serve

PRECISIONS = ("fp32", "bf16")
DTYPES = {"fp32": "float32", "bf16": "bfloat16"}
WARM = 2


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--size", type=int, default=512, help="width in pixels")
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    report = Report(__file__, options, ("precision",))
    if not options.table_only:
        for precision in PRECISIONS:
            report.add(
                child(
                    __file__,
                    precision=precision,
                    device=options.device,
                    size=options.size,
                    repeats=options.repeats,
                )
            )
    report.publish(
        "VGG19 to conv5_1 in PyTorch, full width. Milliseconds, medians; in brackets the part of the peak that the "
        "operations of the definition reach.",
        markdown(report.rows),
    )


def measure(precision: str, device: str, size: int, repeats: int) -> dict[str, Any]:
    import torch
    from _subject import dimensions, network, step_flop, transfer

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
    return statistics.median([seconds(work) for _ in range(repeats + WARM)][WARM:])


def markdown(rows: list[dict[str, Any]]) -> str:
    heads = " | ".join(f"{row['precision']} forward | {row['precision']} back" for row in rows)
    lines = [f"| layer | its map | GFLOP | {heads} |", "|" + "---|" * (3 + 2 * len(rows))]
    for name, first in rows[0]["layers"].items():
        outputs, height, width = first["map"]
        cells = [f"{name} | {outputs} x {width}x{height} | {first['flop'] / 1e9:.2f}"]
        for row in rows:
            own = row["layers"][name]
            for way in ("forward", "backward"):
                share = own["flop"] / own[way] / row["peak"]
                cells.append(f"{1e3 * own[way]:.1f} ({100 * share:.0f} %)")
        lines.append(f"| {' | '.join(cells)} |")
    sums = [
        [sum(own[way] for own in row["layers"].values()) for way in ("forward", "backward")] for row in rows
    ]
    flop = sum(own["flop"] for own in rows[0]["layers"].values()) / 1e9
    cells = [f"{1e3 * way:.0f}" for both in sums for way in both]
    lines.append(f"| convolutions | | {flop:.1f} | {' | '.join(cells)} |")
    rest = [f"{1e3 * (row['step'] - sum(both)):.0f} | " for row, both in zip(rows, sums, strict=True)]
    lines.append(f"| the rest | | | {' | '.join(rest)} |")
    steps = [f"{1e3 * row['step']:.0f} | " for row in rows]
    lines.append(f"| a step | | | {' | '.join(steps)} |")
    peaks = ", ".join(f"{row['precision']} {row['peak'] / 1e9:.0f}" for row in rows)
    return "\n".join([*lines, "", f"Peak in GFLOP/s: {peaks}."])


if __name__ == "__main__":
    serve(measure)
    main()
