"""What a command of the terminal writes, and of what: all of a run but the transfer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nst.description import STYLIZE, Labels, Sources, describe
from nst.errors import ImageError, SettingsError
from nst.files import check_writable, unwritten
from nst.pictures.writing import check_output

if TYPE_CHECKING:
    from nst.progress import Progress
    from nst.transfer import StyleTransfer


@dataclass(frozen=True)
class Job:
    """What a run writes, and what it is made of; with the transfer all that a command is."""

    paths: Sources  # of its inputs, for the metadata
    output: str  # the picture to write
    trace: str | None = None  # the JSON file to write
    save_every: int | None = None  # save every so many steps
    save_at: Sequence[int] = ()  # and these
    animate: str | None = None  # the animation to write
    checkpoint: str | None = None  # where the run is saved; None for beside the output, "off" for nowhere
    checkpoint_every: float = 60.0  # seconds between
    # SHA-256 of the files that were read, by their whole paths
    inputs: Mapping[str, str] = field(default_factory=dict)
    # its name, and options of its own; of a poster, its long side in pixels
    command: Mapping[str, Any] = field(default_factory=lambda: dict(STYLIZE))
    labels: Labels = field(default_factory=Labels)  # what the pictures say of themselves
    # in which the command was run; the pictures are named from there
    folder: str = field(default_factory=os.getcwd)

    @property
    def long_side(self) -> int | None:
        """Of the poster; None for none."""
        return self.command.get("long_side")

    def describe(self, transfer: StyleTransfer, record: Progress) -> dict[str, Any]:
        """See `nst.description.describe`."""
        return describe(transfer, self.paths, record.settings, record.step, self.command)

    @property
    def saved(self) -> str | None:
        """Where the run is saved."""
        return {"off": None, None: f"{self.output}.checkpoint"}.get(self.checkpoint, self.checkpoint)

    def beside(self, checkpoint: str) -> Job:
        """The same, as its checkpoint has it: what is written is named from the checkpoint's folder."""
        folder = os.path.dirname(os.path.realpath(checkpoint))

        def seen(name: str | None) -> str | None:
            if name is None:
                return None
            place = os.path.realpath(os.path.dirname(os.path.abspath(name)))
            if place == folder:
                return os.path.basename(name)
            return os.path.join(place, os.path.basename(name))

        return replace(
            self, output=seen(self.output) or "", trace=seen(self.trace), animate=seen(self.animate)
        )

    def check(self) -> None:
        """Before the work starts.

        NSTError: a file that cannot be written, two that are one, or one of the pictures that go in.
        """
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
            raise SettingsError(f"cannot write the checkpoint {self.saved}: {unwritten(error)}") from error


def check_frames(animate: str | None, output: str, trace: str | None) -> None:
    """Before the work starts.

    ImageError: the animation cannot be written. SettingsError: it is the picture or the trace.
    """
    if animate is None:
        return
    if os.path.realpath(animate) in [os.path.realpath(path) for path in (output, trace) if path]:
        raise SettingsError(f"the animation {animate} is another output too: give them different names")
    check_animation(animate)


def check_animation(path: str) -> None:
    """Before the work starts. ImageError: another extension, a folder that cannot be written to, MP4 without PyAV."""
    from nst.cli.movies.writing import ANIMATIONS, check_movie

    suffix = Path(path).suffix.lower()
    if suffix not in (*ANIMATIONS, ".mp4"):
        raise ImageError(f"cannot write {path}: an animation is .gif, .webp or .mp4")
    check_movie(Path(path))


def check_trace_path(path: str, output: str) -> None:
    """Before the work starts.

    SettingsError: the folder is not there or cannot be written to, or `path` is a device or the picture.
    """
    if os.path.realpath(path) == os.path.realpath(output):
        raise SettingsError(f"the trace and the picture are both {path}: give them different names")
    if Path(path).exists() and not Path(path).is_file():  # a file would take the place of /dev/null
        raise SettingsError(f"cannot write the trace {path}: it is not a regular file; give another name")
    try:
        check_writable(path)
    except OSError as error:
        raise unwritable_trace(path, error) from error


def unwritable_trace(path: str, error: OSError) -> SettingsError:
    """The error for a trace."""
    return SettingsError(f"cannot write the trace {path}: {unwritten(error)}")
