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


_OWN = "drawn by code of nst, Apache-2.0"

SAMPLES: Mapping[str, Sample] = {
    "rocket": Sample("Rocket", "SpaceX, 2015, public domain", "nst.cli.samples", "rocket.jpg", photo=True),
    "starry-night": Sample(
        "The Starry Night", "Vincent van Gogh, 1889, public domain", "nst.cli.samples", "starry_night.jpg"
    ),
    "cells": Sample("Cells", _OWN, "nst.cli.web", "static/samples/cells.jpg"),
    "strokes": Sample("Strokes", _OWN, "nst.cli.web", "static/samples/strokes.jpg"),
    "waves": Sample("Waves", _OWN, "nst.cli.web", "static/samples/waves.jpg"),
}


def sample_bytes(name: str) -> bytes:
    """The file of a sample.

    Raises:
        KeyError: there is none of that name.
    """
    sample = SAMPLES[name]
    return (files(sample.package) / sample.file).read_bytes()
