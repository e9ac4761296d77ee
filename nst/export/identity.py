"""What an exported graph and the targets of a style must have in common to belong together."""

from __future__ import annotations

from typing import Any

from nst.transfer import StyleTransfer

__all__ = ["identity"]


def identity(transfer: StyleTransfer) -> dict[str, Any]:
    """The network by its hash, and the settings that the targets of a style depend on."""
    settings = transfer.settings
    return {
        "network": transfer.weights.sha256,
        "style_loss": settings.style_loss,
        "style_layers": list(settings.style_layers),
        "pooling": settings.pooling,
        "padding": settings.padding,
    }
