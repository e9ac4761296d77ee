"""How the default paints: pairs of pictures, judged by VGG19 apart from the engine, and by how woven they are.

    python benchmarks/quality.py --folder FOLDER                     the default, embedded VGG19, 384 px
    python benchmarks/quality.py --folder FOLDER --name balances --vary balance=3,10,30,100 --weights embedded vgg16
    python benchmarks/quality.py --folder FOLDER --name noise --vary octave_noise=0,0.7 --size 256 --steps 80
    python benchmarks/quality.py --folder FOLDER --name presets --vary preset=gatys-pytorch,quality --pairs 0 1 4
    python benchmarks/quality.py --folder FOLDER --name recipes --vary recipe=nnst,strotss     by recipes.py
    python benchmarks/quality.py ... --sheet docs/pictures/balance.jpg     only the sheet, of pictures that are there

Pictures and their figures are kept in FOLDER, and what is there is not made again. A pair is a photograph and a
painting, by the name of a file below --photographs, in `benchmarks/pictures` or in the package (`nst.samples`).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from _quality_measures import Judge, weave
from _report import machine
from PIL import Image, ImageDraw

import nst
from nst.models.store.resolve import resolve_weights
from nst.presets import preset
from nst.settings import Settings, rule_of

HERE = Path(__file__).parent

PAIRS = (
    ("tubingen", "starry_night"),
    ("rocket", "starry_night"),
    ("cat", "shipwreck"),
    ("coffee", "great_wave"),
    ("cat", "strokes"),
    ("harbour", "starry_night"),
    ("tubingen", "composition_vii"),
    ("astronaut", "woman_with_a_hat"),
    ("astronaut", "starry_night"),
)
"""Photographed and drawn, painted, printed and drawn."""


def main() -> None:
    options = arguments()
    options.folder.mkdir(parents=True, exist_ok=True)
    key, _, values = options.vary.partition("=")
    runs = [
        (pair, network, key, value)
        for value in values.split(",")
        for network in options.weights
        for pair in options.pairs
    ]
    rows = []
    for run in runs:
        row = one(options, *run)
        if row is not None:
            rows.append(row)
    if options.sheet:
        sheet(options, rows).save(options.sheet, quality=84, optimize=True)
    if options.json:
        text = ",\n".join(json.dumps(row) for row in rows)
        about = json.dumps({**machine(), "settings": {"size": options.size, "steps": options.steps}})
        options.json.write_text(f'{{"about": {about},\n"rows": [\n{text}\n]}}\n')
    for row in rows:
        figures = " | ".join(
            (
                f"{100 * row['style left']:.1f} % | {row['content off']:.2f}",
                f"{100 * row['spread left']:.0f} % | {row['relations off']:.2f}",
                f"{over(row)} | {row['processor seconds']:.0f} s |",
            )
        )
        print(
            f"| {row['content']} | {row['style']} | {row['weights']} | {row['value'] or 'default'} | {figures}"
        )


def over(row: dict[str, Any]) -> str:
    """How much more woven a result is than its style, in dB."""
    return ", ".join(
        f"{found - own:+.1f}" for found, own in zip(row["weave"], row["weave of the style"], strict=True)
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="where pictures and figures are kept")
    parser.add_argument("--photographs", type=Path, default=Path("../shared/images"))
    parser.add_argument(
        "--weights",
        nargs="+",
        default=["embedded"],
        help="names or files; own: the one that a preset is made for",
    )
    parser.add_argument("--judge", default="embedded", help="the network that measures")
    parser.add_argument("--vary", default="=", metavar="SETTING=VALUE,...")
    parser.add_argument("--pairs", nargs="+", type=int, default=range(len(PAIRS)))
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--steps", type=_steps, help="a number, or one for each scale")
    parser.add_argument("--also", nargs="*", default=[], metavar="SETTING=VALUE", help="of every run")
    parser.add_argument("--backend", default="torch")
    precision = rule_of(Settings.__dataclass_fields__["precision"])
    parser.add_argument("--precision", type=precision.read, help="of the network, as of nst stylize")
    parser.add_argument("--name", default="default", help="of this series: part of the files' names")
    parser.add_argument(
        "--sheet",
        type=Path,
        help="make a sheet: a row a pair, a column a value; style left and content off below",
    )
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _steps(text: str) -> int | tuple[int, ...]:
    counts = tuple(int(word) for word in text.split(","))
    return counts if len(counts) > 1 else counts[0]


def one(options: argparse.Namespace, pair: int, network: str, key: str, value: str) -> dict[str, Any] | None:
    """One run and its figures; None where only a sheet is wanted and the picture is not there."""
    names, asked = PAIRS[pair], network
    label = f"{options.name}-{Path(network).stem}-{pair}-{value or 'default'}"
    path = options.folder / f"{label}.png"
    record = path.with_suffix(".json")
    if record.exists():
        row: dict[str, Any] = json.loads(record.read_text())
        return row
    if options.sheet:
        return None
    content, style = (picture(name, options.photographs) for name in names)
    settings: dict[str, Any] = {"size": options.size}
    if key == "preset":
        settings = {**preset(value), **settings}
        recommended = settings.pop("weights", "auto")
        network = recommended if network == "own" else network
    for name, given in ((key, value), *(word.split("=", 1) for word in options.also)):
        if name not in ("", "preset", "recipe"):
            number = int(given) if given.isdigit() else given
            settings[name] = float(given) if given.replace(".", "").isdigit() and "." in given else number
    if options.precision:
        settings["precision"] = options.precision
    if options.steps:
        settings["steps"] = options.steps
    weights = resolve_weights(network)
    began = time.process_time()
    if key == "recipe":
        from recipes import paint

        result, steps = paint(value, content, style, weights, options.size), None
    else:
        transfer = nst.StyleTransfer(content, style, weights=weights, backend=options.backend, **settings)
        result, steps = transfer.run(), sum(count for _, count in transfer.schedule)
    seconds = time.process_time() - began
    judge = Judge(resolve_weights(options.judge))
    small = content.resize(result.size, Image.Resampling.LANCZOS)
    scale = max(result.size) / max(style.size)
    style = style.resize([max(1, round(side * scale)) for side in style.size], Image.Resampling.LANCZOS)
    row = {
        "content": names[0],
        "style": names[1],
        "asked": asked,
        "weights": weights.name,
        "value": f"{key} {value}".strip(),
        "size": list(result.size),
        "steps": steps,
        "style left": judge.style_left(result, small, style),
        "content off": judge.content_off(result, small),
        "spread left": judge.spread_left(result, small, style),
        "relations off": judge.relations_off(result, small),
        "weave": weave(result),
        "weave of the style": weave(style),
        "processor seconds": round(seconds, 1),
    }
    result.save(path)
    record.write_text(json.dumps(row))
    print(json.dumps(row), flush=True)
    return row


def picture(name: str, folder: Path) -> Image.Image:
    """A picture by the name of its file."""
    places = (folder / "paintings", folder, HERE / "pictures", HERE.parent / "nst" / "samples")
    path = next((found for place in places if (found := place / f"{name}.jpg").exists()), None)
    if path is None:
        raise SystemExit(f"there is no {name}.jpg: give its folder as --photographs")
    return Image.open(path).convert("RGB")


def sheet(options: argparse.Namespace, rows: list[dict[str, Any]], side: int = 224) -> Image.Image:
    """A row for each pair and network, a column for each value; the figures below each picture."""
    values = list(dict.fromkeys(row["value"] for row in rows))
    lines = list(dict.fromkeys(map(_line, rows)))
    gap = 16
    tallest = {
        line: max(row["size"][1] * side // row["size"][0] for row in rows if _line(row) == line)
        for line in lines
    }
    tops = {line: sum(tallest[other] + gap for other in lines[:number]) for number, line in enumerate(lines)}
    canvas = Image.new("RGB", (len(values) * side, sum(tallest.values()) + gap * len(lines)), "white")
    draw = ImageDraw.Draw(canvas)
    for row in rows:
        line, column = _line(row), values.index(row["value"])
        pair = PAIRS.index((row["content"], row["style"]))
        value = options.vary.partition("=")[2].split(",")[column] or "default"
        tile = Image.open(options.folder / f"{options.name}-{Path(row['asked']).stem}-{pair}-{value}.png")
        tile.thumbnail((side - 4, tallest[line]))
        left, top = column * side, tops[line]
        canvas.paste(tile, (left, top))
        figures = f"left {100 * row['style left']:.1f} %, off {row['content off']:.2f}"
        draw.text(
            (left + 2, top + tallest[line] + 2),
            f"{row['value'].split()[-1] if row['value'] else 'default'}: {figures}",
            fill="black",
        )
    return canvas


def _line(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["content"], row["style"], row["asked"]


if __name__ == "__main__":
    main()
