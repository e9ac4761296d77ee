"""What a run shows of its way: pictures of some steps, an animation."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nst.errors import SettingsError

if TYPE_CHECKING:
    from nst.transfer import Progress, StyleTransfer

__all__ = ["Recorder", "check_frames", "frame_options", "saved_steps", "step_path"]


def frame_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--save-every, --save-at and --animate."""
    for option in (
        click.option(
            "--animate",
            type=click.Path(dir_okay=False),
            metavar="FILE",
            help="The run as .gif, .webp or .mp4 (with ffmpeg).",
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
    from nst.cli._animation import check_animation

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
    return frozenset(at) | frozenset(range(every, steps + 1, every) if every else ())


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
    ) -> None:
        from nst.cli._animation import frame_steps

        counts = [count for _, count in transfer.schedule]
        self._transfer, self._paths, self._output, self._animate = transfer, paths, output, animate
        self._steps = sum(counts)
        self._saved = saved_steps(every, at, self._steps)
        self._shown = frozenset(frame_steps(counts) if animate else ())
        self._folder = tempfile.TemporaryDirectory(prefix="nst-") if animate else None
        self._frames: list[Path] = []
        self._last: Progress | None = None

    def see(self, record: Progress) -> None:
        """Take one record; cheap for a step that nobody asked for.

        Raises:
            ImageError: a picture cannot be written.
        """
        from nst.cli._trace import describe
        from nst.images import write_picture

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
        from nst.cli._animation import write_animation

        if self._folder is None or self._animate is None or self._last is None:
            return
        with self._folder:
            if self._last.step not in self._shown:
                self._show(self._last)
            write_animation(self._animate, self._frames)

    def _show(self, record: Progress) -> None:
        """Keep a frame: the iterate at the final size, on white."""
        from PIL import Image

        from nst.images import resize, to_pil

        assert self._folder is not None
        picture = to_pil(resize(record.picture(), *self._transfer.size)).convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        self._frames.append(Path(self._folder.name, f"{len(self._frames)}.png"))
        Image.alpha_composite(white, picture).convert("RGB").save(self._frames[-1], compress_level=1)


def _steps(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, ...]:
    words = [] if text is None else text.replace(",", " ").split()
    if text is not None and (not words or not all(word.isdecimal() for word in words)):
        raise click.BadParameter(f"{text!r} is not a list of steps such as 10,50,100")
    return tuple(sorted({int(word) for word in words}))
