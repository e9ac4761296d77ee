"""How a picture is seen: through a network, whole or in windows, continued past its border or not.

Everything that looks at a picture through the network goes through an encoder, so that windows and padding
mean the same for the generated picture, the content and the styles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeVar

import numpy as np

from nst.encoding.lru import LRU
from nst.encoding.windows import Window, margin, windows
from nst.models import vgg
from nst.protocol import Backend, HostArray, Network, Ops, PadMode, TensorFunction, VectorSpace

T = TypeVar("T")


@dataclass(frozen=True)
class PaddedNetwork:
    """A network that sees the picture continued past its border; its maps have the margin around them."""

    network: Network[Any]
    margin: int
    mode: PadMode

    @property
    def native(self) -> Any:
        """That of the network."""
        return self.network.native

    def __call__(self, ops: Any, x: Any) -> dict[str, Any]:
        """See `nst.protocol.Network`."""
        return self.network(ops, ops.pad(x, self.margin, self.mode))


@dataclass(frozen=True)
class View:
    """A part of the picture that is computed at once."""

    window: Window | None  # its place; None for the whole
    # `inner/layer`, (1, 1, H_l, W_l) of 0 and 1 on the device, the positions that count, unless all do; and
    # what the encoder smooths by. See `inner_features`
    constants: Mapping[str, Any]

    def cut(self, backend: Backend[Any], x: Any) -> Any:
        """The view's part of x (1, C, H, W)."""
        if self.window is None:
            return x
        window = self.window
        return backend.space.crop(x, window.rows.start, window.columns.start, window.height, window.width)


@dataclass(frozen=True, eq=False)
class Encoder:
    """A network, and how pictures of one size go through it."""

    backend: Backend[Any]
    network: Network[Any]  # returns at least `layers`
    layers: Sequence[str]
    height: int  # of the picture in pixels
    width: int
    padding: Literal["zero", "replicate", "circular", "mirror"] = "zero"  # past the picture's border
    side: int | None = None  # of the windows in pixels, or None to compute the whole at once
    convolutions: Sequence[str] = vgg.LAYER_NAMES  # of the network
    # `smooth/layer`, 1 / T on the device, of activations that are smoothed (`nst.losses.smoothing`)
    smoothing: Mapping[str, Any] = field(default_factory=dict)
    # worked out with this network for other pictures too: means of styles, targets of losses
    known: LRU = field(default_factory=lambda: LRU(0))

    @cached_property
    def margin(self) -> int:
        """Pixels on each side that the picture is continued by."""
        return margin(self.padding, self.layers, self.convolutions)

    @property
    def setting(self) -> tuple[Any, ...]:
        """The same for encoders of this network that see a picture of one size alike: part of keys in `known`."""
        smoothing = {name: float(self.backend.to_numpy(value)) for name, value in self.smoothing.items()}
        return self.side, self.padding, smoothing

    @property
    def seen(self) -> Network[Any]:
        """The network of a whole picture without its margin, which it adds."""
        if self.padding == "zero":
            return self.network
        assert self.padding != "mirror"
        return PaddedNetwork(self.network, self.margin, self.padding)

    @cached_property
    def positions(self) -> dict[str, int]:
        """M_l by layer, of the picture without its margin."""
        sizes = {layer: vgg.layer_size(layer, self.height, self.width) for layer in self.layers}
        return {layer: rows * columns for layer, (rows, columns) in sizes.items()}

    @cached_property
    def views(self) -> list[View]:
        """The parts, whose inner positions make up every layer of the picture."""
        height, width = self.height + 2 * self.margin, self.width + 2 * self.margin
        if self.side is None:
            masks = (
                {f"inner/{layer}": self._mask(layer, None) for layer in self.layers} if self.margin else {}
            )
            return [View(None, {**masks, **self.smoothing})]
        return [
            View(
                window,
                {**{f"inner/{layer}": self._mask(layer, window) for layer in self.layers}, **self.smoothing},
            )
            for window in windows(height, width, self.side, self.layers, self.convolutions)
        ]

    def resized(self, height: int, width: int) -> Encoder:
        """For a picture of another size that is not a torus: it is mirrored where ours wraps around.

        A torus has no border, so what it is compared with must have none either. A repeated edge is one, of straight
        lines that run into it: a texture that wraps around found no place for them but its middle.
        """
        padding = "mirror" if self.padding == "circular" else self.padding
        return replace(self, height=height, width=width, padding=padding)

    def extended(self, x: Any) -> Any:
        """The picture with its margin."""
        if self.padding == "zero":
            return x
        if self.padding == "mirror":  # no backend knows it: it is for targets, which are worked out once
            margins = ((0, 0), (0, 0), (self.margin, self.margin), (self.margin, self.margin))
            return self.backend.from_numpy(np.pad(self.backend.to_numpy(x), margins, "symmetric"))
        return self.backend.evaluate(self._pad, x, {})["x"]

    @cached_property
    def _pad(self) -> TensorFunction[Any]:
        """One function for all calls, so that a backend which compiles it does so once."""
        mode: PadMode = "circular" if self.padding == "circular" else "replicate"
        margin = self.margin  # the function is kept here: it must not hold the encoder
        return lambda ops, x, _: {"x": ops.pad(x, margin, mode)}

    def maps(self, x: Any, layers: Sequence[str]) -> list[dict[str, Any]]:
        """Feature maps of a picture (N, 3, H, W) by layer, for each view; 0 at positions that do not count."""
        # the function is kept: it must not hold the encoder that keeps it
        names, network = tuple(layers), self.network

        def features(ops: Ops[T], x: T, constants: Mapping[str, T]) -> dict[str, T]:
            found = inner_features(ops, network(ops, x), constants)
            return {layer: found[layer] for layer in names}

        function, extended = self.function(("maps", names), features), self.extended(x)
        return [
            self.backend.evaluate(function, view.cut(self.backend, extended), view.constants)
            for view in self.views
        ]

    def function(self, key: Any, function: TensorFunction[Any]) -> TensorFunction[Any]:
        """The function that was first given with this key: a backend may have compiled it."""
        for known, first in self._functions:
            if known == key:
                return first
        self._functions.append((key, function))
        return function

    @cached_property
    def _functions(self) -> list[tuple[Any, TensorFunction[Any]]]:
        return []

    def measure(
        self, function: TensorFunction[Any], x: Any, local: Sequence[Mapping[str, Any]] | None = None
    ) -> dict[str, Any]:
        """The statistics that `function` returns for each view of x (1, 3, H, W), added up.

        It gets the view's part of the picture and its constants, `local` (some for each view) among them.
        """
        own = local or [{} for _ in self.views]
        constants = [{**given, **view.constants} for given, view in zip(own, self.views, strict=True)]
        return self.add_up(function, self.extended(x), constants)

    def add_up(
        self, function: TensorFunction[Any], extended: Any, constants: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """`measure` for a picture that has its margin already, with all constants of each view."""
        totals: dict[str, Any] = {}
        for view, given in zip(self.views, constants, strict=True):
            part = self.backend.evaluate(function, view.cut(self.backend, extended), given)
            totals = added(self.backend.space, totals, part)
        return totals

    def place(self, layer: str, array: HostArray) -> list[Any]:
        """What each view sees of an array (1, C, H_l, W_l) on the positions of a layer; 0 in the margin."""
        rim = self.margin // vgg.stride(layer)
        rows, columns = vgg.layer_size(layer, self.height + 2 * self.margin, self.width + 2 * self.margin)
        whole = np.zeros((*array.shape[:2], rows, columns), array.dtype)
        whole[:, :, rim : rim + array.shape[2], rim : rim + array.shape[3]] = array
        return [self.backend.from_numpy(whole[:, :, r, c]) for r, c in self._places(layer)]

    def _places(self, layer: str) -> list[tuple[slice, slice]]:
        """The positions of a layer that each view covers."""
        stride = vgg.stride(layer)
        places = []
        for window in (view.window for view in self.views):
            if window is None:
                places.append((slice(None), slice(None)))
                continue
            rows, columns = vgg.layer_size(layer, window.height, window.width)
            top, left = window.rows.start // stride, window.columns.start // stride
            places.append((slice(top, top + rows), slice(left, left + columns)))
        return places

    def _mask(self, layer: str, window: Window | None) -> Any:
        """1 at the positions of the picture that are the window's own, 0 elsewhere."""
        stride = vgg.stride(layer)
        rim = self.margin // stride
        rows, columns = vgg.layer_size(layer, self.height, self.width)
        top, left = 0, 0
        if window is None:
            size = vgg.layer_size(layer, self.height + 2 * self.margin, self.width + 2 * self.margin)
            own = slice(0, size[0]), slice(0, size[1])
        else:
            size = vgg.layer_size(layer, window.height, window.width)
            top, left = window.rows.start // stride, window.columns.start // stride
            own = window.inner(layer)
        mask = np.zeros((1, 1, *size), np.float32)
        mask[
            :,
            :,
            max(own[0].start, rim - top) : max(0, min(own[0].stop, rim + rows - top)),
            max(own[1].start, rim - left) : max(0, min(own[1].stop, rim + columns - left)),
        ] = 1.0
        return self.backend.from_numpy(mask)


def added(space: VectorSpace[Any], totals: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """Named tensors with those of one more view; their order decides on the last bits."""
    if not totals:
        return dict(part)
    return {name: space.lincomb([1.0, 1.0], [totals[name], value]) for name, value in part.items()}


def inner_features(ops: Ops[T], features: Mapping[str, T], constants: Mapping[str, T]) -> dict[str, T]:
    """What the losses see of the feature maps F of a view, by layer.

    E = exp(F / T) where the constants have `smooth/layer`, 1 / T; then 0 at the positions that do not count, those of 0
    in `inner/layer`, if there.
    """
    found = dict(features)
    for layer, maps in features.items():
        if f"smooth/{layer}" in constants:
            maps = ops.exp(ops.scale_by(maps, constants[f"smooth/{layer}"]))
        if f"inner/{layer}" in constants:
            maps = ops.modulate(maps, constants[f"inner/{layer}"])
        found[layer] = maps
    return found
