"""Make the pictures that are in the package for `nst web`: that of the door, and the cards of the looks.

    python docs/make_studio.py                     all of them
    python docs/make_studio.py fine broad          these

Needs `nst[cli,torch,web]`.
"""

from __future__ import annotations

import argparse
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

import nst
from nst.cli.web.recipe import FIRST_STEPS, LOOKS, Recipe
from nst.cli.web.samples import sample_bytes

STATIC = Path(__file__).parents[1] / "cli" / "web" / "static"
CARD = 240, 180


DOOR = Path(__file__).with_name("pictures") / "gallery" / "cat-starry-night.jpg"
"""The cat of the samples, painted."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(LOOKS), help="of looks")
    save(Image.open(DOOR), "hero.jpg", 80)
    looks(parser.parse_args().names)


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
