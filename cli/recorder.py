"""What a run shows of its way: pictures of some steps, an animation."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nst.errors import ImageError, SettingsError

if TYPE_CHECKING:
    from nst.progress import Progress
    from nst.transfer import StyleTransfer

__all__ = [
    "Recorder",
    "check_animation",
    "check_frames",
    "frame_options",
    "frame_steps",
    "saved_steps",
    "step_path",
    "write_animation",
]


def frame_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--save-every, --save-at and --animate."""
    for option in (
        click.option(
            "--animate",
            type=click.Path(dir_okay=False),
            metavar="FILE",
            help="The run as .gif, .webp or .mp4.",
        ),
        click.option(
            "--save-at", metavar="STEPS", callback=_steps, help="Save these steps too, e.g. 10,50,100."
        ),
        click.option(
            "--save-every",
            type=click.IntRange(min=1),
            metavar="N",
            help="Save every N-th step too, as OUT with its number.",
        ),
    ):
        command = option(command)
    return command


def check_frames(animate: str | None, output: str, trace: str | None) -> None:
    """Before the work starts.

    Raises:
        ImageError: the animation cannot be written.
        SettingsError: it is the picture or the trace.
    """
    if animate is None:
        return
    if os.path.realpath(animate) in [os.path.realpath(path) for path in (output, trace) if path]:
        raise SettingsError(f"the animation {animate} is another output too: give them different names")
    check_animation(animate)


def saved_steps(every: int | None, at: Sequence[int], steps: int) -> frozenset[int]:
    """The steps to save.

    Raises:
        SettingsError: one of `at` is beyond the last step.
    """
    if at and max(at) > steps:
        raise SettingsError(f"--save-at {max(at)}: the run has {steps} steps")
    # the last step is the result itself
    return frozenset(at) | frozenset(range(every, steps, every) if every else ())


def step_path(output: str, step: int, steps: int) -> Path:
    """`output` with the step before its suffix, as wide as the last step's: out-040.png of 300."""
    path = Path(output)
    return path.with_name(f"{path.stem}-{step:0{len(str(steps))}d}{path.suffix}")


class Recorder:
    """Looks at each record of a run and keeps what was asked for.

    Args:
        transfer: what is run.
        paths: what the user typed for "content", "styles" and "init"; for the metadata.
        output: the picture that the run writes.
        every: save every so many steps.
        at: and these.
        animate: the animation to write.
        frames: PNG files of the animation by step, of a run that goes on.

    Raises:
        SettingsError: a step that the run does not have.
    """

    def __init__(
        self,
        transfer: StyleTransfer,
        paths: Mapping[str, Any],
        output: str,
        every: int | None,
        at: Sequence[int],
        animate: str | None,
        frames: Mapping[int, bytes] | None = None,
    ) -> None:
        from nst.cli.scratch import Scratch  # here and not above, so that help pages are quick

        counts = [count for _, count in transfer.schedule]
        self._transfer, self._paths, self._output, self._animate = transfer, paths, output, animate
        self._steps = sum(counts)
        self._saved = saved_steps(every, at, self._steps)
        self._shown = frozenset(frame_steps(counts) if animate else ())
        self._folder = Scratch() if animate else None
        self.frames: dict[int, Path] = {}
        for step, data in (frames or {}).items():
            self._frame(step).write_bytes(data)
        self._last: Progress | None = None

    def see(self, record: Progress) -> None:
        """Take one record; cheap for a step that nobody asked for.

        Raises:
            ImageError: a picture cannot be written.
        """
        from nst.description import describe
        from nst.pictures.writing import write_picture

        if record.stopped:  # the last good iterate once more
            return
        self._last = record
        if record.step in self._saved:
            description = describe(self._transfer, self._paths, record)
            path = step_path(self._output, record.step, self._steps)
            write_picture(record.picture(), path, {**description, "step": record.step})
        if record.step in self._shown:
            self._show(record)

    def finish(self) -> None:
        """Write the animation, also of a run that ended early.

        Raises:
            ImageError: it cannot be written.
        """
        if self._folder is None or self._animate is None or self._last is None:
            return
        with self._folder:
            if self._last.step not in self._shown:
                self._show(self._last)
            write_animation(self._animate, list(self.frames.values()))

    def _show(self, record: Progress) -> None:
        """Keep a frame: the iterate at the final size, on white."""
        from PIL import Image

        from nst.pictures.picture import resize
        from nst.pictures.writing import to_pil

        picture = to_pil(resize(record.picture(), *self._transfer.size)).convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        Image.alpha_composite(white, picture).convert("RGB").save(self._frame(record.step), compress_level=1)

    def _frame(self, step: int) -> Path:
        """Where a frame is kept until the animation is written."""
        assert self._folder is not None
        return self.frames.setdefault(step, Path(self._folder.name, f"{step}.png"))


def _steps(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, ...]:
    words = [] if text is None else text.replace(",", " ").split()
    if text is not None and (not words or not all(word.isdecimal() for word in words)):
        raise click.BadParameter(f"{text!r} is not a list of steps such as 10,50,100")
    return tuple(sorted({int(word) for word in words}))


FRAMES = 60


FRAME_MS, HOLD_MS = 80, 2000


def check_animation(path: str) -> None:
    """Before the work starts.

    Raises:
        ImageError: another extension, a folder that cannot be written to, MP4 without PyAV.
    """
    from nst.cli.movies.writing import ANIMATIONS, check_movie

    suffix = Path(path).suffix.lower()
    if suffix not in (*ANIMATIONS, ".mp4"):
        raise ImageError(f"cannot write {path}: an animation is .gif, .webp or .mp4")
    check_movie(Path(path))


def frame_steps(counts: Sequence[int], frames: int = FRAMES) -> tuple[int, ...]:
    """The steps that make good frames: the start, and more of the early ones at each size.

    An optimisation changes most at its beginning, and again whenever the picture has been enlarged. Within a size
    the k-th of n frames shows step (k / n)^2 of the way, so that the picture seems to change at an even pace.

    Args:
        counts: number of steps of each size.
        frames: how many at most, beside the start.

    Returns:
        Ascending, from 0 to the last step.
    """
    total, done = sum(counts), 0
    steps = {0}
    for count in counts:
        share = max(1, frames * count // total) if count else 0
        steps |= {done + max(1, round(count * (k / share) ** 2)) for k in range(1, share + 1)}
        done += count
    return tuple(sorted(steps))


def write_animation(path: str, frames: Sequence[Path]) -> None:
    """Write pictures of one size, whole or not at all; the last one stays for two seconds.

    Raises:
        ImageError: encoding or writing failed.
    """
    from fractions import Fraction

    from nst.cli.movies.timing import Timing
    from nst.cli.movies.writing import ANIMATIONS, write_movie

    rate, shown = Fraction(1000, FRAME_MS), list(frames)
    timing = Timing(rate, [*[1 / rate] * (len(shown) - 1), Fraction(HOLD_MS, 1000)])
    if Path(path).suffix.lower() not in ANIMATIONS:  # players end a video when its last frame begins
        shown, timing = shown + [shown[-1]] * (HOLD_MS // FRAME_MS - 1), Timing(rate)
    write_movie(Path(path), shown, timing)
