"""From the options of the export commands to the arguments of the library's functions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from nst.cli.engine import load_backend
from nst.cli.network import find_network
from nst.cli.options import with_preset

__all__ = ["exported_arguments"]


def exported_arguments(options: Mapping[str, Any], quiet: bool) -> dict[str, Any]:
    """The options with network and backend as functions; of a preset, what an exported file can have."""
    from nst.export.choices import EXPORTED

    given = dict(options)
    name, offline, weights = given.pop("preset"), given.pop("offline"), given.pop("weights")
    recipe = {key: value for key, value in with_preset(name, given).items() if key in EXPORTED}
    arguments = {**recipe, **given}
    arguments["weights"] = partial(find_network, weights, offline=offline, seed=given["seed"], quiet=quiet)
    if "backend" in arguments:
        arguments["backend"] = partial(load_backend, arguments["backend"], arguments.pop("device"))
        memory = arguments["memory"]
        arguments["memory"] = None if memory is None else round(memory * 1e9)
    return arguments
