"""What is painted: the pictures, where the sliders stand, and what both mean for `nst.StyleTransfer`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from nst.errors import SettingsError
from nst.pictures.color import Color

MOST_STYLES = 4
"""Paintings of a picture."""

FIRST_STEPS = (16, 18, 16, 14, 12, "...")
"""At each scale of a picture that begins with the photograph: more at the smallest would not be seen at full size."""

MORE_STEPS = (20, 12, 10, 8, "...")
"""At each scale of one that goes on from a painted picture."""

LARGE_STEPS = (12, 10, 8, "...")
"""At each scale above the live picture's."""

_RANGES = {
    "strength": (0.0, 1.0),
    "stroke": (0.25, 3.0),
    "color": (0.0, 1.0),
    "detail": (0.0, 1.0),
    "feather": (0.0, 40.0),
}


@dataclass(frozen=True)
class Recipe:
    """The sliders; SettingsError for a number outside its range."""

    strength: float = 0.5  # 0 leaves the photograph, 1 the painting alone; 0.5 is the balance as it is
    stroke: float = 1.0  # longest side of the paintings as a multiple of the result's
    color: float = 0.0  # how much of the photograph's colours is kept; needs no new optimisation
    detail: float = 0.5  # below 0.5 the picture is smoother, above it keeps finer lines of the photograph
    feather: float = 6.0  # soft edge of the brush, in pixels of a picture of 512
    blend: tuple[float, ...] = ()  # share of each painting; empty: equal

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
                raise SettingsError(f"{name} is {value!r}: it must be a number from {least:g} to {most:g}")
        if not all(isinstance(share, (int, float)) and 0 <= share <= 1 for share in self.blend):
            raise SettingsError(f"blend is {self.blend!r}: it must be numbers from 0 to 1")

    def arguments(self, styles: int, size: int, masked: bool = False) -> dict[str, Any]:
        """Those of `nst.StyleTransfer`, for so many paintings and a longest side of `size` pixels."""
        fine = max(0.0, 2 * self.detail - 1)
        smooth = max(0.0, 1 - 2 * self.detail)
        blended = len(self.blend) == styles > 1 and sum(self.blend) > 0
        return {
            "size": size,
            "style_strength": min(max(self.strength, 0.02), 0.98),  # both losses stay
            "style_scale": self.stroke,
            "content_layers": {"conv4_2": 1 - fine, "conv3_1": fine} if fine else {"conv4_2": 1.0},
            "tv_weight": round(0.02 * smooth**2, 6),
            **({"style_weights": self.blend} if blended else {}),
            "padding": "replicate",
            **({"feather": self.feather_at(size)} if masked else {}),
            "color": self.coloring.mode,
            "color_strength": self.coloring.strength,
        }

    def feather_at(self, size: int) -> float:
        """In pixels of a picture of that longest side."""
        return round(self.feather * size / 512, 3)

    @property
    def coloring(self) -> Color:
        """A change of the result, after the optimisation."""
        return Color("lab", self.color) if self.color else Color()


def changed(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with other numbers; SettingsError for an unknown slider, or a number outside its range."""
    names = {declared.name for declared in fields(Recipe)}
    for name in changes:
        if name not in names:
            raise SettingsError(f"there is no slider {name!r}: choose from {', '.join(sorted(names))}")
    given = dict(changes)
    if "blend" in given:
        if not isinstance(given["blend"], (list, tuple)) or len(given["blend"]) > MOST_STYLES:
            raise SettingsError(f"blend must be a list of at most {MOST_STYLES} numbers")
        given["blend"] = tuple(given["blend"])
    return replace(recipe, **given)


@dataclass(frozen=True)
class Upload:
    """A picture that was uploaded, or comes with the package."""

    name: str  # for people
    file: str  # its name in the session's folder, as it was uploaded
    view: str  # name of a JPEG of it for the page, of `width` x `height` pixels
    width: int
    height: int
    credit: str = ""  # whose it is, and under which licence; "" for the user's own
    faces: str = ""  # name of a mask of the heads in it; "" where none were found


@dataclass(frozen=True)
class Composition:
    """A photograph, one to four paintings, the sliders, and what the brush has painted: all that decides a picture.

    Masks are files by name, as `nst.pictures.masks.make_masks` has them.
    """

    photo: Upload | None = None
    styles: tuple[Upload, ...] = ()
    recipe: Recipe = field(default_factory=Recipe)
    masks: Mapping[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether there is something to paint."""
        return self.photo is not None and bool(self.styles)

    @property
    def uploads(self) -> list[Upload]:
        """The photograph and the paintings."""
        return [upload for upload in (self.photo, *self.styles) if upload is not None]

    @property
    def files(self) -> set[str]:
        """Names of the files that belong to it, in the folder of its session."""
        names = {name for upload in self.uploads for name in (upload.file, upload.view, upload.faces)}
        return (names | set(self.masks.values())) - {""}

    @property
    def pair(self) -> str:
        """Names the photograph and the paintings, and what is protected: what a look is seen on."""
        files = ",".join(upload.file for upload in self.uploads)
        return "+".join([files, *self.protected.values()])

    @property
    def protected(self) -> dict[str, str]:
        """The mask of what stays the photograph, such as faces, if there is one."""
        return {name: file for name, file in self.masks.items() if name == "protect"}

    def colored(self, color: float) -> Composition:
        """The same with more or less of the photograph's colours."""
        return replace(self, recipe=replace(self.recipe, color=color))

    def with_style(self, style: Upload) -> Composition:
        """The same with a further painting; all have an equal share."""
        return replace(self, styles=(*self.styles, style), recipe=replace(self.recipe, blend=()))

    def without_style(self, number: int) -> Composition:
        """The same without a painting, from 1; its mask goes, those of the ones after it move up."""
        masks: dict[str, str] = {}
        for name, file in self.masks.items():
            place = int(name[5:]) if name.startswith("style") else 0
            if place != number:
                masks[f"style{place - 1}" if place > number else name] = file
        styles = (*self.styles[: number - 1], *self.styles[number:])
        return Composition(self.photo, styles, replace(self.recipe, blend=()), masks)


def require_in_folder(names: Iterable[str]) -> None:
    """ValueError for a name that a session does not give: only what is in its folder is removed and shown."""
    for name in names:
        if not re.fullmatch(r"[\w-]+\.[a-z]+", name):
            raise ValueError("a file's name is not one of the session's")


@dataclass(frozen=True)
class Look:
    """A card: sliders at places that go well together; the shares of several paintings stay."""

    title: str
    summary: str
    sliders: Mapping[str, Any]


def _sliders(
    strength: float = 0.5, stroke: float = 1.0, color: float = 0.0, detail: float = 0.5
) -> dict[str, float]:
    return {"strength": strength, "stroke": stroke, "color": color, "detail": detail}


LOOKS: Mapping[str, Look] = {
    "classic": Look("Classic", "as in the paper", _sliders()),
    "gentle": Look("Gentle", "more of the photograph", _sliders(strength=0.34, color=0.3, detail=0.65)),
    "bold": Look("Bold", "more of the painting", _sliders(strength=0.72)),
    "true-colors": Look("True colours", "those of the photograph", _sliders(color=1.0)),
    "fine": Look("Fine", "small strokes, clear lines", _sliders(stroke=0.5, detail=0.8)),
    "broad": Look("Broad", "large, soft strokes", _sliders(strength=0.6, stroke=1.8, detail=0.25)),
}
