"""What a network makes of a style transfer: losses reached, effective rank, time, and how the results look by number.

    python benchmarks/networks.py                            random, whitened and the embedded VGG19
    python benchmarks/networks.py whitened mine.safetensors  these: whatever --weights takes, without a download
    python benchmarks/networks.py --json FILE                the figures
    python benchmarks/networks.py --table docs/networks.md   replace the tables in the page
    python benchmarks/networks.py --pictures FOLDER          keep the results, to look at

The contents are scikit-image's photographs, the styles are drawn by the project. Needs `nst[cli,torch]`, scikit-image
and scipy. Time is of the loop alone, on a machine that may be doing other things.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from _gram_statistics import gram_statistics
from _picture_metrics import edges, fine_grain, flat, patch_distance
from _report import machine
from PIL import Image
from skimage import data

import nst
from nst.cli.samples import PAINTING
from nst.models.procedural.pictures import procedural_picture, procedural_pictures
from nst.models.random import random_weights
from nst.models.store.resolve import resolve_weights
from nst.models.weights import NetworkWeights
from nst.pictures.picture import Picture
from nst.settings import STYLE_LAYERS

SAMPLES = Path(__file__).parents[1] / "cli" / "samples"
MARKS = ("<!-- networks.py begin -->", "<!-- networks.py end -->")
UNSEEN = 2_000_000  # a seed far from those of the pictures that the whitened network is built on

STYLES: Mapping[str, Callable[[], Any]] = {
    "The Starry Night": lambda: Image.open(SAMPLES / PAINTING).convert("RGB"),
    "Voronoi": lambda: procedural_picture("Voronoi cells", 256, (9999, 2)),
    "blades": lambda: procedural_picture("strokes", 256, (9999, 3)),
}
PAIRS = (
    ("chelsea", "The Starry Night"),
    ("rocket", "The Starry Night"),
    ("astronaut", "Voronoi"),
    ("coffee", "blades"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "networks",
        nargs="*",
        default=["random", "whitened", "embedded"],
        help="names or files, as of --weights",
    )
    parser.add_argument("--size", type=int, default=224, help="longest side in pixels, 96 or more")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    if options.size < 96:
        parser.error("--size: 96 or more, since the patches are compared over four octaves")
    names = options.networks
    ranks, rows = [], []
    for name in names:
        weights = network(name)
        label = Path(name).stem
        statistics = gram_statistics(weights, procedural_pictures(34, 96, seed=UNSEEN))
        ranks.append({"network": label, **{layer: statistics[layer]._asdict() for layer in STYLE_LAYERS}})
        for content, style in PAIRS:
            rows.append({"network": label, **measure(label, weights, content, style, options)})
            print(json.dumps(rows[-1]), flush=True)
    report = {
        "command": f"python benchmarks/networks.py {' '.join(Path(name).name for name in names)}",
        "date": str(dt.date.today()),
        **machine(),
        "size": options.size,
        "steps": options.steps,
        "ranks": ranks,
        "rows": rows,
    }
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    if options.table:
        page = options.table.read_text()
        before, after = page.split(MARKS[0])[0], page.split(MARKS[1])[1]
        options.table.write_text(f"{before}{MARKS[0]}\n{markdown(report)}\n{MARKS[1]}{after}")
    else:
        print(markdown(report))


def network(name: str) -> NetworkWeights:
    if name == "random":
        return random_weights(0, 0.5, "conv5_1")
    return resolve_weights(name, offline=True)


def measure(
    label: str, weights: NetworkWeights, content: str, style: str, options: argparse.Namespace
) -> dict[str, Any]:
    """One style transfer, L-BFGS from the content picture."""
    photograph, painting = getattr(data, content)(), STYLES[style]()
    transfer = nst.StyleTransfer(
        photograph, painting, weights=weights, size=options.size, steps=options.steps
    )
    records = transfer.iterate()
    start = next(records)
    last = deque(records, maxlen=1).pop()
    result, target = last.picture().rgb, resized(painting, options.size)
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
        Image.fromarray((result * 255 + 0.5).astype(np.uint8)).save(
            options.pictures / f"{label}-{content}-{style}.png"
        )
    return {
        "content": content,
        "style": style,
        # relative to a picture without features, as the content loss times its weight
        "style_loss_start": start.losses().terms["style"],
        "style_loss": last.losses().terms["style"],
        "content_loss": last.losses().terms["content"] * last.weights["content"],
        "distance": patch_distance(result, target),
        "flat": flat(result, transfer.content.rgb, target),
        "edges": edges(result, transfer.content.rgb),
        "fine_grain": fine_grain(result, target),
        "seconds": last.seconds,
    }


def resized(picture: Any, longest: int) -> Any:
    """The style as the engine sees it at style scale 1."""
    array = np.asarray(picture)
    floats = array.astype(np.float32) / 255 if array.dtype == np.uint8 else array.astype(np.float32)
    size = nst.pictures.picture.fit_longest_side(floats.shape[1], floats.shape[0], longest)
    return nst.pictures.picture.resize(Picture(np.clip(floats, 0, 1)), *size).rgb


def markdown(report: dict[str, Any]) -> str:
    lines = [
        f"`{report['command']}`, {report['date']}: {report['cores']} cores of {report['cpu']}, shared, Python "
        f"{report['python']}. {report['size']} px, {report['steps']} L-BFGS steps from the content picture, "
        "everything else the default.",
        "",
        "| pair | network | style loss | content loss | distance | flat | edges | fine grain | time |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(report["rows"], key=lambda row: PAIRS.index((row["content"], row["style"]))):
        lines.append(
            f"| {row['content']}, {row['style']} | {row['network']} "
            f"| {row['style_loss_start']:.2g} to {row['style_loss']:.2g} | {row['content_loss']:.2f} "
            f"| {row['distance']:.3f} | {row['flat']:.2f} | {row['edges']:.2f} | {row['fine_grain']:.2f} "
            f"| {row['seconds']:.0f} s |"
        )
    titles = [f"{row['network']}: rank | top" for row in report["ranks"]]
    lines += ["", f"| layer | {' | '.join(titles)} |", "|---" * (1 + 2 * len(titles)) + "|"]
    for layer in STYLE_LAYERS:
        cells = [
            f"{r[layer]['effective_rank']:.1f} | {100 * r[layer]['top_share']:.0f} %" for r in report["ranks"]
        ]
        lines.append(f"| {layer} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
