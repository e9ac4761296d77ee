"""Put beside the page what it needs and git does not keep: ONNX Runtime, graphs of several sizes, the network, samples.

    cd docs/browser && npm install --no-package-lock      ONNX Runtime for browsers, from npm
    python docs/browser/build.py                          the rest; `make browser` does both

The folder is then a whole site: any web server can serve it, and no part of it runs on the server.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from nst.export import export_onnx
from nst.models.weights import NetworkWeights
from nst.samples import PAINTING, PHOTOGRAPH, copy_sample

HERE = Path(__file__).parent
RUNTIME = HERE / "node_modules/onnxruntime-web/dist"
VENDOR = (
    *("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"),
    *("ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify.mjs", "ort-wasm-simd-threaded.asyncify.wasm"),
)
SIDES = (128, 192, 256)
SHAPES = ((1, 1), (4, 3), (3, 2), (16, 9))
UNIT = 8
"""Sides are multiples of this many pixels."""


def sizes(sides: Sequence[int] = SIDES) -> list[tuple[int, int]]:
    """(width, height) of every graph: each longest side in each shape, upright too."""
    found = []
    for side in sides:
        for wide, high in SHAPES:
            other = round(side * high / wide / UNIT) * UNIT
            found += [(side, other)] if other == side else [(side, other), (other, side)]
    return found


def build(site: Path, graphs: Sequence[tuple[int, int]], weights: str | NetworkWeights = "auto") -> None:
    """Fill the folder of a site that has the page itself already."""
    for folder in ("vendor", "models", "samples"):
        shutil.rmtree(site / folder, ignore_errors=True)
        (site / folder).mkdir()
    for name in VENDOR:
        shutil.copyfile(RUNTIME / name, site / "vendor" / name)
    for name in (PHOTOGRAPH, PAINTING):
        copy_sample(name, site / "samples")
    listed = []
    for width, height in graphs:
        graph = f"{width}x{height}.onnx"
        export_onnx(
            site / "models" / graph,
            (width, height),
            weights=weights,
            weights_file=site / "models/network.bin",
        )
        listed.append({"graph": graph, "weights": "network.bin", "width": width, "height": height})
    (site / "models/models.json").write_text(json.dumps(listed, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="auto", help="as for nst export-onnx")
    parser.add_argument("--sides", type=int, nargs="+", default=list(SIDES), help="longest sides in pixels")
    given = parser.parse_args()
    if not RUNTIME.is_dir():
        parser.error(f"{RUNTIME} is not there: cd docs/browser && npm install --no-package-lock")
    build(HERE, sizes(given.sides), given.weights)
