"""One step of a style transfer as an ONNX graph: picture in, losses and gradient out, and the next picture.

Needs packages onnx and onnxruntime. What the tensors are called is in docs/export.md and in the file itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nst._version import __version__
from nst.encoding.encoder import Encoder, inner_features
from nst.engine.stage import StageProblem
from nst.engine.weighting import losses_of
from nst.errors import SettingsError
from nst.losses.content import Content, ContentTerm
from nst.losses.objective import energy_of, statistics_of
from nst.losses.style import Style, StyleTerm
from nst.losses.style_statistics import Gram
from nst.losses.term import Totals
from nst.models.weights import NetworkWeights
from nst.optim import Adam
from nst.protocol import Network, Ops
from nst.settings import Settings, rule_of
from nst.transfer import StyleTransfer

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
        settings: those of `nst.Settings` in `nst.export.step.EXPORTED`.

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
    from nst.backends.onnx.model_file import PackedGraph, describe, write_model
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


def _about(losses: ExportedLosses, outcome: GraphOutputs) -> dict[str, str]:
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


T = TypeVar("T")

FIXED = ("inner/", "tv/height", "tv/width")
"""How constants begin that are the same for all pictures of a size."""


@dataclass(frozen=True)
class GraphOutputs:
    """What the graph computes of a picture; the values are tensors of any kind."""

    total: Any  # the sum of weight times loss
    losses: Mapping[str, Any]  # unweighted, by name
    # the picture's own targets and weights, by the names of the inputs that take them; numbers where the
    # settings fix a weight
    own: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class ExportedLosses:
    """The losses as an exported graph has them: what comes from pictures is an input, and an output for its own.

    A run of the library works out targets and weights once and then takes steps. A program without the library gets
    both from the very graph that takes the steps: run on the photograph it gives the targets and weights of the content
    loss, run on the painting those of the style loss. They are outputs named `own/NAME`, and inputs named `NAME`.
    """

    transfer: StyleTransfer  # set up for pictures of the size
    problem: StageProblem  # what it minimises there

    @classmethod
    def of(cls, transfer: StyleTransfer) -> ExportedLosses:
        """The losses of a transfer at its size."""
        return cls(transfer, transfer._stage(max(transfer.size)).problem)

    @property
    def encoder(self) -> Encoder:
        """What the features come from."""
        return self.problem.encoder

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """Targets and weights by name, those of the transfer's pictures, on the device."""
        return {
            name: value
            for name, value in self.problem.constants[0].items()
            if name in self._weights or not name.startswith(FIXED)
        }

    @cached_property
    def fixed(self) -> dict[str, Any]:
        """Constants that are the same for all pictures of the size, on the device."""
        constants = self.problem.constants[0]
        return {name: value for name, value in constants.items() if name not in self.inputs}

    @property
    def self_sufficient(self) -> bool:
        """Whether the targets of a style are outputs: a Gram matrix is one, and no picture is mirrored for it."""
        style = next((one.term for one in self.problem.losses if isinstance(one.term, StyleTerm)), None)
        plain = style is None or isinstance(style.loss, Gram)
        return plain and self.transfer.settings.padding != "circular"

    @property
    def _weights(self) -> set[str]:
        return {f"{loss.term.name}/weight" for loss in self.problem.losses}

    def __call__(self, ops: Ops[T], x: T, constants: Mapping[str, T]) -> GraphOutputs:
        """The losses of x (1, 3, H, W), with `inputs` and `fixed` as constants."""
        terms = [loss.term for loss in self.problem.losses]
        network = _Once(self.encoder.seen)
        statistics = statistics_of(terms, network)(ops, x, constants)
        weighted = [(term, f"{term.name}/weight") for term in terms]
        total, losses = energy_of(weighted, self.encoder.positions)(ops, statistics, constants)
        features = inner_features(ops, network.maps, constants)
        return GraphOutputs(total, losses, self._own(ops, features, statistics))

    def _own(self, ops: Ops[T], features: Mapping[str, T], statistics: Mapping[str, T]) -> dict[str, Any]:
        own: dict[str, Any] = {}
        recipes = losses_of(self.transfer.settings, self.transfer.weights)
        for recipe, loss in zip(recipes, self.problem.losses, strict=True):
            term = loss.term
            if isinstance(recipe, Content) and isinstance(term, ContentTerm):
                own |= _own_content(ops, recipe, term, features)
            elif isinstance(recipe, Style) and isinstance(term, StyleTerm):
                if self.self_sufficient:
                    means = term.means(ops, Totals(statistics, {}, self.encoder.positions))
                    own |= _own_style(ops, recipe, term, means)
            else:
                own[f"{term.name}/weight"] = loss.weight
        return own


@dataclass
class _Once:
    """A network that is computed once, and keeps the feature maps."""

    network: Network[Any]
    maps: dict[str, Any] = field(default_factory=dict)

    @property
    def native(self) -> Any:
        """That of the network."""
        return self.network.native

    def __call__(self, ops: Ops[T], x: T) -> dict[str, T]:
        """See `nst.protocol.Network`."""
        self.maps = self.network(ops, x)
        return self.maps


def _own_content(
    ops: Ops[T], recipe: Content, term: ContentTerm, features: Mapping[str, T]
) -> dict[str, Any]:
    """The maps, and alpha: open, it is 1 over the loss of a picture without features."""
    maps: dict[str, Any] = {f"{term.name}/{layer}/maps": features[layer] for layer in term.layers}
    alpha = _inverse(ops, term.featureless_loss(ops, maps)) if recipe.alpha is None else recipe.alpha
    return {**maps, f"{term.name}/weight": alpha}


def _own_style(
    ops: Ops[T], recipe: Style, term: StyleTerm, means: Mapping[str, Mapping[str, T]]
) -> dict[str, Any]:
    """The Gram matrices, and beta; open, the weight of each layer is relative to a picture without features."""
    grams: dict[str, Any] = {f"{term.name}/{layer}/second": means[layer]["second"] for layer in term.layers}
    if recipe.beta is not None:
        return {**grams, f"{term.name}/weight": recipe.beta}
    units, total = term.featureless_losses(ops, grams), sum(recipe.weights.values())
    relative = {
        f"{term.name}/{layer}/weight": ops.scale(_inverse(ops, units[layer]), weight / total)
        for layer, weight in recipe.weights.items()
    }
    return {**grams, **relative, f"{term.name}/weight": recipe.balance}


def _inverse(ops: Ops[T], a: T) -> T:
    """1 / a of a scalar."""
    return ops.divide(a, ops.square(a))


EXPORTED = tuple(declared.name for declared in fields(Settings) if rule_of(declared).exported)
"""Settings of losses, layers, pooling and padding; `rate` is what the file recommends, `seed` of random weights."""


def require_exportable(settings: Mapping[str, Any], more: tuple[str, ...] = ()) -> None:
    """SettingsError for a setting beside `EXPORTED` and `more`, which an exported file would not show."""
    for name in settings:
        if name in EXPORTED or name in more:
            continue
        if name == "smoothing":
            raise SettingsError(
                "smoothing cannot be exported, its temperatures belong to one style: leave it out"
            )
        if name not in Settings.__dataclass_fields__:
            known = ", ".join((*EXPORTED, *more))
            raise SettingsError(f"{name!r} is not a setting of an exported step: choose from {known}")
        raise SettingsError(
            f"{name.replace('_', ' ')} is not part of a step: leave it out, the program that runs the file decides"
        )


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
