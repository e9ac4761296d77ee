"""Pictures to try: those that come with the package, and patterns that are drawn by code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

__all__ = ["SAMPLES", "Sample", "sample_bytes"]


@dataclass(frozen=True)
class Sample:
    """A picture to try.

    Attributes:
        title: for people.
        credit: whose it is, and under which licence.
        package: that the file is in.
        file: its name there.
        photo: a photograph; else something to paint with.
    """

    title: str
    credit: str
    package: str
    file: str
    photo: bool = False


def _here(title: str, credit: str, file: str, photo: bool = False) -> Sample:
    return Sample(title, credit, "nst.cli.web", f"static/samples/{file}", photo)


_OWN = "drawn by code of nst, Apache-2.0"

SAMPLES: Mapping[str, Sample] = {
    "rocket": Sample("Rocket", "SpaceX, 2015, public domain", "nst.cli.samples", "rocket.jpg", photo=True),
    "cat": _here("Cat", "Stefan van der Walt, CC0", "cat.jpg", photo=True),
    "starry-night": Sample(
        "The Starry Night", "Vincent van Gogh, 1889, public domain", "nst.cli.samples", "starry_night.jpg"
    ),
    "shipwreck": _here("The Shipwreck", "J. M. W. Turner, about 1810, public domain", "shipwreck.jpg"),
    "strokes": _here("Strokes", _OWN, "strokes.jpg"),
    "dots": _here("Dots", _OWN, "dots.jpg"),
    "waves": _here("Waves", _OWN, "waves.jpg"),
    "glass": _here("Glass", _OWN, "glass.jpg"),
}


def sample_bytes(name: str) -> bytes:
    """The file of a sample.

    Raises:
        KeyError: there is none of that name.
    """
    sample = SAMPLES[name]
    return (files(sample.package) / sample.file).read_bytes()
