"""The loop: pictures in, an objective, an optimiser, pictures out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nst import images
from nst.backends import get_backend
from nst.backends._tensors import from_any
from nst.errors import NSTError, SettingsError
from nst.images import Picture
from nst.models.resolve import resolve_weights
from nst.models.weights import NetworkWeights
from nst.optim import LBFGS, Adam, Optimizer, State, Stop
from nst.problem import Problem, check_sizes, planar, set_up
from nst.protocol import Backend, HostArray
from nst.settings import (
    CONTENT_LAYERS,
    STYLE_LAYERS,
    LayerSpec,
    Settings,
    layer_weights,
    make_settings,
    style_shares,
)

__all__ = ["Losses", "Progress", "StyleTransfer", "stylize"]

OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {"lbfgs": LBFGS, "adam": Adam}


@dataclass(frozen=True)
class Losses:
    """Losses of one iterate: `terms` are the paper's, unweighted; `total` is their weighted sum."""

    total: float
    terms: Mapping[str, float]


@dataclass(frozen=True)
class Progress:
    """One iterate of the optimisation. Step 0 is the start picture before any change.

    Attributes:
        step: steps done.
        steps: steps asked for.
        size: (width, height) of the iterate in pixels.
        seconds: since the optimisation began.
        stopped: why no further step could be made ("converged", "non-finite"), or None. The iterate is the
            last good one.
    """

    step: int
    steps: int
    size: tuple[int, int]
    seconds: float
    stopped: Stop | None
    _transfer: StyleTransfer
    _state: State[Any]

    def losses(self) -> Losses:
        """The losses; waits for the device."""
        names = list(self._state.evaluation.terms)
        values = self._transfer.backend.space.scalars([self._state.evaluation.terms[name] for name in names])
        terms = dict(zip(names, values.tolist(), strict=True))
        return Losses(sum(self._transfer.term_weights[name] * value for name, value in terms.items()), terms)

    def image(self) -> Any:
        """The picture, of the same kind as the content picture that came in; waits for the device."""
        return self._transfer.restore(self.picture())

    def picture(self) -> Picture:
        """The picture as sRGB in [0, 1], with the content picture's alpha; waits for the device."""
        array = self._transfer.backend.to_numpy(self._state.x)[0].transpose(1, 2, 0)
        return Picture(np.clip(array, 0.0, 1.0).astype(np.float32), self._transfer.content.alpha)


class StyleTransfer:
    """A style transfer that is set up and not yet run.

    Args:
        content: p: a path, a PIL image, a numpy array (H, W, C), a torch.Tensor (C, H, W) or a tf.Tensor
            (H, W, C); integers 0..255 or floats in [0, 1]; a leading batch axis of 1 is accepted.
        style: a, or a list of several; each of any of those kinds and of any size.
        backend: auto, torch, tf, onnx, numpy, a plug-in's name, a `Backend`, or a function that returns one
            and is called when settings and pictures have been found in order.
        device: auto, cpu, cuda, cuda:N, mps.
        weights: "auto", "embedded", "random", a name in the catalogue, a path, `NetworkWeights`, or a
            function that returns them and is called last, since it may have to download them.
        content_layers: "conv4_2", "conv4_2=0.5,conv3_1", a list of such words, or a mapping.
        style_layers: the same.
        init: "content", "noise", "style", or a picture of any of the kinds above.
        optimizer: "lbfgs", "adam", or an `Optimizer` such as `nst.Adam(rate=0.05)`.
        settings: the remaining fields of `nst.settings.Settings`.

    Raises:
        NSTError: one of its kinds, one line that says the cause and the fix.
    """

    def __init__(
        self,
        content: Any,
        style: Any,
        *,
        backend: str | Backend[Any] | Callable[[], Backend[Any]] = "auto",
        device: str = "auto",
        weights: str | Path | NetworkWeights | Callable[[], NetworkWeights] = "auto",
        content_layers: LayerSpec = CONTENT_LAYERS,
        style_layers: LayerSpec = STYLE_LAYERS,
        init: Any = "content",
        optimizer: str | Optimizer = "lbfgs",
        **settings: Any,
    ) -> None:
        named = isinstance(init, str) and init in ("content", "noise", "style")
        self.settings = make_settings(
            content_layers=layer_weights(content_layers, "content layers"),
            style_layers=layer_weights(style_layers, "style layers"),
            init=init if named else "picture",
            optimizer=_optimizer_name(optimizer),
            **settings,
        )
        styles = list(style) if isinstance(style, (list, tuple)) else [style]
        self._shares = style_shares(self.settings.style_weights, len(styles))
        content_picture, self.restore = from_any(content)
        size = content_picture.size
        if self.settings.size is not None:
            size = images.fit_longest_side(*size, self.settings.size)
        longest = max(1, round(self.settings.style_scale * max(size)))
        self.content = images.resize(content_picture, *size)
        self._styles = []
        for item in styles:
            picture, _ = from_any(item)
            self._styles.append(images.resize(picture, *images.fit_longest_side(*picture.size, longest)))
        self._start = None if named else images.cover(from_any(init)[0], *size)
        check_sizes(self.settings, self.content, self._styles)
        if isinstance(backend, str):
            backend = get_backend(backend, device)
        self.backend: Backend[Any] = backend() if callable(backend) else backend
        self.weights = _network(weights, self.settings.seed)
        self.weights.require(self.settings.layers)
        self._optimizer = OPTIMIZERS[optimizer]() if isinstance(optimizer, str) else optimizer

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the result in pixels."""
        return self.content.size

    @property
    def term_weights(self) -> dict[str, float]:
        """alpha, beta and gamma by the name of the loss; works out those that were left open."""
        return {term.name: weight for term, weight in self._problem.terms}

    def resolved_settings(self) -> Settings:
        """The settings with alpha and beta as numbers."""
        weights = self.term_weights
        return replace(
            self.settings,
            content_weight=weights.get("content", 0.0),
            style_weight=weights.get("style", 0.0),
            size=max(self.size),
        )

    def iterate(self) -> Iterator[Progress]:
        """Yield the start picture and then the iterate after each step.

        Ends after `settings.steps` steps, or earlier with a record whose `stopped` says why.

        Raises:
            NSTError: the losses of the start picture are not finite.
        """
        began = time.perf_counter()
        problem, backend = self._problem, self.backend
        x = backend.from_numpy(self._start_array())
        compiled = backend.compile(problem.function, x, problem.constants)

        def evaluate(x: Any) -> Any:
            return compiled(x, problem.constants)

        state = self._optimizer.start(backend.space, x, evaluate(x))
        if not np.isfinite(state.total):
            raise NSTError(
                "the losses of the start picture are not finite: check the weights file, "
                "or lower the weights of the losses"
            )
        while True:
            seconds = time.perf_counter() - began
            yield Progress(state.step, self.settings.steps, self.size, seconds, state.stopped, self, state)
            if state.stopped or state.step >= self.settings.steps:
                return
            state = self._optimizer.advance(backend.space, evaluate, state)

    def run(self, callback: Callable[[Progress], None] | None = None) -> Any:
        """Iterate to the end and return the picture, of the same kind as the content picture."""
        for record in self.iterate():
            if callback is not None:
                callback(record)
        return record.image()

    @cached_property
    def _problem(self) -> Problem:
        return set_up(self.settings, self.weights, self.backend, self.content, self._styles, self._shares)

    def _start_array(self) -> HostArray:
        width, height = self.size
        if self.settings.init == "noise":
            return np.random.default_rng(self.settings.seed).random((1, 3, height, width), np.float32)
        picture = self.content
        if self.settings.init == "style":
            picture = images.cover(self._styles[0], width, height)
        elif self._start is not None:
            picture = self._start
        return planar(picture)


def stylize(content: Any, style: Any, **options: Any) -> Any:
    """Paint `content` in the style of `style`; the result is of the same kind as `content`.

    Takes the arguments of `StyleTransfer`. A result has the content picture's own size unless `size` says
    otherwise.

    Raises:
        NSTError: as `StyleTransfer`.
    """
    return StyleTransfer(content, style, **options).run()


def _optimizer_name(optimizer: str | Optimizer) -> str:
    if isinstance(optimizer, str) and optimizer not in OPTIMIZERS:
        raise SettingsError(
            f"optimizer is {optimizer!r}: it must be lbfgs, adam, or an optimizer of your own"
        )
    return optimizer if isinstance(optimizer, str) else "custom"


def _network(
    weights: str | Path | NetworkWeights | Callable[[], NetworkWeights], seed: int
) -> NetworkWeights:
    if isinstance(weights, NetworkWeights):
        return weights
    if callable(weights):
        return weights()
    return resolve_weights(weights, seed=seed, notify=logging.getLogger("nst").info)
