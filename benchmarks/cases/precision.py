"""What does a network in half precision cost in quality? The objective after as many steps, evaluated in float32.

Each row is a pair of runs in a process of its own: the network in float32 and in half precision, everything else
alike. Both final pictures are evaluated in float32. The bar is a difference of 2 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from _report import Row, listed, markdown

KEY = ("backend", "precision", "weights", "size", "start", "steps")
NOTE = "L-BFGS at one scale; *objective* is that of the run in half precision over that of the float32 run."
CASES = (
    ("embedded", 256, "content"),
    ("embedded", 256, "noise"),
    ("full", 256, "content"),
    ("full", 160, "content"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--precisions", default="bf16", help="bf16,fp16")
    parser.add_argument("--steps", default="50,100")


def rows(options: argparse.Namespace, child: Callable[..., Row | None]) -> Iterator[Row | None]:
    for backend in listed(options.backends, options.device, "torch"):
        for precision in options.precisions.split(","):
            for weights, size, start in CASES:
                if options.sizes is None or str(size) in options.sizes.split(","):
                    same = {"weights": weights, "size": size, "start": start, "device": options.device}
                    for steps in map(int, options.steps.split(",")):
                        yield child(backend=backend, precision=precision, steps=steps, **same)


def measure(
    backend: str, precision: str, weights: str, size: int, start: str, steps: int, device: str
) -> Row:
    """The two runs, from the same start."""
    from _subject import dimensions, network, transfer

    from nst.backends import get_backend

    net = network(weights)
    width, height = dimensions(size, device)
    exact = get_backend(backend, device, precision="fp32")
    judge = transfer(exact, net, width, height, init=start)._stage(width)
    found, seen = [], []
    for name in ("fp32", precision):
        engine = get_backend(backend, device, precision=name)
        for record in transfer(engine, net, width, height, init=start, steps=steps, tile="off").iterate():
            last = record
        total = judge.evaluate(exact.from_numpy(engine.to_numpy(last._state.x))).total
        found.append(float(exact.space.scalars([total])[0]))
        seen.append(last.losses().total)
    return {
        "backend": backend,
        "precision": precision,
        "weights": weights,
        "size": size,
        "start": start,
        "steps": steps,
        "exact": found[0],
        "objective": found[1],
        "seen": seen[1],
        "versions": exact.versions(),
    }


def table(rows: list[Row]) -> str:
    heads = ("backend", "network in", "network", "size", "start", "steps", "float32 run", "objective")
    lines = []
    for row in rows:
        line = [row[name] for name in ("backend", "precision", "weights")]
        line += [f"{row['size']} px", row["start"], row["steps"], f"{row['exact']:.5g}"]
        change = 100 * (row["objective"] / row["exact"] - 1)
        lines.append([*line, f"{row['objective']:.5g} ({change:+.2f} %)"])
    return markdown(heads, lines)
