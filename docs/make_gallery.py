"""Make docs/gallery.md and its pictures: a dozen to look at, and a sheet for each feature.

    python docs/make_gallery.py                     all of them, into docs/pictures/gallery, and the page
    python docs/make_gallery.py color regions       these, and the page
    python docs/make_gallery.py --page              the page alone
    python docs/make_gallery.py --pictures FOLDER   pictures by their file names there before those of the package

Needs `nst[cli,torch,protect,video]`. Photographs and paintings come from FOLDER, where they may be larger, or from the
package (`nst.samples`, 512 px); the Neckarfront of Tübingen from FOLDER alone. A run uses the embedded VGG19, L-BFGS
and the settings below; what is not named has its default.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from _gallery import ENTRIES, PAINTINGS, SIZE, STEPS, Entry, Painting
from PIL import Image

import nst
from nst.cli.experiments.sheet import Tile, contact_sheet
from nst.models.embedded import load_embedded
from nst.video import stylize_frames

FOLDER = Path(__file__).with_name("pictures") / "gallery"
SAMPLES = Path(__file__).parents[1] / "nst" / "samples"
PAGE = Path(__file__).with_name("gallery.md")
SMALL, FEW = 320, 80
"""Size and steps of a sheet's pictures, which the page names."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("entries", nargs="*", help=", ".join([*PAINTINGS, *ENTRIES]))
    parser.add_argument("--page", action="store_true", help="write the page alone")
    parser.add_argument("--pictures", type=Path, default=Path("../shared/images"))
    parser.add_argument("--backend", default="auto")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in () if options.page else options.entries or [*PAINTINGS, *ENTRIES]:
        path = FOLDER / f"{name}.jpg"
        find = cache(partial(picture, folder=options.pictures))
        if name in PAINTINGS:
            paint(PAINTINGS[name], find, options.backend).save(path, quality=88, optimize=True)
        else:
            make(ENTRIES[name], find, SMALL, FEW, options.backend).save(path, quality=84, optimize=True)
        print(path, flush=True)
    PAGE.write_text(page())


def paint(painting: Painting, find: Callable[[str], Image.Image], backend: str) -> Image.Image:
    """A picture to hang up."""
    options: dict[str, Any] = {"size": SIZE, "steps": STEPS, **engine(backend), **painting.settings}
    masks = {"protect": options.pop("protect")} if "protect" in options else None
    content, style = find(painting.content), find(painting.style)
    image: Image.Image = nst.stylize(content, style, masks=masks, **options)
    return image


def make(
    entry: Entry, find: Callable[[str], Image.Image], size: int, steps: int, backend: str = "auto"
) -> Image.Image:
    """The sheet of one entry: what goes in above, results below."""
    content, styles = find(entry.content), [find(style) for style in entry.styles]
    fixed = {"size": size, "steps": steps, **engine(backend)}
    if entry.frames:
        return video(content, styles, entry.frames, fixed)
    tiles = []
    for number, run in enumerate(entry.runs):
        place = entry.places[number] if entry.places else divmod(number, entry.columns)
        result = nst.stylize(content, styles, **{**fixed, **run.settings})
        tiles.append(Tile(*place, run.show(result), run.label))
    masks = [mask for run in entry.runs[:1] for mask in run.settings.get("masks", {}).values()]
    drawn = [mask for mask in masks if not isinstance(mask, str)]
    shown = [content] if any(run.settings.get("content_weight") != 0 for run in entry.runs) else []
    return contact_sheet(tiles, inputs=[*shown, *styles, *drawn])


def engine(backend: str) -> dict[str, Any]:
    """What computes."""
    return {"backend": backend, "weights": load_embedded(), "precision": "fastest"}


def video(content: Image.Image, styles: list[Image.Image], count: int, fixed: dict[str, Any]) -> Image.Image:
    """A pan over the content picture, and what `nst video` makes of it."""
    size, steps = fixed["size"], fixed["steps"]
    height = content.height * 3 // 4
    width = height * 4 // 3
    lefts = np.linspace(0, min(content.width - width, width // 4), count).round().astype(int)
    frames = [content.crop((left, 10, left + width, 10 + height)) for left in map(int, lefts)]
    painted = stylize_frames(frames, styles, next_steps=steps // 2, **fixed)
    tiles = [
        Tile(row, column, frame.resize((size, size * height // width), Image.Resampling.LANCZOS))
        for row, shown in enumerate((frames, painted))
        for column, frame in enumerate(shown)
    ]
    return contact_sheet(tiles, inputs=styles)


def picture(name: str, folder: Path) -> Image.Image:
    """A picture by the name of its file: of the folder, of the paintings there, or of the package."""
    places = (folder / "paintings", folder, SAMPLES)
    path = next((found for place in places if (found := place / f"{name}.jpg").exists()), None)
    if path is None:
        raise SystemExit(f"there is no {name}.jpg: give its folder as --pictures")
    return Image.open(path).convert("RGB")


def page() -> str:
    """docs/gallery.md."""
    lines = [
        "# Gallery",
        "",
        "A dozen pictures, each by the one command above it (`--precision fastest` is faster and looks the same), then "
        "what else nst can do, a sheet for each feature. The network is the one in the package, nothing is downloaded. "
        "`python docs/make_gallery.py` makes all of it; where photographs and paintings come from: "
        "[pictures/README.md](pictures/README.md).",
    ]
    for name, painting in PAINTINGS.items():
        lines += ["", f"## {painting.title}", "", "```sh", painting.command, "```", ""]
        lines.append(f"![{painting.title}](pictures/gallery/{name}.jpg)")
    lines += [
        "",
        "## What else it can do",
        "",
        f"{SMALL} pixels, {FEW} steps where nothing else is said. Above the results is what they were made of.",
    ]
    for name, entry in ENTRIES.items():
        lines += ["", f"### {entry.title}", "", entry.text, "", "```sh", entry.command, "```", ""]
        lines.append(f"![{entry.title}](pictures/gallery/{name}.jpg)")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
