"""Does a small preview predict the large result? The same command at several sizes, compared at the smallest.

    python benchmarks/preview.py

Each result is reduced to the size of the first and judged there: the style and content that are missing, as the network
sees them, and how far it is from the preview. Makes docs/pictures/preview.jpg of the pictures side by side.
"""

from __future__ import annotations

import numpy as np
from _report import ROOT, Report, Row, options_of
from _subject import drawn
from PIL import Image

import nst
from nst.cli.experiments.measure import distances
from nst.cli.experiments.sheet import beside
from nst.models.embedded import load_embedded
from nst.pictures.kinds import from_object
from nst.pictures.picture import Picture

STEPS = 210


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--sizes", default="256,512,1024")
    parser.add_argument("--backend", default="torch")
    options = parser.parse_args()
    report = Report(__file__, options, ["size"])
    if not options.table_only:
        sizes = [int(word) for word in options.sizes.split(",")]
        measure(report, options.backend, options.device, sizes)
    note = (
        f"scikit-image's chelsea in painted strokes, embedded network, {STEPS} steps, everything else the default. "
        f"Each result reduced to {report.rows[0]['size']} pixels and seen by the same network there."
    )
    report.publish(note, table(report.rows))


def measure(report: Report, backend: str, device: str, sizes: list[int]) -> None:
    from skimage import data

    weights, style = load_embedded(), drawn("strokes", 1024, 1024)
    content = Image.fromarray(data.chelsea()).resize((2048, 1363), Image.Resampling.LANCZOS)
    results, preview = [], None
    for size in sizes:
        transfer = nst.StyleTransfer(
            content, style, backend=backend, device=device, weights=weights, size=size, steps=STEPS
        )
        *_, last = transfer.iterate()
        losses, factors = last.losses(), last.weights
        small = last.picture().resized(*(preview or last.picture()).size)
        preview = preview or small
        judged = distances(
            transfer.backend, weights, "avg", small, _at(content, small), [(_at(style, small, False), 1.0)]
        )
        report.add(
            {
                "size": size,
                "versions": transfer.backend.versions(),
                "content_loss": losses.terms["content"] * factors["content"],
                "style_loss": losses.terms["style"] * factors["style"],
                "gram": {layer: round(value, 5) for layer, value in judged["gram"].items()},
                "content": {layer: round(value, 5) for layer, value in judged["content"].items()},
                "pixels": round(float(np.abs(small.rgb - preview.rgb).mean()) * 255, 2),
            }
        )
        results.append(last.image())
    height = results[-1].height // 2
    shown = [
        r.resize((round(r.width * height / r.height), height), Image.Resampling.LANCZOS) for r in results
    ]
    beside(shown).save(ROOT / "docs" / "pictures" / "preview.jpg", quality=88, optimize=True)


def _at(image: Image.Image, like: Picture, exactly: bool = True) -> Picture:
    picture, _ = from_object(image)
    longest = max(like.size)
    return picture.resized(*(like.size if exactly else (longest, longest)))


def table(rows: list[Row]) -> str:
    layers = list(rows[0]["gram"])
    lines = [
        "| size | content loss | style loss | "
        + " | ".join(f"Gram {layer}" for layer in layers)
        + " | content conv4_2 | pixels from the preview |",
        "|---" * (len(layers) + 5) + "|",
    ]
    for row in rows:
        grams = " | ".join(f"{row['gram'][layer]:.3f}" for layer in layers)
        lines.append(
            f"| {row['size']} | {row['content_loss']:.3f} | {row['style_loss']:.3f} | {grams} "
            f"| {row['content']['conv4_2']:.3f} | {row['pixels']:.1f} / 255 |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
