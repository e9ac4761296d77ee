"""The method, from scale to scale: a stage, an objective, a descent, progress. `stylize` does it in one call.

`Run.iterate` is the whole of it, coarse to fine:

- *scale*: the `Scene` (content, styles and masks) is brought to the size of the scale;
- *stage*: a `Stage` prepares every loss for it, which works out its targets and its weight (`nst.losses`);
- *objective*: it puts them together, L_total = alpha L_content + beta L_style + ..., and `Stage.evaluate` gives the
  losses and the gradient of a picture;
- *descent*: the optimiser takes its steps (`descend`, `nst.optim`);
- *progress*: each of them is a `Progress`, the picture so far. The last one is what the next scale starts from.

`StyleTransfer` makes the parts of a `Run` out of what a caller gives, `follow` watches one to its end.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, overload

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from nst.arguments import (
    AnyDtype,
    AnyTensor,
    File,
    Kind,
    PaintArguments,
    SettingsArguments,
    StylizeArguments,
    TransferArguments,
    with_present_names,
)
from nst.backends import get_backend
from nst.backends.autotune import settled_precision
from nst.backends.selection import PRECISIONS
from nst.checkpoint import Checkpoint, make_checkpoint, read_checkpoint
from nst.control import CONTROLS, Cancel, Control, Ended, Show, control_among, is_watched, progress_bar
from nst.description import STYLIZE, Sources, describe
from nst.encoding.windows import PASSES, overlap_factor
from nst.engine.cache import Cache, Context
from nst.engine.loss_scaling import OVERFLOW
from nst.engine.pyramid import (
    RATIO,
    layers_read,
    limiting_picture,
    precisions,
    schedule,
    schedule_text,
    unit_of,
)
from nst.engine.stage import RunState, Stage
from nst.engine.start import BLUR, Start
from nst.engine.weighting import losses_of, resolved, style_amount
from nst.errors import NSTError, ReprHtml, SettingsError
from nst.inputs import about_inputs, about_memory, read_inputs
from nst.losses.objective import layers_of
from nst.losses.term import Loss
from nst.models.store.resolve import network_of, weights_here
from nst.models.weights import NetworkWeights
from nst.optim import Averaged, Optimizer, State, named_optimizer
from nst.pictures.color import Color
from nst.pictures.kinds import Layout, from_any, laid_out, pictures_of_batch
from nst.pictures.masks import Masks
from nst.pictures.picture import Picture, fit_longest_side, from_planar, resize
from nst.pictures.scene import Scene, make_scene, whole_units
from nst.planning.plan import Plan, Task, predict
from nst.progress import Output, Pace, Progress, without_overflow_warnings
from nst.protocol import Backend, Evaluation, HostArray, VectorSpace
from nst.result import History, Result
from nst.settings import (
    CONTENT_LAYERS,
    STARTS,
    STYLE_LAYERS,
    LayerSpec,
    Settings,
    layer_weights,
    make_settings,
    require_known,
    style_shares,
)
from nst.workers.devices import Devices, devices_of, worker_group_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

# long: the method and what calls it, to be read from top to bottom

PAINTED = 10
"""So many steps make strokes of the noise that a size begins with; until then it is taken out of what is seen."""


@dataclass(frozen=True, eq=False)
class Run:
    """The method: `iterate`. Everything that one run needs is here."""

    scene: Scene  # the pictures at the size of the result
    losses: tuple[Loss, ...]
    context: Context  # what computes them, at the last size
    backends: tuple[Backend[Any], ...]  # what does at each scale: they differ in precision alone
    optimizer: Optimizer  # what minimises them
    start: Start  # the first picture, at any size
    schedule: tuple[tuple[int, int], ...]  # (longest side in pixels, steps) of each scale, coarse to fine
    output: Output  # how iterates are seen
    ready: Stage | None = None  # what is minimised at the only scale, where it is set up already

    @without_overflow_warnings
    def iterate(
        self, position: RunState | None = None, until: Callable[[], object] = lambda: False
    ) -> Iterator[Progress]:
        """See `StyleTransfer.iterate`. From `position`, of a run like this one, whose iterate comes first.

        `until` is asked before each step and each part of the setting up of a size; what is true ends the run.
        """
        optimizer, schedule = self.optimizer, self.schedule
        began = time.perf_counter() - (position.seconds if position else 0.0)
        done, first = (position.done, position.scale) if position else (0, 1)
        coarse: HostArray | None = None  # the result of the scale before
        pace = Pace([(self._work(longest), steps) for longest, steps in schedule])
        for number, (longest, steps) in enumerate(schedule[first - 1 :], start=first):
            # the pictures at this scale; what the losses aim at there, and the objective that they make
            if position is None and until():
                return
            backend = self.backends[number - 1]
            found = position.stage if position else None
            context = replace(self.context, backend=backend)
            stage = self.ready or Stage(self.scene_at(longest), self.losses, context, found)
            if position is None and until():
                return
            # the first iterate, on top of what the scale before has found
            noise = self._noise(number, stage)
            if position is None:
                state = first_state(backend, optimizer, stage.evaluate, self._first(coarse, stage, noise))
            else:
                state, position = position.state, None  # one reference, so that a step can free its memory
            # the descent
            mark: float | None = None
            states = descend(backend.space, optimizer, stage.evaluate, state, steps)
            for state in states:
                if mark is not None:
                    pace.add(number - 1, time.perf_counter() - mark)
                enlarged = done and state.step == 0 and steps and not state.stopped
                passed = state.stopped == "converged" and number < len(schedule)
                if not enlarged and not passed:  # neither is the outcome of a step
                    bare = 1 - state.step / min(PAINTED, steps) if steps else 0.0
                    noise = noise if bare > 0 else None
                    unseen = None if noise is None else np.float32(bare) * noise
                    left = None if state.stopped else pace.left(number - 1, state.step)
                    yield self._record(
                        done + state.step, number, began, stage, state, noise=unseen, left=left
                    )
                if state.step < steps and not state.stopped and until():
                    return
                mark = time.perf_counter()  # what the caller did with the record is none of the step
            if state.stopped == "non-finite":
                return
            done += state.step
            coarse = backend.to_numpy(state.result(backend.space))
            if number < len(schedule):  # whoever has a record of it needs its code no more
                stage.release()
            # the last scale may have no step: it is enlarged
            if number < len(schedule) and schedule[number][1] == 0:
                yield self._record(done, number + 1, began, stage, state, self._enlarged(coarse))
                return

    def scene_at(self, longest: int) -> Scene:
        """The pictures at a longest side of that many pixels."""
        return self.scene.at(longest, unit_of(layers_of(self.losses), self.context.settings.padding))

    def shape_at(self, longest: int) -> tuple[int, int, int, int]:
        """Of the iterate at a longest side of that many pixels."""
        unit = unit_of(layers_of(self.losses), self.context.settings.padding)
        width, height = whole_units(*fit_longest_side(*self.scene.size, longest), unit)
        return 1, 3, height, width

    def _work(self, longest: int) -> float:
        """Pixels that a step computes at a longest side of that many, those of overlapping windows each time."""
        (_, _, height, width), side = self.shape_at(longest), self.context.sides[0]
        if side is None or max(height, width) <= side:
            return height * width
        layers, convolutions = layers_of(self.losses), self.context.weights.layer_names
        return PASSES * overlap_factor(height, width, side, layers, convolutions) * height * width

    def full_size(self, record: Progress | None) -> Picture:
        """A record's picture at the size of the result, with its colours as they are seen; None: the start picture."""
        width, height = self.scene.size
        if record is not None and record.size == (width, height):
            return record.picture()
        if record is None:
            return self.output.finish(self._picture(self.start.first(width, height)))
        return record._output.finish(self._enlarged(record.painted()))

    def _record(
        self,
        step: int,
        number: int,
        began: float,
        stage: Stage,
        state: State[Any],
        enlarged: Picture | None = None,
        noise: HostArray | None = None,
        left: float | None = None,
    ) -> Progress:
        return Progress(
            step=step,
            steps=sum(count for _, count in self.schedule),
            scale=number,
            scales=len(self.schedule),
            size=stage.scene.size if enlarged is None else enlarged.size,
            seconds=time.perf_counter() - began,
            stopped=None if enlarged is not None else state.stopped,
            _settings=self.context.settings,
            _longest=max(self.scene.size),
            _output=self.output,
            _stage=stage,
            _state=state,
            _enlarged=enlarged,
            _noise=noise,
            left=left,
        )

    def _enlarged(self, coarse: HostArray) -> Picture:
        """A result (1, 3, h, w) at the size of the scene, without a step there."""
        return self._picture(self.start.go_on(coarse, *self.scene.size))

    def _picture(self, array: HostArray) -> Picture:
        """(1, 3, H, W) of the size of the scene."""
        return from_planar(array, self.scene.content.alpha)

    def _noise(self, number: int, stage: Stage) -> HostArray | None:
        """What the detail of this scale grows from, (1, 3, H, W); None where nothing is to grow.

        It takes steps to paint with, and a style; the first scale needs it where it starts from a photograph, which has
        next to nothing in its last octave either.
        """
        settings, (longest, steps) = self.context.settings, self.schedule[number - 1]
        amount = settings.octave_noise * style_amount(settings) if steps else 0.0
        if amount == 0 or (number == 1 and settings.init != "content"):
            return None
        ratio = 1 / RATIO if number == 1 else self.schedule[number - 2][0] / longest
        return np.float32(amount) * self.start.octave(stage.scene, ratio)

    def _first(self, coarse: HostArray | None, stage: Stage, noise: HostArray | None) -> HostArray:
        """The first iterate of a stage, from the result of the one before."""
        size = stage.scene.size
        if coarse is None:
            first = self.start.first(*size)
        else:
            first = self.start.go_on(coarse, *size, 0.0 if noise is None else BLUR)
        return first if noise is None else first + noise


def first_state(
    backend: Backend[Any],
    optimizer: Optimizer,
    evaluate: Callable[[Any], Evaluation[Any]],
    start: HostArray,
) -> State[Any]:
    """The state before the first step, at a picture (1, 3, H, W); NSTError if its losses are not finite."""
    x = backend.from_numpy(start)
    state = optimizer.start(backend.space, x, evaluate(x))
    if np.isfinite(state.total):
        return state
    if backend.precision == "float16":
        raise NSTError(OVERFLOW)
    raise NSTError(
        "the losses of the start picture are not finite: check the weights file, "
        "or lower the weights of the losses"
    )


def descend(
    space: VectorSpace[Any],
    optimizer: Optimizer,
    evaluate: Callable[[Any], Evaluation[Any]],
    state: State[Any],
    steps: int,
) -> Iterator[State[Any]]:
    """The state, and the one after each step, up to the step of that number."""
    yield state
    while not state.stopped and state.step < steps:
        state = optimizer.advance(space, evaluate, state)
        yield state


@overload
def stylize(content: File, style: Any, **options: Unpack[StylizeArguments]) -> Image: ...
@overload
def stylize(
    content: NDArray[AnyDtype], style: Any, **options: Unpack[StylizeArguments]
) -> NDArray[AnyDtype]: ...
@overload
def stylize(content: AnyTensor, style: Any, **options: Unpack[StylizeArguments]) -> AnyTensor: ...
def stylize(content: Any, style: Any, **options: Unpack[StylizeArguments]) -> Any:
    """Paint `content` in the style of `style`; the result is of the same kind as `content`.

    Takes the arguments of `StyleTransfer` and of `StyleTransfer.paint`: `callback`, `progress`, `cancel`, and
    `deadline`, the seconds from this call on, setting up included. A run that is ended by one of the last two
    gives the picture so far at its full size; `StyleTransfer.paint` tells how far it came. A batch (N, ...) of
    contents becomes a batch of results, each as if it were painted alone; a deadline is shared out among them.

    Raises:
        NSTError: as `StyleTransfer`.

    Examples:
        >>> painted = nst.stylize(content, style, size="content", steps=3)
        >>> painted.shape, painted.dtype
        ((32, 40, 3), dtype('uint8'))
    """
    given = with_present_names(options)
    require_known(given, ARGUMENTS | CONTROLS)
    control, arguments = control_among(given)
    batch = pictures_of_batch(content)
    if batch is None:
        return StyleTransfer(content, style, **arguments)._paint_under(control).image
    pictures, stack = batch
    results: list[Any] = []
    arguments["cache"] = arguments.get("cache") or Cache()
    for done, picture in enumerate(pictures):
        share = control if control.left is None else control.renewed(control.left / (len(pictures) - done))
        transfer = StyleTransfer(picture, style, **arguments)
        arguments |= {"backend": transfer.backend, "weights": transfer.weights}
        results.append(transfer._paint_under(share).image)
    return stack(results)


class StyleTransfer(ReprHtml, Generic[Kind]):
    """A style transfer that is set up and not yet run.

    Args:
        content: p: a path, the bytes of a file or an open one, a PIL image, an array (H, W, C) of numpy, JAX or another
            library, a torch.Tensor (C, H, W) or a tf.Tensor (H, W, C); integers 0..255 or floats in [0, 1]; a leading
            batch axis of 1 is accepted.
        style: a, or a list of several; each of any of those kinds and of any size. An empty list where the style
            loss is off.
        backend: auto, torch, tf, onnx, numpy, a plug-in's name, `package.module:Class`, a `Backend`, or a function
            that returns one and is called when settings and pictures have been found in order. `precision` changes
            that of its networks.
        device: auto, cpu, cuda, cuda:N, mps; several ("cuda:0,cuda:1") share out the windows of a large picture; or
            `nst.Devices`, also for a cluster.
        weights: "auto", "embedded", "random", a name in the catalogue, a path, `NetworkWeights`, or a
            function that returns them and is called last, since it may have to download them.
        content_layers: "conv4_2", "conv4_2=0.5,conv3_1", a list of such words, or a mapping.
        style_layers: the same.
        init: "content", "noise", "style", "statistics", or a picture of any of the kinds above.
        masks: where styles and content act: pictures by name, see `nst.pictures.masks.make_masks`.
        layout: of torch tensors: "chw", or "hwc" for (H, W, C) and (B, H, W, C), as ComfyUI has them.
        optimizer: "lbfgs", "adam", or an `Optimizer` such as `nst.Adam(rate=0.05)`.
        extra_terms: losses of the caller's own, beside content, style and total variation; see `nst.losses.Loss`.
        memory: bytes to stay within, process and framework included, or the plan itself; None for what is free there.
        cache: compiled code and targets of styles, shared by transfers of one backend and weights given as objects.
        settings: the remaining fields of `nst.settings.Settings`.

    Raises:
        NSTError: one of its kinds, one line that says the cause and the fix.

    Examples:
        >>> nst.StyleTransfer(content, [style, content], size=40, style_weights=(3, 1)).size
        (40, 32)
    """

    @overload
    def __init__(
        self: StyleTransfer[Image], content: File, style: Any, **options: Unpack[TransferArguments]
    ) -> None: ...
    @overload
    def __init__(
        self: StyleTransfer[NDArray[AnyDtype]],
        content: NDArray[AnyDtype],
        style: Any,
        **options: Unpack[TransferArguments],
    ) -> None: ...
    @overload
    def __init__(
        self: StyleTransfer[AnyTensor], content: AnyTensor, style: Any, **options: Unpack[TransferArguments]
    ) -> None: ...
    @overload
    def __init__(self, content: Any, style: Any, **options: Unpack[TransferArguments]) -> None: ...
    def __init__(
        self,
        content: Any,
        style: Any,
        *,
        backend: str | Backend[Any] | Callable[[], Backend[Any]] = "auto",
        device: str | Sequence[str] | Devices = "auto",
        weights: str | Path | NetworkWeights | Callable[[], NetworkWeights] = "auto",
        content_layers: LayerSpec = CONTENT_LAYERS,
        style_layers: LayerSpec = STYLE_LAYERS,
        init: Any = "content",
        masks: Masks | Mapping[str, Any] | None = None,
        layout: Layout = "chw",
        optimizer: str | Optimizer = "lbfgs",
        memory: int | Plan | None = None,
        extra_terms: Sequence[Loss] = (),
        cache: Cache | None = None,
        **settings: Unpack[SettingsArguments],
    ) -> None:
        given = with_present_names(settings)
        cache = given.pop("cache", cache)
        require_known(given, ARGUMENTS, CONTROLS, "paint() or run()")
        if layout not in ("chw", "hwc"):
            raise SettingsError(f"layout is {layout!r}: choose from chw, hwc")
        self._layout: Layout = layout
        sources = list(style) if isinstance(style, (list, tuple)) else [style]
        self._sources = Sources.of(content, sources, {"masks": masks, "init": init, "weights": weights})
        named = isinstance(init, str) and init in STARTS
        self.settings = make_settings(
            content_layers=layer_weights(content_layers, "content layers"),
            style_layers=layer_weights(style_layers, "style layers"),
            init=init if named else "picture",
            optimizer=optimizer if isinstance(optimizer, str) else "custom",
            **given,
        )
        self._extra, self._memory = tuple(extra_terms), memory
        self._cache = Cache(0) if cache is None else cache
        self.layers = layers_read(self.settings, self._extra)
        shares = style_shares(self.settings.style_weights, len(sources), self.settings.uses_style)
        first, last = laid_out(content, layout)
        init, *planes = (laid_out(one, layout)[0] for one in (init, *sources))
        self._pictures, own = read_inputs(self.settings, self.layers, first, planes, init, masks)

        def restore(picture: Picture) -> Any:
            return last(own(picture))

        original, (width, height) = self._pictures.content, self._pictures.content.size
        color = Color(self.settings.color, self.settings.color_strength, self.settings.color_when)
        seen, styles = color.prepare(original, self._pictures.styles)
        self.output = Output(color, original, restore, self._pictures.masks)
        self._scene = make_scene(seen, styles, shares, self._pictures.masks)
        self.start = Start(self.settings, seen, styles, self._pictures.start)
        self._devices = devices_of(device)
        if isinstance(backend, str):
            backend = get_backend(backend, self._devices.first)
        backend = backend() if callable(backend) else backend
        precision = settled_precision(backend, self.settings.precision)
        self.settings = replace(self.settings, precision=precision)
        words = precisions(precision, self.schedule)
        made = {word: self._cache.backend(backend, PRECISIONS.get(word or "")) for word in words}
        self.backends: tuple[Backend[Any], ...] = tuple(made[word] for word in words)  # at each scale
        self.backend = self.backends[-1]
        self.weights = network_of(weights, self.settings.seed)
        self._spec = str(weights) if isinstance(weights, (str, Path)) else None
        self.weights.require(self.layers)
        asked, self.settings = self.settings, resolved(self.settings, self.weights, height, width)
        self._group = worker_group_of(self._devices, self.backend, self.weights, self._cache)
        self._notices = about_inputs(content, sources, asked, self.settings, self.weights)
        if isinstance(optimizer, str):
            pairs = min(self.plan.history, max(1, sum(steps for _, steps in self.schedule)))
            rate, metric = self.settings.rate, self.settings.metric
            optimizer = named_optimizer(optimizer, rate, pairs, metric, self.plan.half)
        self._optimizer = optimizer
        self._last_frame: Stage | None = None  # of the last frame, see `_frame`
        self._last: Progress | None = None  # of a run that is under way, see `save`
        self._position: RunState | None = None  # of a run that was saved, see `resume`

    def __reduce__(self) -> NoReturn:
        raise NSTError(
            "a StyleTransfer holds a backend and cannot be sent to another process or copied: send its arguments and "
            "make it there, or take nst.batch.Batch"
        )

    def _repr_rows(self) -> dict[str, str]:
        where = {"backend": f"{self.backend.name} on {self.backend.device}", "network": self.weights.name}
        size, scales = "{}x{}".format(*self.size), schedule_text(self.schedule)
        return {"size": size, "scales and steps": scales, **where, **self.plan._repr_rows()}

    @cached_property
    def plan(self) -> Plan:
        """How the picture will be computed, and the memory that it is expected to take."""
        memory = self._memory
        return memory if isinstance(memory, Plan) else self._cache.plan(self._task, memory)

    @property
    def content(self) -> Picture:
        """The content picture p as the optimisation sees it, at the size of the result."""
        return self._scene.content

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the result in pixels."""
        return self._scene.size

    @property
    def notices(self) -> tuple[str, ...]:
        """What a user should know before a run, a line each; `iterate` logs them as warnings of the logger "nst"."""
        return self._notices + about_memory(self.plan, self.size)

    @property
    def schedule(self) -> tuple[tuple[int, int], ...]:
        """(longest side in pixels, steps) of each scale, coarse to fine."""
        scales = self.settings.scales
        if scales == "auto" and self.settings.init == "picture":
            scales = 1  # to go on from a picture, not to paint over it
        return schedule(scales, self.settings.steps, max(self.size), *self._limits)

    @property
    def _limits(self) -> tuple[int, int]:
        """See `nst.engine.pyramid.limiting_picture`."""
        styles = [style.picture for style in self._scene.styles]
        return limiting_picture(self.layers, self.settings.padding, self.content, styles)

    def iterate(self, until: Callable[[], object] = lambda: False) -> Iterator[Progress]:
        """Yield the start picture and then the iterate after each step.

        Ends after all steps, or earlier with a record whose `stopped` says why. The size grows from scale to
        scale. After `resume` the first picture is the one that was saved, and a second call starts from the start.

        Args:
            until: asked before each step and while a size is set up; what is true ends the run, which may then be
                saved. `threading.Event().is_set` is one.

        Raises:
            NSTError: the losses of the start picture are not finite.
        """
        ended: object = False

        def asked() -> object:
            nonlocal ended
            ended = until()
            return ended

        for line in self.notices:
            logging.getLogger("nst").warning(line)
        position, self._position = self._position, None
        records = self._run.iterate(position, asked)
        del position  # whose memory is the run's to free
        for self._last in records:
            yield self._last
        if not ended:
            self._last = None

    def _stage(self, longest: int, backend: Backend[Any] | None = None) -> Stage:
        """What is minimised at a longest side of that many pixels; `backend` is that of the last size unless given."""
        run = self._run
        context = replace(run.context, backend=backend or self.backend)
        return Stage(run.scene_at(longest), run.losses, context)

    def full_size(self, record: Progress) -> Picture:
        """The picture of a record at the size of the result, which a record of a coarser scale is brought up to."""
        return self._run.full_size(record)

    def paint(
        self,
        callback: Callable[[Progress], object] | None = None,
        *,
        progress: Literal["auto"] | bool = "auto",
        deadline: float | None = None,
        cancel: Cancel | None = None,
    ) -> Result[Kind]:
        """Iterate to the end, to a deadline or until it is cancelled; the picture, its losses and why it ended.

        Args:
            callback: called here with the record of the start picture and of every step; what it raises ends the run.
            progress: True for a bar on stderr or in the notebook, "auto" for one where somebody looks, False for none.
            deadline: seconds from here; no step begins after them. The picture has its full size even so, and is the
                start picture if there was no time at all. `save` keeps what is needed to go on.
            cancel: a `threading.Event`; the same when it is set, from any thread.

        Raises:
            NSTError: as `iterate`, or an argument that cannot be.
        """
        return self._paint_under(Control(callback, progress, deadline, cancel))

    def _paint_under(self, control: Control) -> Result[Kind]:
        """`paint` with its arguments as one value, whose time may have begun before."""
        result = follow(self._run, self.iterate, control)
        command = {"name": "python"} if self._extra else STYLIZE
        made = describe(self, self._sources, result.settings, result.steps, command)
        return replace(result, _made=made)

    def run(
        self, callback: Callable[[Progress], object] | None = None, **options: Unpack[PaintArguments]
    ) -> Kind:
        """The picture of `paint`, of the same kind as the content picture."""
        return self.paint(callback, **options).image

    def save(
        self,
        path: str | os.PathLike[str],
        notes: Mapping[str, Any] | None = None,
        files: Mapping[str, Any] | None = None,
    ) -> None:
        """Write what `resume` needs to go on from the last record that `iterate` gave, whole or not at all.

        Args:
            path: replaced in one step.
            notes: of your own, for JSON; see `Checkpoint.notes`.
            files: of your own, arrays of uint8 by name; see `Checkpoint.file`.

        Raises:
            NSTError: no run is under way, an optimiser of your own, or the file cannot be written.
        """
        record = self._last
        if record is None:
            raise NSTError("there is no run to save: call save between two steps of iterate()")
        make_checkpoint(
            settings=self.settings,
            pictures=self._pictures,
            plan=self.plan,
            optimizer=self._optimizer,
            losses=[loss.name for loss in self._extra],
            position=record.position,
            backend=self.backend,
            devices=self._devices,
            weights=self.weights,
            spec=self._spec,
            notes=notes or {},
            files=files or {},
        ).write(path)

    @classmethod
    def resume(
        cls,
        saved: str | os.PathLike[str] | Checkpoint,
        *,
        backend: Backend[Any] | Callable[[], Backend[Any]] | None = None,
        weights: str | Path | NetworkWeights | Callable[[], NetworkWeights] | None = None,
        device: str | Sequence[str] | Devices | None = None,
        extra_terms: Sequence[Loss] = (),
        like: Any = None,
        anyway: bool = False,
    ) -> StyleTransfer:
        """A transfer that goes on where `save` was called: on the same machine with the very same bits.

        Args:
            saved: the file, or what `nst.checkpoint.read_checkpoint` read from it.
            backend: the one to go on with; the same one unless given.
            weights: the network; unless given what it was asked for by, where that is on this machine: no file starts
                a download.
            device: the same; several, and a cluster, have to be given again.
            extra_terms: the same losses of your own, if there were any: they cannot be saved.
            like: a picture of the kind that the result is to be; a PIL image unless given.
            anyway: go on although a version, the network or the machine is another; the bits then are others too.

        Raises:
            NSTError: the file is not a checkpoint, or something is not as it was.
        """
        if not isinstance(saved, Checkpoint):
            saved = read_checkpoint(saved)
        if [loss.name for loss in extra_terms] != list(saved.losses):
            raise SettingsError(
                f"the run has losses of your own ({', '.join(saved.losses)}): give extra_terms"
            )
        spec = saved.weights["spec"]
        if weights is None and spec is None:
            raise SettingsError(f"the network {saved.weights['name']} was given as an object: give weights")
        pictures, settings = saved.pictures, saved.settings
        network = partial(weights_here, spec, settings.seed) if weights is None else weights
        given = {key: v for key, v in settings.as_dict().items() if key not in ("init", "optimizer")}
        transfer = cls(
            pictures.content,
            list(pictures.styles),
            backend=partial(get_backend, **saved.backend) if backend is None else backend,
            device=saved.devices if device is None else device,
            weights=network,
            init=pictures.start if settings.init == "picture" else settings.init,
            masks=pictures.masks,
            optimizer=saved.optimizer if settings.optimizer == "custom" else settings.optimizer,
            memory=saved.plan,
            extra_terms=extra_terms,
            **{**given, "size": "content"},  # the pictures have it
        )
        changed = saved.differences(transfer.backend, transfer.weights)
        if changed and not anyway:
            raise NSTError(
                f"{'; '.join(changed)}: the result would be another; anyway=True (--anyway) goes on"
            )
        if like is not None:
            transfer.output = replace(transfer.output, restore=from_any(like)[1])
        transfer._spec = saved.weights["spec"] if transfer._spec is None else transfer._spec
        transfer._position = saved.position(transfer.backend, transfer.schedule, transfer._run.shape_at)
        return transfer

    def _frame(self, content: Any, init: Any, extra_terms: Sequence[Loss] = ()) -> Run:
        """A run for another content picture, such as the next frame of a video, at the size of the result alone.

        Weights of the losses are those of the frame before; its targets of the styles and what is compiled are in the
        cache.

        Args:
            content: of the same size, of any kind that `StyleTransfer` takes.
            init: the picture to start from.
            extra_terms: as this transfer has them, with other targets.
        """
        longest = max(self.size)
        first, last = laid_out(content, self._layout)
        picture, own = from_any(first, longest, self.settings.max_pixels)
        original = resize(picture, *self.size)
        seen, _ = self.output.color.prepare(original, [])
        scene = replace(self._scene, content=seen)
        losses = (*losses_of(self.settings, self.weights), *extra_terms)
        before = self._last_frame or self._stage(longest)
        self._last_frame = Stage(scene, losses, self._run.context, before.state)
        return replace(
            self._run,
            scene=scene,
            losses=losses,
            start=replace(self.start, content=seen, picture=from_any(laid_out(init, self._layout)[0])[0]),
            schedule=self.schedule[-1:],
            backends=self.backends[-1:],
            output=replace(self.output, original=original, restore=lambda result: last(own(result))),
            ready=self._last_frame,
        )

    @cached_property
    def _task(self) -> Task:
        """What takes the most memory: the last size with steps, or a coarser one in a higher precision."""
        workers, nearby = (self._group.size, self._group.nearby) if self._group else (1, 0)

        def task(longest: int, backend: Backend[Any]) -> Task:
            size, networks = fit_longest_side(*self.size, longest), len({*self.backends})
            coarser = longest > self.schedule[0][0]
            return Task(
                self.settings, self.weights, backend, size, self.layers, workers, nearby, networks, coarser
            )

        scales = zip(self.schedule, self.backends, strict=True)
        tasks = [task(side, backend) for (side, steps), backend in scales if steps]
        return max(tasks or [task(max(self.size), self.backend)], key=lambda task: predict(task).peak)

    @cached_property
    def _run(self) -> Run:
        average, sides = self.settings.average, self.plan.sides(self._task)
        return Run(
            scene=self._scene,
            losses=(*losses_of(self.settings, self.weights), *self._extra),
            context=Context(self.settings, self.weights, self.backend, sides, self._cache, self._group),
            backends=self.backends,
            optimizer=Averaged(self._optimizer, average) if average else self._optimizer,
            start=self.start,
            schedule=self.schedule,
            output=self.output,
        )


ARGUMENTS = frozenset(Settings.__dataclass_fields__).union(StyleTransfer.__init__.__kwdefaults__ or ())
"""What `StyleTransfer` takes by name."""


def follow(
    run: Run, iterate: Callable[[Callable[[], object]], Iterator[Progress]], control: Control
) -> Result:
    """Iterate to the end, or until `control` says that it is enough.

    `iterate` makes the records, given what is asked before every step (true ends the run).
    """
    history, record, why = History(), None, None

    def until() -> Ended | None:
        nonlocal why
        why = control.ended()
        return why

    wanted = is_watched() if control.progress == "auto" else control.progress
    with progress_bar(not wanted) as show:
        for record in iterate(until):
            history.add(record)
            show_record(show, record)
            if control.callback is not None:
                control.callback(record)
    stopped = why if record is None else record.stopped or why
    if stopped == "non-finite":
        logging.getLogger("nst").warning(
            "stopped after %d steps at a loss that is not finite: the picture is that of the last good step",
            record.step if record else 0,
        )
    picture = run.full_size(record)
    return Result(
        picture=picture,
        steps=0 if record is None else record.step,
        asked=sum(count for _, count in run.schedule),
        stopped=stopped,
        seconds=control.seconds,
        losses=history.columns(),
        settings=replace(run.context.settings, size=max(picture.size)),
        backend=f"{run.context.backend.name} on {run.context.backend.device}",
        weights=run.context.weights.name,
        _restore=run.output.restore,
    )


def show_record(show: Show, record: Progress) -> None:
    """Move a bar to a record."""
    show(record.step, record.steps, "{}x{}".format(*record.size), partial(_loss, record), record.left or 0.0)


def _loss(record: Progress) -> str:
    return f"loss {record.losses().total:.4g}"
