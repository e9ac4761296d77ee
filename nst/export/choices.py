"""Which settings make a difference to one step, and which of them a file for all pictures can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from nst.errors import SettingsError
from nst.fields import rule_of
from nst.settings import Settings

__all__ = ["EXPORTED", "require_exportable"]

EXPORTED = tuple(declared.name for declared in fields(Settings) if rule_of(declared).exported)
"""Settings of losses, layers, pooling and padding; `rate` is what the file recommends, `seed` of random weights."""


def require_exportable(settings: Mapping[str, Any], more: tuple[str, ...] = ()) -> None:
    """Refuse what an exported file would not show.

    Raises:
        SettingsError: a setting beside `EXPORTED` and `more`, and what to do about it.
    """
    for name in settings:
        if name in EXPORTED or name in more:
            continue
        if name == "smoothing":
            raise SettingsError(
                "smoothing cannot be exported, its temperatures belong to one style: leave it out"
            )
        if name not in Settings.__dataclass_fields__:
            known = ", ".join((*EXPORTED, *more))
            raise SettingsError(f"{name!r} is no setting of an exported step: choose from {known}")
        raise SettingsError(
            f"{name.replace('_', ' ')} is no part of a step: leave it out, the program that runs the file decides"
        )
