"""How do time and memory grow with the size, in windows and at once?

The runs are those of `memory`. What does not fit into memory is left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from _report import Row, listed, markdown, mib, size_of
from cases.memory import KEY, measure

__all__ = ["KEY", "NOTE", "add_options", "measure", "rows", "table"]

NOTE = "L-BFGS from the content picture; the objective is that of the same run, after its steps."


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", default="embedded")
    parser.add_argument("--tiles", default="off,1024", help="off, auto, or the side of the windows in pixels")
    parser.add_argument("--steps", type=int, default=2)


def rows(options: argparse.Namespace, child: Callable[..., Row | None]) -> Iterator[Row | None]:
    same = {name: getattr(options, name) for name in ("device", "steps", "weights")}
    for backend in listed(options.backends, options.device, "torch"):
        for size in map(int, listed(options.sizes, options.device, "256,512,1024,2048,4096")):
            for tile in options.tiles.split(","):
                if not (tile.isdecimal() and int(tile) >= size):
                    yield child(backend=backend, size=size, tile=tile, **same)


def table(rows: list[Row]) -> str:
    heads = ("backend", "network", "size", "windows", "step", "a megapixel", "peak memory", "steps")
    return markdown(
        (*heads, "objective"),
        [
            (
                row["backend"],
                row["weights"],
                size_of(row),
                row["side"] or "no",
                f"{row['step']:.4g} s",
                f"{1e6 * row['step'] / row['width'] / row['height']:.3g} s",
                mib(row["peak"]),
                row["steps"],
                f"{row['objective']:.5g}",
            )
            for row in rows
        ],
    )
