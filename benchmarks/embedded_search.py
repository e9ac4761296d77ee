"""The search for a better whitened network: one factor at a time, each measured on the same pictures.

    python benchmarks/embedded_search.py --json FILE            run the rows that FILE does not hold yet
    python benchmarks/embedded_search.py --json FILE --only width pairs     rows whose name begins so
    python benchmarks/embedded_search.py --json FILE --pictures FOLDER      keep the results, to look at
    python benchmarks/embedded_search.py --json FILE --table docs/networks.md    only write the tables
    python benchmarks/embedded_search.py --json FILE --networks whitened mine.safetensors --judge CONTENT STYLE ...
                                        networks that are there, on other pictures (--judge for each pair)

A row is a recipe (built small: 102 pictures of 96 px) and the settings of a style transfer. Its pictures are scored
by numbers that no network has a part in. A network that paints more strongly is nearer the style and farther from
the content, whatever its worth, so each row is compared with the *reference curve*: the first recipe over several
balances, read where it keeps the content's edges as well as the row does. Needs `nst[cli,torch]`, scikit-image, scipy.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _drawing import paint_strokes
from _picture_metrics import dark_grain, edges, fine_grain, flat, frame, patch_distance
from _search_rows import CURVE, ROWS, SMALL
from _texture_metrics import stroke_order, texture_distance
from PIL import Image
from skimage import data

import nst
from nst.models.embedded.whitening import build_whitened
from nst.models.procedural.pictures import procedural_picture
from nst.models.store.resolve import resolve_weights
from nst.models.weights import NetworkWeights
from nst.pictures.picture import Picture

MARKS = ("<!-- embedded_search.py begin -->", "<!-- embedded_search.py end -->")
STYLES: Mapping[str, Callable[[], Any]] = {
    "painted": lambda: paint_strokes(640, 640),
    "Voronoi": lambda: procedural_picture("Voronoi cells", 256, (9999, 2)),
    "blades": lambda: procedural_picture("strokes", 256, (9999, 3)),
    "lines": lambda: procedural_picture("flow lines", 256, (9999, 5)),
}
PAIRS = (("chelsea", "painted"), ("rocket", "lines"), ("astronaut", "Voronoi"), ("coffee", "blades"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[""])
    parser.add_argument("--size", type=int, default=192, help="longest side in pixels, 96 or more")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument(
        "--networks", nargs="*", help="whitened, a cached name or a file, in place of the recipes"
    )
    parser.add_argument("--judge", nargs=2, action="append", metavar=("CONTENT", "STYLE"))
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    report = json.loads(options.json.read_text()) if options.json.exists() else {"rows": []}
    if options.table:
        page = options.table.read_text()
        before, after = page.split(MARKS[0])[0], page.split(MARKS[1])[1]
        options.table.write_text(f"{before}{MARKS[0]}\n{markdown(report['rows'])}\n{MARKS[1]}{after}")
        return
    report |= {"size": options.size, "steps": options.steps}
    done = {row["name"] for row in report["rows"]}
    networks: dict[str, NetworkWeights] = {}
    rows = {Path(name).stem: (name, {}) for name in options.networks} if options.networks else ROWS
    for name, (recipe, settings) in rows.items():
        if name in done or not name.startswith(tuple(options.only)):
            continue
        weights = network(recipe, networks)
        row = {
            "name": name,
            "pairs": [measure(name, weights, settings, *pair, options) for pair in pairs(options)],
        }
        report["rows"].append(row)
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n")
        print(name, json.dumps(means(row)), flush=True)


def network(recipe: Mapping[str, Any] | str, made: dict[str, NetworkWeights]) -> NetworkWeights:
    """A network in a file, or one built to a recipe; made once."""
    key = json.dumps(recipe)
    if key not in made:
        made.clear()
        if isinstance(recipe, str):
            made[key] = resolve_weights(recipe, offline=True)
        else:
            made[key] = build_whitened(**{**SMALL, **recipe})
    return made[key]


def pairs(options: argparse.Namespace) -> list[tuple[str, Any, str, Any]]:
    """(name of the content, content, name of the style, style)."""
    if options.judge:
        return [
            (Path(content).stem, Image.open(content), Path(style).stem, Image.open(style))
            for content, style in options.judge
        ]
    return [(content, getattr(data, content)(), style, STYLES[style]()) for content, style in PAIRS]


def measure(
    name: str,
    weights: NetworkWeights,
    settings: Mapping[str, Any],
    content_name: str,
    content: Any,
    style_name: str,
    style: Any,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """One style transfer from the content picture."""
    settings = {"size": options.size, "steps": options.steps, **settings}
    weights = replace(weights, balance=settings.pop("balance", weights.balance))
    began = time.perf_counter()
    transfer = nst.StyleTransfer(content, style, weights=weights, backend="torch", **settings)
    for record in transfer.iterate():
        last = record
    result, before, target = last.picture().rgb, transfer.content.rgb, resized(style, options.size)
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray((result * 255 + 0.5).astype(np.uint8))
        image.save(options.pictures / f"{name}-{content_name}-{style_name}.png")
    return {
        "content": content_name,
        "style": style_name,
        "patches": patch_distance(result, target),
        "texture": texture_distance(result, target),
        "stroke": stroke_order(result) / stroke_order(target),
        "edges": edges(result, before),
        "flat": flat(result, before, target),
        "fine_grain": fine_grain(result, target),
        "dark_grain": dark_grain(result, target),
        "frame": frame(result, before),
        "seconds": time.perf_counter() - began,
    }


def resized(picture: Any, longest: int) -> Any:
    """The style as the engine sees it at style scale 1."""
    array = np.asarray(picture)
    floats = array.astype(np.float32) / 255 if array.dtype == np.uint8 else array.astype(np.float32)
    size = nst.pictures.picture.fit_longest_side(floats.shape[1], floats.shape[0], longest)
    return nst.pictures.picture.resize(Picture(np.clip(floats, 0, 1)), *size).rgb


def means(row: Mapping[str, Any]) -> dict[str, float]:
    """Over the pairs: geometric for what is a ratio or a distance, arithmetic for the edges' correlation."""
    found = {}
    for key, value in row["pairs"][0].items():
        if isinstance(value, str):
            continue
        values = [pair[key] for pair in row["pairs"]]
        found[key] = float(np.mean(values) if key == "edges" else np.exp(np.mean(np.log(values))))
    found["distance"] = float(np.sqrt(found["patches"] * found["texture"]))
    return found


def gain(row: Mapping[str, float], curve: list[dict[str, float]]) -> float:
    """How much nearer to the style than the reference where that keeps the edges as well: 0.1 is 10 %."""
    points = sorted((point["edges"], float(np.log(point["distance"]))) for point in curve)
    position = int(np.clip(np.searchsorted([x for x, _ in points], row["edges"]), 1, len(points) - 1))
    (x0, y0), (x1, y1) = points[position - 1 : position + 1]  # the end segments go on beyond the ends
    return float(1 - row["distance"] / np.exp(y0 + (y1 - y0) * (row["edges"] - x0) / (x1 - x0)))


def markdown(rows: list[dict[str, Any]]) -> str:
    found = {row["name"]: means(row) for row in rows}
    curve = [found[name] for name in CURVE if name in found]
    lines = [
        "| row | gain | patches | texture | stroke | edges | flat | fine grain | dark grain | frame |",
        "|---" * 10 + "|",
    ]
    for name, row in found.items():
        lines.append(
            f"| {name} | {100 * gain(row, curve):+.0f} % | {row['patches']:.3f} | {row['texture']:.3f} "
            f"| {row['stroke']:.2f} | {row['edges']:.2f} | {row['flat']:.2f} | {row['fine_grain']:.2f} "
            f"| {row['dark_grain']:.2f} | {row['frame']:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
