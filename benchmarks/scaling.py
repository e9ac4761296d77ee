"""How do time and memory grow with the size, in windows and at once?

    python benchmarks/scaling.py

The runs are those of memory.py. What does not fit into memory is left out.
"""

from __future__ import annotations

from typing import Any

import memory
from _report import Report, child, options_of


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--weights", default="embedded")
    parser.add_argument("--sizes", default="256,512,1024,2048,4096", help="widths")
    parser.add_argument("--tiles", default="off,1024", help="off, auto, or the side of the windows in pixels")
    parser.add_argument("--steps", type=int, default=2)
    options = parser.parse_args()
    report = Report(__file__, options, memory.KEY)
    for size in () if options.table_only else map(int, options.sizes.split(",")):
        for tile in options.tiles.split(","):
            if tile.isdecimal() and int(tile) >= size:
                continue
            same = {"backend": options.backend, "weights": options.weights, "device": options.device}
            report.add(child(memory.__file__, size=size, tile=tile, steps=options.steps, **same))
    note = "L-BFGS from the content picture; the objective is that of the same run, after its steps."
    report.publish(note, markdown(report.rows))


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| backend | network | size | windows | step | a megapixel | peak memory | steps | objective |",
        "|---" * 9 + "|",
    ]
    for row in rows:
        megapixels = row["width"] * row["height"] / 1e6
        lines.append(
            f"| {row['backend']} | {row['weights']} | {row['width']}x{row['height']} | {row['side'] or 'no'} "
            f"| {row['step']:.4g} s | {row['step'] / megapixels:.3g} s | {row['peak'] / 2**20:.0f} MiB "
            f"| {row['steps']} | {row['objective']:.5g} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
