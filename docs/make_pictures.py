"""Make the pictures of README.md and docs/networks.md.

    python docs/make_pictures.py                     all of them, into docs/pictures
    python docs/make_pictures.py demo networks       these
    python docs/make_pictures.py --folder FOLDER     elsewhere

Needs `nst[cli,torch]` and scikit-image. Every stylisation runs at the defaults of `nst stylize` (L-BFGS from the
content picture) but for what a call below says.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

import nst
from nst.cli.commands.demo import DEFAULTS
from nst.cli.experiments.sheet import Tile, beside, contact_sheet, fit
from nst.models.embedded import load_embedded
from nst.models.random import random_weights
from nst.models.weights import NetworkWeights
from nst.samples import PAINTING, PHOTOGRAPH

SAMPLES = Path(__file__).parents[1] / "nst" / "samples"
SHEET_SIZE, SHEET_STEPS = 256, 80


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pictures", nargs="*", help=", ".join(PICTURES))
    parser.add_argument("--folder", type=Path, default=Path(__file__).with_name("pictures"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.pictures or PICTURES:
        path = options.folder / f"{name}.jpg"
        PICTURES[name]().save(path, quality=88, optimize=True)
        print(path, flush=True)


def demo() -> Image.Image:
    """The photograph and the painting of `nst demo`, and what it makes of them."""
    content, style = sample(PHOTOGRAPH), sample(PAINTING)
    result = stylize(content, style, load_embedded(), **DEFAULTS)
    return beside([fit(content, result.height), fit(style, result.height), result])


def before_and_after(name: str, size: int) -> Image.Image:
    """A photograph of scikit-image, and the same in the style of The Starry Night."""
    from skimage import data

    photograph = Image.fromarray(getattr(data, name)())
    result = stylize(photograph, sample(PAINTING), load_embedded(), size=size, steps=120, padding="replicate")
    return beside([fit(photograph, result.height), result])


def protect() -> Image.Image:
    """A head that stays as it is, and the mask that was found for it."""
    from skimage import data

    from nst.pictures.picture import Picture
    from nst.pictures.subjects import faces

    pixels = data.astronaut()
    mask = faces(Picture(pixels.astype("float32") / 255))
    assert mask is not None
    options = {"size": 384, "steps": 120, "padding": "replicate", "masks": {"protect": mask}}
    result = stylize(Image.fromarray(pixels), sample(PAINTING), load_embedded(), **options)
    found = Image.fromarray((mask * 255).astype("uint8")).convert("RGB")
    return beside([fit(Image.fromarray(pixels), result.height), fit(found, result.height), result])


def networks() -> Image.Image:
    """A row for each network; two pairs and a texture made from noise without a content picture."""
    from skimage import data

    painting = sample(PAINTING)
    glass = sample("glass.jpg")
    cat, coffee = Image.fromarray(data.chelsea()), Image.fromarray(data.coffee())
    rows = [[inset(cat, painting), inset(coffee, glass), fit(painting, 160)]]
    labels = ["inputs"]
    for label, weights in available():
        run = partial(stylize, weights=weights, size=SHEET_SIZE, steps=SHEET_STEPS)
        texture = stylize(
            fit(painting, 160), painting, weights, size=160, steps=SHEET_STEPS, content_weight=0, init="noise"
        )
        rows.append([run(cat, painting), run(coffee, glass), texture])
        labels.append(label)
    tiles = [Tile(row, column, tile) for row, line in enumerate(rows) for column, tile in enumerate(line)]
    return contact_sheet(tiles, labels)


def sample(name: str) -> Image.Image:
    """A picture of the package."""
    return Image.open(SAMPLES / name).convert("RGB")


def available() -> list[tuple[str, NetworkWeights]]:
    return [
        ("random", random_weights(0, 0.5, "conv5_1")),
        ("VGG19", load_embedded()),
    ]


def stylize(content: Image.Image, style: Image.Image, weights: NetworkWeights, **options: Any) -> Image.Image:
    options.pop("offline", None)  # of the command line
    result: Image.Image = nst.StyleTransfer(content, style, weights=weights, **options).run()
    return result


def inset(content: Image.Image, style: Image.Image) -> Image.Image:
    """The content picture, with the style picture in its corner."""
    picture, small = fit(content, 192), fit(style, 72)
    picture.paste(small, (picture.width - small.width, picture.height - small.height))
    return picture


PICTURES: dict[str, Callable[[], Image.Image]] = {
    "demo": demo,
    "chelsea": partial(before_and_after, "chelsea", 384),
    "astronaut": partial(before_and_after, "astronaut", 384),
    "networks": networks,
    "protect": protect,
}


if __name__ == "__main__":
    main()
