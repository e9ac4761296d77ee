"""From the options of the export commands to the arguments of the library's functions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from nst.cli.network import find_network
from nst.cli.options import with_preset

__all__ = ["exported_arguments"]


def exported_arguments(options: Mapping[str, Any], quiet: bool) -> dict[str, Any]:
    """The options with the network as a function; of a preset, what an exported file can have."""
    from nst.export.step import EXPORTED

    given = dict(options)
    name, offline, weights = given.pop("preset"), given.pop("offline"), given.pop("weights")
    recipe = {key: value for key, value in with_preset(name, given).items() if key in EXPORTED}
    network = partial(find_network, weights, offline=offline, seed=given["seed"], quiet=quiet)
    return {**recipe, **given, "weights": network}
