"""What a run writes: pictures of some steps, an animation, the trace (settings and losses as JSON), the result.

A result that cannot be written where it was to go is written somewhere else: hours of work are not thrown away.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from nst.cli.job import Job, unwritable_trace
from nst.errors import ImageError, NSTError, SettingsError
from nst.files import unwritten, write_atomically
from nst.pictures.picture import Picture
from nst.pictures.writing import write_picture
from nst.progress import Progress

if TYPE_CHECKING:
    from nst.transfer import StyleTransfer


def saved_steps(every: int | None, at: Sequence[int], steps: int) -> frozenset[int]:
    """The steps to save; SettingsError if one of `at` is beyond the last step."""
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

    One that goes on has `frames`: PNG files of the animation by step. SettingsError: a step that the run does not have.
    ImageError: no such animation of pictures of that size can be written, which is tried.
    """

    def __init__(
        self,
        transfer: StyleTransfer,
        job: Job,
        frames: Mapping[int, bytes] | None = None,
    ) -> None:
        counts = [count for _, count in transfer.schedule]
        self._transfer, self._job = transfer, job
        self._steps = sum(counts)
        self._saved = saved_steps(job.save_every, job.save_at, self._steps)
        self._shown = frozenset(frame_steps(counts) if job.animate else ())
        if job.animate:
            try_animation(job.animate, transfer.output.original)
        self._folder = Scratch(Path(job.animate).parent) if job.animate else None
        self.frames: dict[int, Path] = {}
        for step, data in (frames or {}).items():
            self._frame(step).write_bytes(data)
        self._last: Progress | None = None

    def see(self, record: Progress) -> None:
        """Take one record; cheap for a step that nobody asked for. ImageError: a picture cannot be written."""
        if record.stopped:  # the last good iterate once more
            return
        self._last = record
        if record.step in self._saved:
            description, picture = self._job.describe(self._transfer, record), record.picture()
            description["command"]["save_at"] = record.step
            path = step_path(self._job.output, record.step, self._steps)
            write_picture(picture, path, **self._job.labels.of(description, picture.tags))
        if record.step in self._shown:
            self._show(record)

    def finish(self) -> None:
        """Write the animation, also of a run that ended early; ImageError if it cannot be written."""
        if self._folder is None or self._job.animate is None or self._last is None:
            return
        with self._folder:
            if self._last.step not in self._shown:
                self._show(self._last)
            description = self._job.describe(self._transfer, self._last)
            told = self._job.labels.of(description, self._transfer.content.tags)["settings"]
            write_animation(self._job.animate, list(self.frames.values()), told)

    def _show(self, record: Progress) -> None:
        """Keep a frame: the iterate at the final size, on white."""
        from PIL import Image

        from nst.pictures.picture import resize
        from nst.pictures.writing import to_pil

        picture = to_pil(resize(record.picture(), *self._transfer.size)).convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        frame, whole = self._frame(record.step), Image.alpha_composite(white, picture).convert("RGB")
        try:
            whole.save(frame, compress_level=1)
        except OSError as error:
            raise ImageError(
                f"cannot keep a frame of {self._job.animate} in {frame.parent}: {unwritten(error)}"
            ) from error

    def _frame(self, step: int) -> Path:
        """Where a frame is kept until the animation is written."""
        assert self._folder is not None
        return self.frames.setdefault(step, Path(self._folder.name, f"{step}.png"))


FRAMES = 60
FRAME_MS, HOLD_MS = 80, 2000


def frame_steps(counts: Sequence[int], frames: int = FRAMES) -> tuple[int, ...]:
    """The steps that make good frames, ascending: the start, and at most `frames` more, early ones above all.

    An optimisation changes most at its beginning, and again whenever the picture has been enlarged. Within a size
    the k-th of n frames shows step (k / n)^2 of the way, so that the picture seems to change at an even pace.
    """
    total, done = sum(counts), 0
    steps = {0}
    for count in counts:
        share = max(1, frames * count // total) if count else 0
        steps |= {done + max(1, round(count * (k / share) ** 2)) for k in range(1, share + 1)}
        done += count
    return tuple(sorted(steps))


def try_animation(path: str, picture: Picture) -> None:
    """Before the work starts: ImageError if no such animation of such pictures can be written."""
    from fractions import Fraction

    from nst.cli.movies.film import Timing
    from nst.cli.movies.writing import try_movie

    try_movie(Path(path), picture, Timing(Fraction(1000, FRAME_MS)))


def write_animation(path: str, frames: Sequence[Path], description: Mapping[str, Any] | None = None) -> None:
    """Write pictures of one size; the last one stays for two seconds. ImageError as of `_or_elsewhere`."""
    from fractions import Fraction

    from nst.cli.movies.film import Timing
    from nst.cli.movies.writing import ANIMATIONS, write_movie

    rate, shown = Fraction(1000, FRAME_MS), list(frames)
    timing = Timing(rate, [*[1 / rate] * (len(shown) - 1), Fraction(HOLD_MS, 1000)])
    if Path(path).suffix.lower() not in ANIMATIONS:  # players end a video when its last frame begins
        shown, timing = shown + [shown[-1]] * (HOLD_MS // FRAME_MS - 1), Timing(rate)
    _or_elsewhere(path, "animation", lambda place: write_movie(place, shown, timing, description))


def step_record(record: Progress) -> dict[str, Any]:
    """One line of the trace; waits for the device."""
    losses = record.losses()
    return {
        "step": record.step,
        "size": list(record.size),
        "terms": dict(losses.terms),
        "weights": record.weights,
        "total": losses.total,
        "seconds": round(record.seconds, 6),
    }


def write_trace(path: str, description: dict[str, Any], steps: Sequence[dict[str, Any]]) -> None:
    """Write the file, whole or not at all; SettingsError if it cannot be written."""
    document = {**description, "steps": list(steps)}
    try:
        write_atomically(path, (json.dumps(document, indent=1) + "\n").encode())
    except OSError as error:
        raise unwritable_trace(path, error) from error


def save_results(
    picture: Picture, job: Job, description: dict[str, Any], steps: Sequence[dict[str, Any]]
) -> None:
    """The picture and the trace of a run; where one cannot be written, the other is all the same.

    The description is that of `nst.description.describe`; the trace has a record for each step. NSTError: one of them,
    or both, could not be written.
    """
    problems: list[NSTError] = []
    try:
        save_picture(picture, job.output, **job.labels.of(description, picture.tags))
    except NSTError as error:
        problems.append(error)
    try:
        if job.trace is not None:
            write_trace(job.trace, description, steps)
    except NSTError as error:
        problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise NSTError("; ".join(map(str, problems)))


def save_picture(picture: Picture, path: str, **labels: Any) -> None:
    """`write_picture`, ImageError as of `_or_elsewhere`; labels are those of `nst.description.Labels`."""
    _or_elsewhere(path, "picture", lambda place: write_picture(picture, place, **labels))


def _or_elsewhere(path: str, what: str, write: Callable[[Path], None]) -> None:
    """Whole or not at all, and else into the folder of temporary files or the one that the program runs in.

    ImageError: it could not be written to `path`; where it is instead.
    """
    try:
        write(Path(path))
    except ImageError as error:
        name = f"{Path(path).stem}-{secrets.token_hex(3)}{Path(path).suffix}"
        for place in (folder / name for folder in _folders()):
            try:
                write(place)
            except ImageError:  # full as well
                continue
            raise ImageError(f"{error}; the {what} is in {place}") from error
        raise


def _folders() -> list[Path]:
    found = []
    for folder in (tempfile.gettempdir, Path.cwd):
        with suppress(
            OSError
        ):  # FileNotFoundError: no folder of temporary files can be written to, or this one is gone
            found.append(Path(folder()))
    return found


_PREFIX = "nst-run-"


class Scratch:
    """A new folder where temporary files are, gone when its `with` ends or the program does.

    Where none may be, it is in the folder `instead`.

    A process that is killed cannot remove its own. It has the folder locked, and a lock goes with its process: the next
    `Scratch` removes every folder that nobody has locked.

    Attributes:
        name: the path of the folder.
    """

    def __init__(self, instead: Path) -> None:
        try:
            place = Path(tempfile.gettempdir())
        except OSError:
            place = instead
        for folder in place.glob(f"{_PREFIX}*"):
            if (lock := _lock(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
        while True:
            self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=place, ignore_cleanup_errors=True)
            self.name = self._folder.name
            self._held = _lock(Path(self.name))
            if Path(self.name).is_dir():  # else another process came between the last two lines
                break

    def __enter__(self) -> Scratch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()
        if self._held is not None:
            os.close(self._held)


def _lock(folder: Path) -> int | None:
    """A descriptor by which this process has the folder locked; None where another one has, or it is another user's."""
    if sys.platform == "win32":  # which has no locks of folders, and its own ways to empty this one
        return None
    import fcntl

    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return descriptor
    return None
