"""Make the pictures that are in the package for `nst web`: samples to try, and the cards of the looks.

    python docs/make_studio.py samples --shipwreck shipwreck.jpg
    python docs/make_studio.py looks                     all of them
    python docs/make_studio.py looks fine broad          these

Needs `nst[cli,torch,web]` and scikit-image. `ORIGIN.md` beside the samples says whose they are.
"""

from __future__ import annotations

import argparse
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import nst
from nst.cli.web.recipe import FIRST_STEPS, LOOKS, Recipe
from nst.cli.web.samples import sample_bytes
from nst.models.procedural.pictures import procedural_picture

STATIC = Path(__file__).parents[1] / "cli" / "web" / "static"
PATTERNS = {
    "strokes": ("strokes", 3),
    "dots": ("dots", 3),
    "waves": ("radial waves", 7),
    "glass": ("Voronoi cells", 7),
}
CARD = 240, 180


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["samples", "looks"])
    parser.add_argument("names", nargs="*", default=list(LOOKS), help="of looks")
    parser.add_argument("--shipwreck", type=Path, help="Turner's painting as a file, any size")
    options = parser.parse_args()
    samples(options.shipwreck) if options.what == "samples" else looks(options.names)


def samples(shipwreck: Path | None) -> None:
    from skimage import data

    for name, (family, seed) in PATTERNS.items():
        pixels = np.rint(procedural_picture(family, 320, seed) * 255).astype(np.uint8)
        save(Image.fromarray(pixels), f"samples/{name}.jpg", 82)
    save(Image.fromarray(data.chelsea()), "samples/cat.jpg", 88)
    if shipwreck is not None:
        painting = Image.open(shipwreck).convert("RGB")
        painting.thumbnail((512, 512), Image.Resampling.LANCZOS)
        save(painting, "samples/shipwreck.jpg", 86)


def looks(names: list[str]) -> None:
    photo, painting = (Image.open(BytesIO(sample_bytes(name))) for name in ("cat", "starry-night"))
    for name in names:
        arguments = Recipe(**LOOKS[name].sliders).arguments(1, 256)
        result = nst.stylize(photo, painting, steps=FIRST_STEPS, weights="embedded", **arguments)
        save(ImageOps.fit(result, CARD, Image.Resampling.LANCZOS), f"looks/{name}.jpg", 82)


def save(image: Image.Image, name: str, quality: int) -> None:
    path = STATIC / name
    path.parent.mkdir(exist_ok=True)
    image.save(path, quality=quality, optimize=True)
    print(path, path.stat().st_size, flush=True)


if __name__ == "__main__":
    main()
