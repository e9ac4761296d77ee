"""A look at the options of a batch before its work starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nst.errors import SettingsError
from nst.fields import require_known
from nst.layers import layer_weights
from nst.settings import Settings, make_settings
from nst.transfer import ARGUMENTS
from nst.words import STARTS

__all__ = ["check_options"]

OURS = ("workshop", "extra_terms")
"""Arguments of `StyleTransfer` that are no plain data, or the batch's own."""


def check_options(options: Mapping[str, Any]) -> None:
    """What can be told without the pictures.

    Raises:
        SettingsError: an option that does not exist, or has a value that it cannot have.
    """
    require_known(options, ARGUMENTS - {*OURS})
    settings = {name: value for name, value in options.items() if name in Settings.__dataclass_fields__}
    for name in ("content_layers", "style_layers"):
        if name in settings:
            settings[name] = layer_weights(settings[name], name.replace("_", " "))
    init = settings.get("init", "content")
    settings["init"] = init if isinstance(init, str) and init in STARTS else "picture"
    if not isinstance(settings.get("optimizer", "lbfgs"), str):
        settings["optimizer"] = "custom"
    make_settings(**settings)
    shares = options.get("style_weights")
    if shares is not None and not any(shares):
        raise SettingsError("style weights are all zero")
