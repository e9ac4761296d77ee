"""Looks: the sliders at places that go well together, as cards to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["LOOKS", "Look"]


@dataclass(frozen=True)
class Look:
    """A card.

    Attributes:
        title: for people.
        summary: a few words more.
        sliders: where they go; the blend stays.
    """

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
    "true-colors": Look("True colours", "those of the photograph", _sliders(strength=0.55, color=1.0)),
    "fine": Look("Fine", "small strokes, clear lines", _sliders(stroke=0.5, detail=0.8)),
    "broad": Look("Broad", "large, soft strokes", _sliders(strength=0.6, stroke=1.8, detail=0.25)),
}
