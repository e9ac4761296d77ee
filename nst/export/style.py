"""The targets of a style as a file (safetensors), for an exported step: any number of pictures, of any sizes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors import numpy as safetensors_numpy

from nst._version import __version__
from nst.errors import NSTError, SettingsError
from nst.export.step import ExportedLosses, differences, identity, require_exportable
from nst.files import read_json, write_atomically
from nst.settings import Settings, rule_of
from nst.transfer import StyleTransfer

OF_STYLE = (
    *(own.name for own in fields(Settings) if rule_of(own).group == "style" and not rule_of(own).exported),
    *("style_scale", "max_pixels", "tile"),
)
"""Settings beside those of a step."""


def export_style(style: Any, path: str | Path, size: int, **options: Any) -> None:
    """Write the targets of a style, and the weights of its loss; `nst export-style` on the command line.

    Args:
        style: a picture or a list of several, as `StyleTransfer` takes them; their shares are `style_weights`.
        path: of the file, .safetensors.
        size: longest side in pixels of the pictures that will be painted; the style is as large times `style_scale`.
        options: backend, device, weights, memory and the settings, as `export_onnx` got them.

    Raises:
        NSTError: a setting that cannot be exported, a style that cannot be read, no style loss.
        OSError: the file cannot be written.

    Examples:
        >>> export_style(style, "style.safetensors", 40)
    """
    require_exportable(options, (*OF_STYLE, "backend", "device", "weights", "memory"))
    photograph = np.random.default_rng(0).random((size, size, 3), np.float32)
    transfer = StyleTransfer(photograph, style, **{**options, "size": size})
    if not transfer.settings.uses_style:
        raise SettingsError("there is no style loss: give style layers and a weight above zero")
    losses = ExportedLosses.of(transfer)
    to_numpy = transfer.backend.to_numpy
    tensors = {name: to_numpy(value) for name, value in losses.inputs.items() if name.startswith("style/")}
    facts = {
        "version": __version__,
        "shares": [one.share for one in transfer._scene.styles],
        "sizes": [list(one.picture.size) for one in transfer._scene.styles],
        "network": transfer.weights.name,
        "identity": identity(transfer),
    }
    single = {name: np.array(value, np.float32, order="C") for name, value in tensors.items()}
    write_atomically(path, safetensors_numpy.save(single, {"nst": json.dumps(facts)}))


def read_style(path: str | Path, graph: str | Path) -> dict[str, NDArray[np.float32]]:
    """The inputs that a style gives an exported graph, by name.

    Args:
        path: what `export_style` wrote.
        graph: what `export_onnx` wrote.

    Raises:
        NSTError: a file was not written by these functions, or the two do not belong together.
    """
    from nst.backends.onnx.model_file import read_metadata

    try:
        with safe_open(path, framework="numpy") as file:
            facts = read_json((file.metadata() or {})["nst"], {"identity": {str: object}})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        own: Mapping[str, Any] = facts["identity"]
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise NSTError(f"{path} is not a style that nst export-style wrote ({error})") from error
    try:
        other = read_json(read_metadata(Path(graph))["nst"], {"identity": {str: object}})["identity"]
    except (ValueError, KeyError, TypeError) as error:
        raise NSTError(f"{graph} is not a graph that nst export-onnx wrote ({error})") from error
    if found := differences(own, other):
        raise NSTError(f"{path} is not for {graph}: {'; '.join(found)}: export it with the same settings")
    return tensors
