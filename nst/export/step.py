"""One step of a style transfer as an ONNX graph: picture in, losses and gradient out, and the next picture.

Needs packages onnx and onnxruntime. What the tensors are called is in docs/export.md and in the file itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nst._version import __version__
from nst.errors import SettingsError
from nst.export.choices import require_exportable
from nst.export.identity import identity
from nst.export.losses import ExportedLosses, Outcome
from nst.models.weights import NetworkWeights
from nst.optim import Adam
from nst.transfer import StyleTransfer

__all__ = ["export_onnx"]

PICTURE = "pictures are (1, 3, height, width), RGB in sRGB from 0 to 1"
OWN, NEXT = "own/", "next/"
STATE = ("picture", "first_moment", "second_moment")


def export_onnx(
    path: str | Path,
    size: tuple[int, int],
    *,
    adam: bool = True,
    weights: str | Path | NetworkWeights = "auto",
    weights_file: str | Path | None = None,
    **settings: Any,
) -> None:
    """Write the graph; `nst export-onnx` on the command line.

    Args:
        path: of the file, .onnx.
        size: (width, height) of pictures in pixels.
        adam: whether the graph takes a step of Adam as well; else losses and gradient alone.
        weights: as for `StyleTransfer`. Layers of at most 256 different weights, as those of the embedded network, keep
            8 bits a weight.
        weights_file: in the same folder, for the network's weights: graphs of several sizes may share it.
        settings: those of `nst.Settings` in `nst.export.choices.EXPORTED`.

    Raises:
        NSTError: a setting that cannot be exported, or onnx is not installed.
        OSError: a file cannot be written.
    """
    require_exportable(settings)
    width, height = size
    pictures = np.random.default_rng(0).random((2, height, width, 3), np.float32)
    transfer = StyleTransfer(
        pictures[0],
        pictures[1],
        backend="onnx",
        device="cpu",
        weights=weights,
        size=max(size),
        tile="off",
        **settings,
    )
    if transfer.size != size:
        raise SettingsError(
            f"size is {width}x{height}, and the picture would be {'{}x{}'.format(*transfer.size)} with these "
            "layers and padding: export that size"
        )
    _write(
        ExportedLosses.of(transfer), Path(path), None if weights_file is None else Path(weights_file), adam
    )


def _write(losses: ExportedLosses, path: Path, weights_file: Path | None, adam: bool) -> None:
    # these need the packages, which the backend of the transfer has found
    from nst.backends.onnx.kernels import GraphKernels
    from nst.backends.onnx.model_file import describe, write_model
    from nst.backends.onnx.packed import PackedGraph
    from nst.backends.onnx.symbolic import GraphNumber, GraphSpace
    from nst.backends.tape import TapeOps

    to_numpy = losses.encoder.backend.to_numpy
    shape = (1, 3, losses.encoder.height, losses.encoder.width)
    graph = PackedGraph("float32")
    kernels = GraphKernels(graph)
    ops: TapeOps[Any] = TapeOps(kernels)
    inputs = {name: graph.input(name, to_numpy(value).shape) for name, value in losses.inputs.items()}
    inputs["picture"] = graph.input("picture", shape)
    constants = {name: ops.constant(value) for name, value in inputs.items() if name != "picture"}
    for name, value in losses.fixed.items():
        constants[name] = ops.constant(graph.initializer(name, np.asarray(to_numpy(value), np.float32)))
    x = ops.variable(inputs["picture"])
    outcome = losses(ops, x, constants)
    gradient = ops.gradient(outcome.total, x)
    outputs = {"total": outcome.total.value, "gradient": gradient}
    outputs |= {name: loss.value for name, loss in outcome.losses.items()}
    for name, value in outcome.own.items():
        outputs[OWN + name] = graph.number(value) if isinstance(value, (int, float)) else value.value
    if adam:
        first, second = (graph.input(name, shape) for name in STATE[1:])
        age = GraphNumber(graph, graph.input("age", ())) + 1.0
        rate: Any = GraphNumber(graph, graph.input("rate", ()))
        number: Any = age  # takes part in the arithmetic of floats
        moved, moments = Adam().move(
            GraphSpace(kernels), inputs["picture"], gradient, (first, second), age=number, rate=rate
        )
        values = (moved, *moments, age.value)
        outputs |= {f"{NEXT}{name}": value for name, value in zip((*STATE, "age"), values, strict=True)}
    model = graph.model(outputs)
    describe(model, _about(losses, outcome), _metadata(losses, adam))
    write_model(model, path, weights_file)


def _about(losses: ExportedLosses, outcome: Outcome) -> dict[str, str]:
    """A sentence for every input and output."""
    about = {
        "picture": PICTURE,
        "first_moment": "Adam's first moment; zeros before the first step",
        "second_moment": "Adam's second moment; zeros before the first step",
        "age": "steps taken so far, 0 before the first",
        "rate": f"step size of Adam in units of the picture, such as {Adam().rate}",
        "total": "sum of weight times loss of the picture that came in; not finite: take the picture before, zero "
        "moments, age 0 and half the rate",
        "gradient": "of the total by the picture",
    }
    for name in outcome.losses:
        about[name] = "unweighted loss of the picture that came in"
    for name in losses.inputs:
        about[name] = "factor, 0 or more" if name.endswith("/weight") else "target"
        about[OWN + name] = f"what {name} is when this picture is the one to be like"
    return about | {f"{NEXT}{name}": f"{name} after the step" for name in (*STATE, "age")}


def _metadata(losses: ExportedLosses, adam: bool) -> Mapping[str, str]:
    """Texts for the file; `nst` is JSON for programs."""
    transfer = losses.transfer
    width, height = transfer.size
    names = losses.inputs
    facts = {
        "version": __version__,
        "width": width,
        "height": height,
        "adam": adam,
        "rate": transfer.settings.rate,
        "content": [name for name in names if not name.startswith("style/")],
        "style": [name for name in names if name.startswith("style/")],
        "self_sufficient": losses.self_sufficient,
        "identity": identity(transfer),
    }
    return {
        "nst": json.dumps(facts),
        "pictures": PICTURE,
        "license": f"graph: Apache-2.0; weights ({transfer.weights.name}): {transfer.weights.license or 'unknown'}",
        "source": transfer.weights.source,
    }
