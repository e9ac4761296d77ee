"""What the loop tells its caller: one record for each iterate, with the time that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from statistics import median
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from nst.engine.stage import RunState
from nst.errors import ReprHtml, SettingsError
from nst.optim import State, Stop
from nst.pictures.color import Color
from nst.pictures.masks import Masks, restore_protected
from nst.pictures.picture import Picture, from_planar
from nst.pictures.writing import with_caption
from nst.protocol import HostArray
from nst.settings import Settings

if TYPE_CHECKING:
    from nst.engine.stage import Stage

P = ParamSpec("P")


@dataclass(frozen=True, repr=False)
class Losses(ReprHtml):
    """Losses of one iterate: `terms` are unweighted, `total` is their weighted sum.

    The terms are the paper's, but for the style loss of a weight that was left open: it is relative, see
    `nst.engine.weighting`.

    Examples:
        >>> *_, last = nst.StyleTransfer(content, style, steps=2).iterate()
        >>> sorted(last.losses().terms)
        ['content', 'style']
    """

    total: float
    terms: Mapping[str, float]

    def _repr_rows(self) -> dict[str, str]:
        return {name: f"{value:.4g}" for name, value in {"total": self.total, **self.terms}.items()}


@dataclass(frozen=True, eq=False)
class Output:
    """How an iterate becomes what the caller sees."""

    color: Color
    original: Picture  # the content picture at the size of the result, with its own colours
    restore: Callable[[Picture], Any]  # a picture as the kind of object that the content picture was
    masks: Masks | None = None  # where `original` stays

    def finish(self, picture: Picture) -> Picture:
        """An iterate with its colours as `settings.color` says, and the photograph where it is protected."""
        finished = restore_protected(self.color.finish(picture, self.original), self.original, self.masks)
        return replace(finished, tags=self.original.tags)


@dataclass(frozen=True, repr=False)
class Progress:
    """One iterate of the optimisation. Step 0 is the start picture before any change.

    A last size without steps is the result of the one before brought up to size; losses and weights are those there.

    Attributes:
        step: steps done, at all scales together.
        steps: steps asked for.
        scale: which of the sizes this is, from 1.
        scales: how many sizes there are.
        size: (width, height) of the iterate in pixels.
        seconds: since the optimisation began.
        stopped: why no further step could be made ("converged", "non-finite"), or None. The iterate is the
            last good one.
        left: seconds that the run will still take, by those of the steps so far; None before a few were timed.

    Examples:
        >>> [(record.step, record.size) for record in nst.StyleTransfer(content, style, steps=2).iterate()]
        [(0, (40, 32)), (1, (40, 32)), (2, (40, 32))]
    """

    step: int
    steps: int
    scale: int
    scales: int
    size: tuple[int, int]
    seconds: float
    stopped: Stop | None
    _settings: Settings
    _longest: int
    _output: Output
    _stage: Stage
    _state: State[Any]
    _enlarged: Picture | None = None
    _noise: HostArray | None = None  # of the start, not yet painted with
    left: float | None = None

    def __repr__(self) -> str:
        scales = f", scale {self.scale} of {self.scales}" if self.scales > 1 else ""
        stopped = f", {self.stopped}" if self.stopped else ""
        size = "{}x{}".format(*self.size)
        return f"Progress(step {self.step} of {self.steps}{scales}, {size}, {self.seconds:.1f} s{stopped})"

    def _repr_png_(self) -> bytes:
        told = repr(self).removeprefix("Progress(").removesuffix(")")
        losses, weights = self.losses(), self.weights
        terms = ", ".join(f"{name} {weights[name] * value:.4g}" for name, value in losses.terms.items())
        return with_caption(self.picture(), f"{told}\nloss {losses.total:.4g}: {terms}")

    @property
    def weights(self) -> dict[str, float]:
        """alpha, beta and gamma by the name of the loss, at this size; those left open are worked out."""
        return dict(self._stage.weights)

    @property
    def settings(self) -> Settings:
        """The settings of the run, its size worked out; with them the run can be repeated."""
        return replace(self._settings, size=self._longest)

    @property
    def position(self) -> RunState:
        """Where the run is, for as long as this is the last record."""
        done = self.step - self._state.step
        scale = self.scale if self._enlarged is None else self.scale - 1
        return RunState(scale, done, self.seconds, self._stage.state, self._state)

    def losses(self) -> Losses:
        """The losses; waits for the device."""
        terms, weights = self._state.evaluation.terms, self._stage.weights
        values = self._stage.context.backend.space.scalars(list(terms.values()))
        named = dict(zip(terms, values.tolist(), strict=True))
        return Losses(sum(weights[name] * value for name, value in named.items()), named)

    def image(self) -> Any:
        """The picture, of the same kind as the content picture that came in; waits for the device."""
        return self._output.restore(self.picture())

    def picture(self) -> Picture:
        """The picture as sRGB in [0, 1], with the content picture's alpha; waits for the device."""
        return self._output.finish(self.raw_picture())

    def colored(self, color: Color) -> Progress:
        """The same iterate as a run with other colours has it, which come afterwards as do those of this run.

        Raises:
            SettingsError: colours that the optimisation sees.
        """
        for one in (self._output.color, color):
            if one.early:
                raise SettingsError(f"color {one.mode} changes what is optimised: it takes a run of its own")
        changed = replace(
            self._settings, color=color.mode, color_strength=color.strength, color_when=color.when
        )
        return replace(self, _settings=changed, _output=replace(self._output, color=color))

    def raw_picture(self) -> Picture:
        """The picture as the optimisation has it, before `finish` changes it; waits for the device."""
        if self._enlarged is not None:
            return self._enlarged
        return from_planar(self.painted(), self._stage.scene.content.alpha)

    def painted(self) -> HostArray:
        """`array`, less the noise of the start that the first steps at a size have not made strokes of."""
        array = self.array()
        return array if self._noise is None else array - self._noise

    def array(self) -> HostArray:
        """The picture as the optimiser has it, (1, 3, H, W), also below 0 and above 1; waits for the device."""
        backend = self._stage.context.backend
        return backend.to_numpy(self._state.result(backend.space))


TIMED, RECENT = 3, 8  # steps at a further size before their time counts, and how many of the last ones do

SETUP = 4  # steps take as long as what is done before the first one at a size: 3 to 6 were measured

UNSCALED = 12_000
"""Pixels: what a step takes whatever the size is, most of it for filters, is the time of so many. On a processor 5,000
(ONNX Runtime) to 15,000 (PyTorch in bfloat16) were measured; of two sizes that were timed it is worked out."""


class Pace:
    """How long a run will still take, from the time of its steps so far.

    `schedule` is pixels and steps of each size, coarse to fine.
    """

    def __init__(self, schedule: Sequence[tuple[float, int]]) -> None:
        self._schedule = schedule
        self._seconds: list[list[float]] = [[] for _ in schedule]

    def add(self, size: int, seconds: float) -> None:
        """A step at a size, counted from 0."""
        self._seconds[size].append(seconds)

    def left(self, size: int, step: int) -> float | None:
        """Seconds after so many steps at a size."""
        known = [
            (pixels, seconds)
            for (pixels, _), seconds in zip(self._schedule, self._seconds, strict=True)
            if seconds
        ]
        if not known:
            return None
        timed = [(pixels, median(seconds[-RECENT:])) for pixels, seconds in known if len(seconds) >= TIMED]
        timed = timed or [(known[0][0], median(known[0][1]))]
        (least, _), (most, longer) = timed[0], timed[-1]
        if most >= 4 * least:  # else the noise of the clock would decide
            fixed, each = line(timed)
        else:
            each = longer / (UNSCALED + most)
            fixed = UNSCALED * each
        ahead = self._schedule[size + 1 :]
        pixels, steps = self._schedule[size]
        costs = [(pixels, steps - step), *((pixels, steps + SETUP) for pixels, steps in ahead if steps)]
        return sum(count * (fixed + each * pixels) for pixels, count in costs)


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Seconds that do not depend on the pixels, and seconds a pixel, neither below 0, from (pixels, seconds)."""
    (most, longer), (least, shorter) = points[-1], points[0]
    slope = (longer - shorter) / (most - least) if most > least else 0.0
    fixed = longer - slope * most
    if slope <= 0 or fixed <= 0:  # noise of the clock, or a cache that only the smaller one fits into
        return 0.0, longer / most
    return fixed, slope


def without_overflow_warnings(iterate: Callable[P, Iterator[Progress]]) -> Callable[P, Iterator[Progress]]:
    """A function that yields records, without numpy's warnings: overflow shows in the losses, which are checked."""

    def each(records: Iterator[Progress]) -> Iterator[Progress]:
        while True:
            with np.errstate(over="ignore", invalid="ignore"):
                record = next(records, None)
            if record is None:
                return
            yield record

    @wraps(iterate)
    def silent(*args: P.args, **options: P.kwargs) -> Iterator[Progress]:
        return each(iterate(*args, **options))

    return silent
