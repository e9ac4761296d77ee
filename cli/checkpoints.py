"""Checkpoints of a run at the terminal: what `nst resume` needs besides the transfer, and when it is written."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nst.description import Fingerprints, Sources
from nst.errors import NSTError, SettingsError
from nst.files import check_writable

if TYPE_CHECKING:
    from nst.checkpoint import Checkpoint
    from nst.cli.recorder import Recorder
    from nst.progress import Progress
    from nst.transfer import StyleTransfer

__all__ = ["Before", "Job", "Keeper", "before", "changed_inputs", "hashes", "job_of"]

AFTER = 300.0
"""Seconds after which a run that nobody asked to be saved is saved all the same."""

SHARE = 20.0
"""The time between two checkpoints is this many times what the last one took, or more."""


@dataclass(frozen=True)
class Job:
    """What a run writes, and what it is made of; with the transfer all that a command is.

    Attributes:
        paths: of its inputs, for the metadata.
        output: the picture to write.
        trace: the JSON file to write.
        save_every: save every so many steps.
        save_at: and these.
        animate: the animation to write.
        checkpoint: where the run is saved; None for beside the output, "off" for nowhere.
        checkpoint_every: seconds between.
        inputs: SHA-256 of the files that were read, by their whole paths.
        long_side: of the poster in pixels; None for none.
        folder: in which the command was run.
    """

    paths: Sources
    output: str
    trace: str | None = None
    save_every: int | None = None
    save_at: Sequence[int] = ()
    animate: str | None = None
    checkpoint: str | None = None
    checkpoint_every: float = 60.0
    inputs: Mapping[str, str] = field(default_factory=dict)
    long_side: int | None = None
    folder: str = field(default_factory=os.getcwd)

    @property
    def saved(self) -> str | None:
        """Where the run is saved."""
        return {"off": None, None: f"{self.output}.checkpoint"}.get(self.checkpoint, self.checkpoint)

    def check(self) -> None:
        """Before the work starts.

        Raises:
            NSTError: a file that cannot be written, two that are one, or one of the pictures that go in.
        """
        from nst.cli.recorder import check_frames, check_trace_path
        from nst.pictures.writing import check_output

        check_output(self.output)
        if self.trace is not None:
            check_trace_path(self.trace, self.output)
        check_frames(self.animate, self.output, self.trace)
        start = os.path.realpath(self.paths.init)  # a result that is gone on from may be replaced
        originals = {os.path.realpath(path) for path in self.inputs} - {start}
        for written in (self.output, self.trace, self.animate):
            if written and os.path.realpath(written) in originals:
                raise SettingsError(f"{written} is a picture that goes in: give the output another name")
        if self.checkpoint is None or self.saved is None:
            return
        others = [os.path.realpath(path) for path in (self.output, self.trace, self.animate) if path]
        if os.path.realpath(self.saved) in others:
            raise SettingsError(
                f"the checkpoint {self.saved} is another output too: give them different names"
            )
        try:
            check_writable(self.saved)
        except OSError as error:
            raise SettingsError(f"cannot write the checkpoint {self.saved}: {error.strerror}") from error


@dataclass(frozen=True)
class Before:
    """What a run that goes on has behind it.

    Attributes:
        steps: of the trace, the last being the one that is saved.
        first: total loss of the start picture.
        frames: of the animation by step, as PNG.
    """

    steps: Sequence[Mapping[str, Any]] = ()
    first: float | None = None
    frames: Mapping[int, bytes] = field(default_factory=dict)


class Keeper:
    """Saves a run from time to time.

    Args:
        transfer: that is run.
        job: of the run.
        recorder: that has the frames of the animation.
        resumed: whether the run goes on from its own checkpoint, which then is to be removed in the end.
    """

    def __init__(
        self,
        transfer: StyleTransfer,
        job: Job,
        recorder: Recorder,
        resumed: bool = False,
    ) -> None:
        self.path, self.written = job.saved, resumed
        self._transfer, self._job, self._recorder = transfer, job, recorder
        self._pause = job.checkpoint_every
        first = AFTER if job.checkpoint is None and not resumed else self._pause
        self._due = time.monotonic() + first

    def see(self, steps: Sequence[Mapping[str, Any]], first: Progress | float) -> None:
        """Between two steps: save the run if it is time.

        Args:
            steps: of the trace.
            first: the start picture, or its total loss.
        """
        if self.path is not None and time.monotonic() >= self._due:
            self.save(steps, first)

    def save(self, steps: Sequence[Mapping[str, Any]], first: Progress | float) -> None:
        """Save the run now; a disk that is full costs a line and not the run."""
        assert self.path is not None
        began = time.monotonic()
        total = first if isinstance(first, float) else first.losses().total
        import numpy as np

        frames = self._recorder.frames
        files: dict[str, Any] = {
            f"frame {step}": np.memmap(path, np.uint8, "r") for step, path in frames.items()
        }
        if self._job.trace is not None:
            files["trace"] = np.frombuffer(json.dumps(list(steps)).encode(), np.uint8)
        notes = {"job": asdict(self._job), "first": total, "frames": list(frames)}
        try:
            self._transfer.save(self.path, notes, files)
            self.written = True
        except NSTError as error:
            click.echo(f"nst: {error}; the run goes on", err=True)
        now = time.monotonic()
        self._due = now + (max(self._pause, SHARE * (now - began)) if self._pause else 0.0)

    @property
    def active(self) -> bool:
        """Whether the run is one that is saved: asked for, or long enough."""
        return self.path is not None and (self.written or self._job.checkpoint is not None)

    def remove(self) -> None:
        """After a run that has finished."""
        if self.path is not None and self.written:
            with suppress(OSError):
                Path(self.path).unlink()


def before(saved: Checkpoint) -> Before:
    """What the run of a checkpoint has behind it."""
    steps = json.loads(saved.file("trace")) if "file trace" in saved.arrays else []
    frames = {step: saved.file(f"frame {step}") for step in saved.notes.get("frames", [])}
    return Before(steps, saved.notes.get("first"), frames)


def job_of(saved: Checkpoint, path: str, output: str | None) -> Job:
    """The job of a checkpoint, whose relative paths are those of its own folder.

    Args:
        saved: the checkpoint.
        path: of its file, where the run goes on being saved.
        output: another picture to write.

    Raises:
        SettingsError: it was saved by a program and not by a command, and there is no output.
    """
    if "job" not in saved.notes:
        if output is None:
            raise SettingsError(f"{path} does not say which picture to write: give -o")
        sources = Sources(init=saved.settings.init, weights=saved.weights["spec"] or "")
        return Job(sources, output, checkpoint=path)
    notes = saved.notes["job"]
    job = Job(**{**notes, "paths": Sources(**notes["paths"])})

    def there(name: str | None) -> str | None:
        return name if name is None or job.folder == os.getcwd() else os.path.join(job.folder, name)

    return replace(
        job,
        output=output or there(job.output) or "",
        trace=there(job.trace),
        animate=there(job.animate),
        checkpoint=path,
        save_at=tuple(job.save_at),
    )


def hashes(sources: Sources) -> dict[str, str]:
    """SHA-256 of the input files of a job that can be read, by their whole paths."""
    files = Fingerprints()
    found = {os.path.abspath(name): files.file(name) for name in sources.pictures if name}
    return {name: digest for name, digest in found.items() if digest is not None}


def changed_inputs(job: Job) -> list[str]:
    """The input files that are there and are not what they were."""
    files = Fingerprints()
    return [name for name, before in job.inputs.items() if files.file(name) not in (before, None)]
