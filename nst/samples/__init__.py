"""The pictures inside the package: photographs, paintings and patterns; `ORIGIN.md` says whose they are."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from nst.files import write_atomically

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["NORMALISING", "PAINTING", "PHOTOGRAPH", "SAMPLES", "copy_sample", "read_sample", "sample_arrays"]

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
SAMPLES = (
    *NORMALISING,
    "acanthus_mollis.jpg",
    "allium_oreophilum.jpg",
    "astronaut.jpg",
    PHOTOGRAPH,
    "composition_vii.jpg",
    "contrast_of_forms.jpg",
    "dolceacqua.jpg",
    "great_wave.jpg",
    "hubble_deep_field.jpg",
    "peasant_dress.jpg",
    "pine_trees.jpg",
    "scream.jpg",
    "shepherds.jpg",
    "tableau_no_2.jpg",
    "udnie.jpg",
    "woman_with_a_hat.jpg",
)
"""All of them."""


def read_sample(name: str) -> bytes:
    """The JPEG file of one of `SAMPLES`."""
    return (files("nst.samples") / name).read_bytes()


def copy_sample(name: str, folder: Path) -> Path:
    """Write one of `SAMPLES` into a folder, which is made if it is not there; the path.

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
