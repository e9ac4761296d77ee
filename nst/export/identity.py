"""What an exported graph and the targets of a style must have in common to belong together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nst.transfer import StyleTransfer

__all__ = ["differences", "identity"]


def identity(transfer: StyleTransfer) -> dict[str, Any]:
    """The network by its hash, and the settings that the targets of a style depend on, as JSON knows them."""
    settings = transfer.settings
    return {
        "network": transfer.weights.sha256,
        "style_loss": settings.style_loss,
        "style_layers": list(settings.style_layers),
        "pooling": settings.pooling,
        "padding": settings.padding,
        "longest_side": max(transfer.size),
    }


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """In words: what of two identities is not the same."""
    return [
        f"{key.replace('_', ' ')} is {_short(one.get(key))} here and {_short(other.get(key))} there"
        for key in dict.fromkeys((*one, *other))
        if one.get(key) != other.get(key)
    ]


def _short(value: Any) -> str:
    """A hash by its beginning."""
    return value[:12] if isinstance(value, str) else str(value)
