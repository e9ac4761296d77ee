"""The pictures inside the package: photographs, paintings and patterns; `ORIGIN.md` says whose they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from nst.files import write_atomically

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "NORMALISING",
    "PAINTING",
    "PHOTOGRAPH",
    "SAMPLES",
    "Sample",
    "copy_sample",
    "read_sample",
    "sample_arrays",
]

PHOTOGRAPH = "coffee.jpg"  # A cup of coffee, Rachel Michetti, CC0
PAINTING = "starry_night.jpg"  # the Starry Night, Vincent van Gogh 1889, public domain
NORMALISING = (
    "rocket.jpg",
    "cat.jpg",
    PAINTING,
    "shipwreck.jpg",
    "strokes.jpg",
    "dots.jpg",
    "waves.jpg",
    "glass.jpg",
)
"""Those that a network is normalised on: two photographs, two paintings, four patterns that were drawn by code."""


@dataclass(frozen=True)
class Sample:
    """A picture to try."""

    title: str  # for people
    credit: str  # whose it is, and under which licence
    file: str
    photo: bool = False  # a photograph; else something to paint with


_OWN = "drawn by code of nst, Apache-2.0"

SAMPLES: Mapping[str, Sample] = {
    "rocket": Sample("Rocket", "SpaceX, 2015, public domain", "rocket.jpg", photo=True),
    "cat": Sample("Cat", "Stefan van der Walt, CC0", "cat.jpg", photo=True),
    "starry-night": Sample("The Starry Night", "Vincent van Gogh, 1889, public domain", "starry_night.jpg"),
    "astronaut": Sample("Astronaut", "NASA, 1999, public domain", "astronaut.jpg", photo=True),
    "coffee": Sample("Coffee", "Rachel Michetti, CC0", "coffee.jpg", photo=True),
    "great-wave": Sample("The Great Wave", "Katsushika Hokusai, 1831, public domain", "great_wave.jpg"),
    "composition-vii": Sample(
        "Composition VII", "Wassily Kandinsky, 1913, public domain", "composition_vii.jpg"
    ),
    "woman-with-a-hat": Sample(
        "Woman with a Hat", "Henri Matisse, 1905, public domain", "woman_with_a_hat.jpg"
    ),
    "udnie": Sample("Udnie", "Francis Picabia, 1913, public domain", "udnie.jpg"),
    "contrast-of-forms": Sample(
        "Contrast of Forms", "Fernand Léger, 1913, public domain", "contrast_of_forms.jpg"
    ),
    "tableau": Sample("Tableau", "Piet Mondrian, 1913, public domain", "tableau_no_2.jpg"),
    "peasant-dress": Sample("Red chalk", "17th century, public domain", "peasant_dress.jpg"),
    "shipwreck": Sample("The Shipwreck", "J. M. W. Turner, about 1810, public domain", "shipwreck.jpg"),
    "scream": Sample("The Scream", "Edvard Munch, 1893, public domain", "scream.jpg"),
    "dolceacqua": Sample("Dolceacqua", "Claude Monet, 1884, public domain", "dolceacqua.jpg"),
    "pine-trees": Sample("Pine Trees", "Vincent van Gogh, 1884, public domain", "pine_trees.jpg"),
    "shepherds": Sample("The Shepherds", "Rembrandt, 1634, public domain", "shepherds.jpg"),
    "acanthus": Sample("Acanthus", "Karl Blossfeldt, photograph, 1928, CC0", "acanthus_mollis.jpg"),
    "allium": Sample("Allium", "Karl Blossfeldt, photograph, 1928, CC0", "allium_oreophilum.jpg"),
    "deep-field": Sample("Deep Field", "NASA, photograph, 2012, public domain", "hubble_deep_field.jpg"),
    "strokes": Sample("Strokes", _OWN, "strokes.jpg"),
    "dots": Sample("Dots", _OWN, "dots.jpg"),
    "waves": Sample("Waves", _OWN, "waves.jpg"),
    "glass": Sample("Glass", _OWN, "glass.jpg"),
}
"""All of them, by a short name."""


def read_sample(name: str) -> bytes:
    """The JPEG file of that name."""
    return (files("nst.samples") / name).read_bytes()


def copy_sample(name: str, folder: Path) -> Path:
    """Write a JPEG file into a folder, which is made if it is not there; the path.

    OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    write_atomically(path, read_sample(name))
    return path


def sample_arrays(longest: int) -> Iterator[NDArray[np.float32]]:
    """All of `NORMALISING`, no longer than so many pixels: (H, W, 3) in sRGB [0, 1]."""
    from io import BytesIO

    import numpy as np
    from PIL import Image

    for name in NORMALISING:
        picture = Image.open(BytesIO(read_sample(name))).convert("RGB")
        picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        yield np.asarray(picture, np.float32) / np.float32(255)
