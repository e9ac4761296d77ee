"""Pictures to try: titles and credits of those that come with the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nst.samples import read_sample


@dataclass(frozen=True)
class Sample:
    """A picture to try."""

    title: str  # for people
    credit: str  # whose it is, and under which licence
    file: str  # its name in `nst.samples`
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


def sample_bytes(name: str) -> bytes:
    """The file of a sample."""
    return read_sample(SAMPLES[name].file)
