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

from nst.cli.job import Job
from nst.description import Fingerprints, Sources, bare_name, without_folders
from nst.errors import NSTError, SettingsError
from nst.files import read_as, read_json, require

if TYPE_CHECKING:
    from nst.checkpoint import Checkpoint
    from nst.cli.recorder import Recorder
    from nst.progress import Progress
    from nst.transfer import StyleTransfer

AFTER = 300.0  # seconds after which a run that nobody asked to be saved is saved all the same

SHARE = 20.0  # the time between two checkpoints is this many times what the last one took, or more


@dataclass(frozen=True)
class Before:
    """What a run that goes on has behind it."""

    steps: Sequence[Mapping[str, Any]] = ()  # of the trace, the last being the one that is saved
    first: float | None = None  # total loss of the start picture
    frames: Mapping[int, bytes] = field(default_factory=dict)  # of the animation by step, as PNG


class Keeper:
    """Saves a run from time to time.

    One that has `resumed` goes on from its own checkpoint, which is removed in the end.
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
        self._pause, self._failure = job.checkpoint_every, ""
        first = AFTER if job.checkpoint is None and not resumed else self._pause
        self._due = time.monotonic() + first

    def see(self, steps: Sequence[Mapping[str, Any]], first: Progress | float) -> None:
        """Between two steps: save the run if it is time; `first` is the start picture, or its total loss."""
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
        notes = {"job": asdict(self._job.beside(self.path)), "first": total, "frames": list(frames)}
        try:
            self._transfer.save(self.path, notes, files)
            self.written = True
        except NSTError as error:
            if str(error) != self._failure:  # not at every step
                click.echo(f"nst: {error}; the run goes on", err=True)
            self._failure = str(error)
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


_STEP = {
    "step": int,
    "size": [int],
    "terms": {str: (float, None)},
    "weights": {str: float},
    "total": (float, None),
    "seconds": float,
}
_COMMAND = {"name": str, "long_side?": int, "layer?": str, "size?": str}
"""What a checkpoint holds besides the transfer; see `nst.files`."""


def before(saved: Checkpoint) -> Before:
    """What the run of a checkpoint has behind it; NSTError if it is damaged."""
    try:
        steps = read_json(saved.file("trace"), [_STEP]) if "file trace" in saved.arrays else []
        first, numbers = saved.notes.get("first"), saved.notes.get("frames", [])
        require(first, (float, None), "first")
        require(numbers, [int], "frames")
        frames = {step: saved.file(f"frame {step}") for step in numbers}
        for data in frames.values():
            _require_frame(data, saved)
    except (ValueError, OSError) as error:
        raise _damaged(error) from error
    return Before(steps, first, frames)


def _require_frame(data: bytes, saved: Checkpoint) -> None:
    from nst.pictures.reading import read_picture

    if not data.startswith(b"\x89PNG"):
        raise ValueError("a frame of the animation is no PNG")
    read_picture(data)


def _damaged(error: Exception) -> NSTError:
    return NSTError(f"the checkpoint is damaged, or nst has not written it ({error})")


@dataclass(frozen=True)
class Places:
    """What the person says about where a run that goes on writes."""

    output: str | None = None  # the picture; None: as the checkpoint has it, beside it
    trace: str | None = None  # the same; "off" for none
    animate: str | None = None  # the same


def job_of(saved: Checkpoint, path: str, places: Places) -> Job:
    """The job of a checkpoint. What it writes lies beside the checkpoint, or where the person says.

    `path` is that of its file, where the run goes on being saved. NSTError: it was saved by a program and not by a
    command, and there is no output; it is damaged; or it names a place that a file may not name.
    """
    if "job" not in saved.notes:
        if places.output is None:
            raise SettingsError(f"{path} does not say which picture to write: give -o")
        sources = Sources(init=saved.settings.init, weights=saved.weights["spec"] or "")
        return Job(sources, places.output, trace=places.trace, animate=places.animate, checkpoint=path)
    try:
        job: Job = read_as(Job, saved.notes["job"], "job")
        require(job.command, _COMMAND, "job.command")
        if (
            not 0 <= job.checkpoint_every < 2**31
            or (job.save_every or 1) < 1
            or min(job.save_at, default=1) < 0
        ):
            raise ValueError("job is not what it must be")
    except (ValueError, SettingsError) as error:
        raise _damaged(error) from error

    def place(option: str, given: str | None, name: str | None, suffixes: Sequence[str]) -> str | None:
        if given is not None:
            return None if given == "off" and option != "-o" else given
        return None if name is None else _beside(path, option, name, suffixes)

    return replace(
        job,
        output=place("-o", places.output, job.output, PICTURES) or "",
        trace=place("--trace", places.trace, job.trace, (".json",)),
        animate=place("--animate", places.animate, job.animate, (".gif", ".webp", ".mp4")),
        checkpoint=path,
        save_at=tuple(job.save_at),
    )


PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")


def _beside(checkpoint: str, option: str, name: str, suffixes: Sequence[str]) -> str:
    """A file that a checkpoint names: in its own folder, by a name that means nothing to other programs.

    SettingsError: it is elsewhere, a link, hidden, or of another kind.
    """
    plain = name == os.path.basename(name) and "/" not in name and "\\" not in name and "\0" not in name
    found = os.path.join(os.path.dirname(checkpoint), name)
    if not plain or name.startswith(".") or os.path.splitext(name)[1].lower() not in suffixes:
        why = "is not beside it" if not plain else f"is no visible file {' or '.join(suffixes)}"
        raise SettingsError(
            f"{checkpoint} wants to write {name!r}, which {why}: say where, with {option} FILE"
        )
    if os.path.islink(found):
        raise SettingsError(
            f"{checkpoint} wants to write {found}, which is a link: say where, with {option} FILE"
        )
    return found


def require_own(saved: Checkpoint, job: Job, places: Places, steps: int) -> None:
    """SettingsError unless what is there already, and would be replaced, was written by this very run.

    That is told from what is in those files and not from what the checkpoint says of them: a picture, an animation and
    a trace of nst carry what they were made with, and it has to be what this run is made of. What the person has
    named may be replaced in any case.
    """
    from nst.cli.recorder import saved_steps, step_path

    named = {places.output: "-o", places.trace: "--trace", places.animate: "--animate"}
    written = {
        path: option
        for path, option in ((job.output, "-o"), (job.trace, "--trace"), (job.animate, "--animate"))
        if path
    }
    numbers = saved_steps(job.save_every, job.save_at, steps)
    written |= {str(step_path(job.output, step, steps)): "-o" for step in numbers}
    for path, option in written.items():
        if path in named or not os.path.lexists(path):
            continue
        if os.path.islink(path) or not _is_own(path, saved, job):
            raise SettingsError(
                f"{path} is there and is not of this run: move it away, or say where to write, with {option} FILE"
            )


def _is_own(path: str, saved: Checkpoint, job: Job) -> bool:
    """Whether a file says of itself that it was made by this run."""
    from nst.cli.movies.writing import description_in
    from nst.pictures.writing import read_settings

    try:
        if path.lower().endswith(".json"):
            if os.path.getsize(path) > LARGEST_TRACE:
                return False
            found = read_json(Path(path).read_bytes(), {"settings": {str: object}, "weights": {str: object}})
        elif path == job.animate:
            found = description_in(path)
        else:
            found = read_settings(path)
    except (OSError, ValueError, NSTError):
        return False
    try:
        settings = without_folders(found)["settings"]  # which is all that a picture says of its files
        sha256 = found["weights"]["sha256"]
    except (LookupError, TypeError, AttributeError):
        return False
    names = [bare_name(path) for path in (job.paths.content, *job.paths.styles, job.paths.init)]
    same = ("seed", "steps", "scales", "optimizer", "style_layers", "content_layers", "style_loss")
    decided = {name: saved.document["settings"].get(name) for name in same}
    wanted = json.loads(
        json.dumps({**decided, "content": names[0], "styles": names[1:-1], "init": names[-1]})
    )
    return sha256 == saved.weights["sha256"] and all(
        settings.get(name) == value for name, value in wanted.items()
    )


LARGEST_TRACE = 1 << 30  # bytes


def hashes(sources: Sources) -> dict[str, str]:
    """SHA-256 of the input files of a job that can be read, by their whole paths."""
    files = Fingerprints()
    found = {os.path.abspath(name): files.file(name) for name in sources.pictures if name}
    return {name: digest for name, digest in found.items() if digest is not None}


def changed_inputs(job: Job) -> list[str]:
    """The input files that are there and are not what they were."""
    files = Fingerprints()
    return [name for name, before in job.inputs.items() if _hash(files, name) not in (before, None)]


def photograph(job: Job) -> str | None:
    """The content picture of a run that goes on, if it is the one that it began with."""
    path = os.path.abspath(os.path.join(job.folder, job.paths.content))
    return path if path in job.inputs and _hash(Fingerprints(), path) == job.inputs[path] else None


def _hash(files: Fingerprints, path: str) -> str | None:
    """Of a file that a checkpoint names; None on another machine, where Windows would log in."""
    return None if path.startswith(("\\\\", "//")) else files.file(path)
