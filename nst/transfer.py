"""The loop: pictures in, an objective, an optimiser, pictures out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from numpy.typing import NDArray
from PIL.Image import Image

from nst.arguments import AnyDtype, AnyTensor, File, SettingsArguments, TransferArguments
from nst.backends.autotune import backend_in
from nst.engine.descent import descend
from nst.engine.pyramid import schedule
from nst.engine.scene import Start
from nst.engine.stage import Stage, check_sizes, make_stage, sized, tightest
from nst.engine.weights import settled
from nst.fields import require_known
from nst.losses.term import ExtraTerm
from nst.models.store.resolve import network_of
from nst.models.weights import NetworkWeights
from nst.optim import Optimizer, named_optimizer
from nst.pictures.color import Color
from nst.pictures.kinds import from_any
from nst.pictures.masks import Masks, make_masks
from nst.pictures.picture import Picture, fit_longest_side, resize
from nst.planning.plan import Plan, choose
from nst.progress import Output, Progress
from nst.protocol import Backend, HostArray
from nst.settings import (
    CONTENT_LAYERS,
    STYLE_LAYERS,
    LayerSpec,
    layer_weights,
    make_settings,
    style_shares,
)
from nst.words import STARTS

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in `typing` from Python 3.11 on; checkers need it not be installed

__all__ = ["StyleTransfer", "stylize"]


class StyleTransfer:
    """A style transfer that is set up and not yet run.

    Args:
        content: p: a path, a PIL image, a numpy array (H, W, C), a torch.Tensor (C, H, W) or a tf.Tensor
            (H, W, C); integers 0..255 or floats in [0, 1]; a leading batch axis of 1 is accepted.
        style: a, or a list of several; each of any of those kinds and of any size. An empty list where the style
            loss is off.
        backend: auto, torch, tf, onnx, numpy, a plug-in's name, a `Backend`, or a function that returns one
            and is called when settings and pictures have been found in order.
        device: auto, cpu, cuda, cuda:N, mps.
        weights: "auto", "embedded", "random", a name in the catalogue, a path, `NetworkWeights`, or a
            function that returns them and is called last, since it may have to download them.
        content_layers: "conv4_2", "conv4_2=0.5,conv3_1", a list of such words, or a mapping.
        style_layers: the same.
        init: "content", "noise", "style", "statistics", or a picture of any of the kinds above.
        masks: where styles and content act: pictures by name, see `nst.pictures.masks.make_masks`.
        optimizer: "lbfgs", "adam", or an `Optimizer` such as `nst.Adam(rate=0.05)`.
        extra_terms: losses of the caller's own, beside content, style and total variation.
        memory: bytes to stay within; None for what is free on the device.
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
        masks: Masks | Mapping[str, Any] | None = None,
        optimizer: str | Optimizer = "lbfgs",
        memory: int | None = None,
        extra_terms: Sequence[ExtraTerm] = (),
        **settings: Unpack[SettingsArguments],
    ) -> None:
        require_known(settings, TransferArguments.__optional_keys__)
        named = isinstance(init, str) and init in STARTS
        self.settings = make_settings(
            content_layers=layer_weights(content_layers, "content layers"),
            style_layers=layer_weights(style_layers, "style layers"),
            init=init if named else "picture",
            optimizer=optimizer if isinstance(optimizer, str) else "custom",
            **settings,
        )
        styles = list(style) if isinstance(style, (list, tuple)) else [style]
        self._shares = style_shares(self.settings.style_weights, len(styles), self.settings.uses_style)
        self._masks = make_masks(masks, len(styles), self.settings.feather)
        content_picture, self.restore = from_any(content)
        size = content_picture.size
        if self.settings.size is not None:
            size = fit_longest_side(*size, self.settings.size)
        size = sized(self.settings, *size)
        longest = max(1, round(self.settings.style_scale * max(size)))
        self.content = resize(content_picture, *size)
        self._styles = []
        for item in styles:
            picture, _ = from_any(item)
            self._styles.append(resize(picture, *fit_longest_side(*picture.size, longest)))
        given = None if named else from_any(init)[0]
        check_sizes(self.settings, self.content, self._styles)
        self.color = Color(self.settings.color, self.settings.color_strength, self.settings.color_when)
        self._original = self.content
        self.content, self._styles = self.color.prepare(self.content, self._styles)
        self._start = Start(self.settings, self.content, self._styles, given)
        if isinstance(backend, str):
            backend = backend_in(backend, device, self.settings.precision)
        self.backend: Backend[Any] = backend() if callable(backend) else backend
        self.weights = network_of(weights, self.settings.seed)
        self.weights.require(self.settings.layers)
        self._extra, self._memory = tuple(extra_terms), memory
        self._pattern: Stage | None = None
        self.settings = settled(self.settings, self.weights)
        if isinstance(optimizer, str):
            optimizer = named_optimizer(optimizer, self.settings.rate, self.plan.history, self.plan.half)
        self._optimizer = optimizer

    @cached_property
    def plan(self) -> Plan:
        """How the picture will be computed, and the memory that it is expected to take."""
        return choose(self.settings, self.weights, self.backend, self.size, self._memory)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the result in pixels."""
        return self.content.size

    @property
    def schedule(self) -> tuple[tuple[int, int], ...]:
        """(longest side in pixels, steps) of each scale, coarse to fine."""
        scales = self.settings.scales
        if scales == "auto" and self.settings.init == "picture":
            scales = 1  # to go on from a picture, not to paint over it
        limits = tightest(self.settings, self.content, self._styles)
        return schedule(scales, self.settings.steps, max(self.size), *limits)

    def iterate(self) -> Iterator[Progress]:
        """Yield the start picture and then the iterate after each step.

        Ends after all steps, or earlier with a record whose `stopped` says why. The size grows from scale to
        scale.

        Raises:
            NSTError: the losses of the start picture are not finite.
        """
        began, output = time.perf_counter(), Output(self.finish, self.restore)
        scales, done = self.schedule, 0
        coarse: tuple[Stage, HostArray] | None = None
        for number, (longest, steps) in enumerate(scales, start=1):
            stage = self.stage(longest)
            start = stage.go_on(*coarse) if coarse else stage.first()
            descent = descend(
                self.backend, self._optimizer, stage.evaluate, start, steps, self.settings.average
            )
            for state, average in descent:
                enlarged = done and state.step == 0 and steps and not state.stopped
                passed = state.stopped == "converged" and number < len(scales)
                if not enlarged and not passed:  # neither is the outcome of a step
                    yield Progress(
                        step=done + state.step,
                        steps=sum(count for _, count in scales),
                        scale=number,
                        scales=len(scales),
                        size=stage.content.size,
                        seconds=time.perf_counter() - began,
                        stopped=state.stopped,
                        _settings=self.settings,
                        _longest=max(self.size),
                        _output=output,
                        _stage=stage,
                        _state=state,
                        _average=average,
                    )
            if state.stopped == "non-finite":
                return
            done += state.step
            coarse = stage, self.backend.to_numpy(average.value(self.backend.space))

    def finish(self, picture: Picture) -> Picture:
        """An iterate as it shall be seen: its colours as `settings.color` says."""
        return self.color.finish(picture, self._original)

    def run(self, callback: Callable[[Progress], None] | None = None) -> Any:
        """Iterate to the end and return the picture, of the same kind as the content picture."""
        for record in self.iterate():
            if callback is not None:
                callback(record)
        return record.image()

    def again(self, content: Any, init: Any, extra_terms: Sequence[ExtraTerm] = ()) -> StyleTransfer:
        """The same for another picture of that size, from another one; alpha, beta and what is compiled stay."""
        self._pattern = self._pattern or self.stage(max(self.size))
        other = copy(self)
        picture, other.restore = from_any(content)
        other._original = resize(picture, *self.size)
        other.content, _ = self.color.prepare(other._original, [])
        other._start = Start(self.settings, other.content, self._styles, from_any(init)[0])
        other._extra = tuple(extra_terms)
        return other

    def stage(self, longest: int) -> Stage:
        """What is minimised at a longest side of that many pixels."""
        if self._pattern is not None:
            return self._pattern.again(self.content, self._start, self._extra)
        return make_stage(
            self.settings,
            self.weights,
            self.backend,
            self.content,
            self._styles,
            self._shares,
            self._masks,
            self._start,
            longest,
            self.plan.sides(self.settings),
            self._extra,
        )


@overload
def stylize(content: File, style: Any, **options: Unpack[TransferArguments]) -> Image: ...
@overload
def stylize(
    content: NDArray[AnyDtype], style: Any, **options: Unpack[TransferArguments]
) -> NDArray[AnyDtype]: ...
@overload
def stylize(content: AnyTensor, style: Any, **options: Unpack[TransferArguments]) -> AnyTensor: ...
def stylize(content: Any, style: Any, **options: Unpack[TransferArguments]) -> Any:
    """Paint `content` in the style of `style`; the result is of the same kind as `content`.

    Takes the arguments of `StyleTransfer`. A result has the content picture's own size unless `size` says
    otherwise.

    Raises:
        NSTError: as `StyleTransfer`.
    """
    return StyleTransfer(content, style, **options).run()
