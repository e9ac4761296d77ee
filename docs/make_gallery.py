"""Make docs/gallery.md and its pictures: one picture of each feature.

    python docs/make_gallery.py                     all of them, into docs/pictures/gallery, and the page
    python docs/make_gallery.py color regions       these, and the page
    python docs/make_gallery.py --page              the page alone
    python docs/make_gallery.py --size 256 --steps 80

Needs `nst[cli,torch,video]` and scikit-image. A run uses the embedded VGG19 unless it names another network, L-BFGS and
the settings below; what is not named has its default.
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path

import numpy as np
from _gallery import ENTRIES, Entry
from PIL import Image

import nst
from nst.cli.experiments.sheet import Tile, contact_sheet
from nst.models.random import random_weights
from nst.models.store.resolve import resolve_weights
from nst.models.weights import NetworkWeights
from nst.samples import PAINTING
from nst.video import stylize_frames

FOLDER = Path(__file__).with_name("pictures") / "gallery"
SAMPLES = Path(__file__).parents[1] / "nst" / "samples"
PAGE = Path(__file__).with_name("gallery.md")
SIZE, STEPS = 160, 50  # which the page names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("entries", nargs="*", help=", ".join(ENTRIES))
    parser.add_argument("--size", type=int, default=SIZE, help="longest side of a result in pixels")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--page", action="store_true", help="write the page alone")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in () if options.page else options.entries or ENTRIES:
        path = FOLDER / f"{name}.jpg"
        make(ENTRIES[name], options.size, options.steps).save(path, quality=84, optimize=True)
        print(path, flush=True)
    PAGE.write_text(page())


def make(entry: Entry, size: int, steps: int) -> Image.Image:
    """The sheet of one entry: what goes in above, results below."""
    content, styles = picture(entry.content), [picture(style) for style in entry.styles]
    if entry.frames:
        return video(content, styles, entry.frames, size, steps)
    tiles = []
    for number, run in enumerate(entry.runs):
        place = entry.places[number] if entry.places else divmod(number, entry.columns)
        options = {"size": size, "steps": steps, **run.settings}
        result = nst.StyleTransfer(content, styles, weights=network(run.weights), **options).run()
        tiles.append(Tile(*place, run.show(result), run.label))
    masks = [mask for run in entry.runs[:1] for mask in run.settings.get("masks", {}).values()]
    shown = [content] if any(run.settings.get("content_weight") != 0 for run in entry.runs) else []
    if any(run.settings.get("style_weight") != 0 for run in entry.runs):
        shown += styles
    return contact_sheet(tiles, inputs=[*shown, *masks])


def video(content: Image.Image, styles: list[Image.Image], count: int, size: int, steps: int) -> Image.Image:
    """A pan over the content picture, and what `nst video` makes of it."""
    height = content.height * 3 // 4
    width = height * 4 // 3
    lefts = np.linspace(0, min(content.width - width, width // 4), count).round().astype(int)
    frames = [content.crop((left, 10, left + width, 10 + height)) for left in map(int, lefts)]
    painted = stylize_frames(
        frames, styles, size=size, steps=steps, next_steps=steps // 2, weights=network("embedded")
    )
    tiles = [
        Tile(row, column, frame.resize((size, size * height // width), Image.Resampling.LANCZOS))
        for row, shown in enumerate((frames, painted))
        for column, frame in enumerate(shown)
    ]
    return contact_sheet(tiles, inputs=styles)


@cache
def picture(name: str) -> Image.Image:
    """A painting or pattern of the package, or a photograph of scikit-image."""
    if name == "The Starry Night":
        return Image.open(SAMPLES / PAINTING).convert("RGB")
    if name in ("glass", "waves"):
        return Image.open(SAMPLES / f"{name}.jpg").convert("RGB")
    from skimage import data

    return Image.fromarray(getattr(data, name)())


@cache
def network(name: str) -> NetworkWeights:
    return random_weights(0, 0.5, "conv5_1") if name == "random" else resolve_weights(name, offline=True)


def page() -> str:
    """docs/gallery.md."""
    lines = [
        "# Gallery",
        "",
        "One picture of each feature, made by `python docs/make_gallery.py` with the embedded VGG19, which needs no "
        f"download; {SIZE} pixels, {STEPS} steps where nothing else is said. Above the results is what they were made "
        "of. Where the pictures come from: [pictures/README.md](pictures/README.md).",
    ]
    for name, entry in ENTRIES.items():
        lines += ["", f"## {entry.title}", "", entry.text, "", "```sh", entry.command, "```", ""]
        lines.append(f"![{entry.title}](pictures/gallery/{name}.jpg)")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
