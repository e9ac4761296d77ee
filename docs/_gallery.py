"""What docs/gallery.md shows, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from nst.cli.experiments.catalogue import simplex

TEXTURE = {"content_weight": 0.0, "init": "noise"}
LONGER = {**TEXTURE, "size": 256, "steps": 120}


@dataclass(frozen=True)
class Run:
    """One picture: its label, its settings, what is shown of the result."""

    label: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    show: Callable[[Image.Image], Image.Image] = lambda image: image


@dataclass(frozen=True)
class Painting:
    """One picture to hang up: a photograph, a painting, what it took beside the default."""

    title: str
    content: str
    style: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """How it is typed."""
        options = "".join(f" --{name.replace('_', '-')} {value}" for name, value in self.settings.items())
        return f"nst stylize {self.content}.jpg {self.style}.jpg -o out.png --size {SIZE} --steps {STEPS}{options}"


SIZE, STEPS = 768, 150
"""Of the paintings."""

FACE = {"protect": "face"}

PAINTINGS: Mapping[str, Painting] = {
    "tubingen-starry-night": Painting("Tübingen, The Starry Night", "tubingen", "starry_night"),
    "cat-woman-with-a-hat": Painting("A cat, Matisse's Woman with a Hat", "cat", "woman_with_a_hat"),
    "coffee-starry-night": Painting("Coffee, The Starry Night", "coffee", "starry_night"),
    "astronaut-woman-with-a-hat": Painting(
        "An astronaut, Matisse's Woman with a Hat, her face kept", "astronaut", "woman_with_a_hat", FACE
    ),
    "tubingen-great-wave": Painting("Tübingen, Hokusai's Great Wave", "tubingen", "great_wave"),
    "cat-composition-vii": Painting("A cat, Kandinsky's Composition VII", "cat", "composition_vii"),
    "tubingen-udnie": Painting("Tübingen, Picabia's Udnie", "tubingen", "udnie"),
    "astronaut-starry-night": Painting(
        "An astronaut, The Starry Night, her face kept", "astronaut", "starry_night", FACE
    ),
    "coffee-composition-vii": Painting("Coffee, Kandinsky's Composition VII", "coffee", "composition_vii"),
    "tubingen-shipwreck": Painting("Tübingen, Turner's Shipwreck", "tubingen", "shipwreck"),
    "rocket-udnie": Painting("A rocket, Picabia's Udnie", "rocket", "udnie"),
    "cat-starry-night": Painting("A cat, The Starry Night", "cat", "starry_night"),
}
"""What the gallery begins with."""


@dataclass(frozen=True)
class Entry:
    """One feature.

    Attributes:
        title: of its paragraph.
        text: what it is.
        command: how it is typed.
        runs: from left to right, `columns` a row.
        content: name of the content picture.
        styles: names of the style pictures.
        columns: how many stand in a row.
        places: (row, column) of each run instead.
        frames: of a pan over the content picture, painted as a video; in place of runs.
    """

    title: str
    text: str
    command: str
    runs: Sequence[Run]
    content: str = "cat"
    styles: Sequence[str] = ("starry_night",)
    columns: int = 4
    places: Sequence[tuple[int, float]] = ()
    frames: int = 0


def disc(x: float, y: float, radius: float, blur: float = 12) -> Image.Image:
    """A soft white disc on black; places and sizes in parts of the side of 256 pixels."""
    mask = Image.new("L", (256, 256))
    box = [256 * value for value in (x - radius, y - radius, x + radius, y + radius)]
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return mask.filter(ImageFilter.GaussianBlur(blur))


def inverse(mask: Image.Image) -> Image.Image:
    return mask.point(lambda value: 255 - value)


def four_times(tile: Image.Image) -> Image.Image:
    """The tile beside and below itself, at its own size."""
    wide = np.tile(np.asarray(tile), (2, 2, 1))
    return Image.fromarray(wide).resize(tile.size, Image.Resampling.LANCZOS)


def each(key: str, *values: Any, **more: Any) -> list[Run]:
    """A run for each value of a setting."""
    return [Run(str(value), {key: value, **more}) for value in values]


HEAD = disc(0.43, 0.25, 0.2)
BLEND = simplex(3, 3)
TWO = ("starry_night", "woman_with_a_hat")

ENTRIES: Mapping[str, Entry] = {
    "steps": Entry(
        "The way of a run",
        "Steps 0, 5, 12 and 60, as `--save-at` keeps them; `--animate run.gif` makes a film of them.",
        "nst stylize cat.jpg starry_night.jpg -o out.png --save-at 0,5,12 --animate run.gif",
        [Run(f"step {steps}", {"steps": steps, "scales": 1}) for steps in (0, 5, 12, 60)],
    ),
    "strength": Entry(
        "Strength of the style",
        "From 0 to 1, 0.5 being the default; the losses are relative, so that a number means the same everywhere.",
        "nst stylize cat.jpg starry_night.jpg -o out.png --style-strength 0.7",
        each("style_strength", 0.1, 0.3, 0.5, 0.7, 0.9),
        columns=5,
    ),
    "scale": Entry(
        "Size of the brush strokes",
        "The style picture at half, once and twice the size of the result.",
        "nst stylize cat.jpg starry_night.jpg -o out.png --style-scale 0.5",
        each("style_scale", 0.5, 1.0, 2.0),
        columns=3,
    ),
    "starts": Entry(
        "Where it starts",
        "From the content, the style, noise as in the paper, and noise in the style's colours.",
        "nst stylize cat.jpg starry_night.jpg -o out.png --init noise",
        each("init", "content", "style", "noise", "statistics", scales=1),
    ),
    "blend": Entry(
        "Blends of styles",
        "Three styles by weight, each alone at the corners; `nst experiment run simplex` makes larger triangles.",
        "nst stylize cat.jpg starry_night.jpg composition_vii.jpg great_wave.jpg -o out.png --style-weights 50,25,25",
        [
            Run(" : ".join(f"{100 * share:.0f}" for share in shares), {"style_weights": shares})
            for _, _, shares in BLEND
        ],
        styles=("starry_night", "composition_vii", "great_wave"),
        places=[(row, column) for row, column, _ in BLEND],
    ),
    "regions": Entry(
        "A style for each region",
        "White parts of a mask get its style; soft masks have no seams.",
        "nst stylize astronaut.jpg starry_night.jpg woman_with_a_hat.jpg -o out.png "
        "--mask style1=head.png --mask style2=rest.png",
        [
            Run(
                "by masks",
                {"masks": {"style1": disc(0.43, 0.3, 0.3), "style2": inverse(disc(0.43, 0.3, 0.3))}},
            ),
            Run("without masks"),
        ],
        content="astronaut",
        styles=TWO,
    ),
    "protect": Entry(
        "A part that stays as it is",
        "The photograph stays in the white part of a mask; `--protect face` finds one.",
        "nst stylize astronaut.jpg starry_night.jpg -o out.png --protect head.png",
        [Run("protected", {"masks": {"protect": HEAD}}), Run("without the mask")],
        content="astronaut",
    ),
    "color": Entry(
        "Colours",
        "Of the style (none), or of the content: kept, or matched before or after.",
        "nst stylize coffee.jpg starry_night.jpg -o out.png --color luminance",
        each("color", "none", "luminance", "lab", "yuv", "match-chol", "match-pca", "match-sym", "histogram"),
        content="coffee",
    ),
    "texture": Entry(
        "Textures",
        "The style without a content. With circular padding the result tiles without seams, as the four copies show. "
        "256 pixels and 120 steps here.",
        "nst texture waves.jpg -o out.png --size 256x256 --padding circular",
        [
            Run("texture", LONGER),
            Run("circular padding", {**LONGER, "padding": "circular"}),
            Run("the same, four times", {**LONGER, "padding": "circular"}, four_times),
        ],
        content="waves",
        styles=("waves",),
        columns=3,
    ),
    "video": Entry(
        "Video",
        "Four frames of a pan, above as they were, below painted: each goes on from the last, moved along the optical "
        "flow, so that strokes stay on what they are painted on.",
        "nst video clip.mp4 starry_night.jpg -o out.mp4",
        (),
        frames=4,
    ),
}
