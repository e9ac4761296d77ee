"""The frames of a video at the terminal: what is there is kept, Ctrl-C stops between two frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from nst.cli.console import interruptible
from nst.cli.movies.frame_store import FrameStore
from nst.cli.movies.reading import FrameSource
from nst.cli.options import masks_by_name
from nst.cli.recorder import step_record, write_trace
from nst.cli.running import explain
from nst.control import progress_bar
from nst.description import Fingerprints, Labels, Sources, describe
from nst.pictures.kinds import from_any
from nst.progress import Progress
from nst.video import Last, VideoTransfer


def made_with(
    video: VideoTransfer, first: Any, styles: Sequence[str], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything that decides the frames, for JSON. Backend, device and windows do not, so they may change."""
    settings = video.first.settings.as_dict()
    start = options["init"]
    read = partial(from_any, longest=video.first.settings.longest, max_pixels=settings["max_pixels"])
    files = Fingerprints()

    def digest(picture: Any) -> Any:
        """Of what it shows, in whatever file it comes."""
        return files.plain(read(picture)[0])

    return {
        **{name: value for name, value in settings.items() if name not in ("tile", "max_pixels")},
        "init": digest(start) if Path(start).is_file() else start,
        "temporal_weight": options["temporal_weight"],
        "next_steps": options["next_steps"],
        "first_frame": digest(first),
        "style_pictures": [digest(style) for style in styles],
        "masks": {
            name: [digest(mask[0]), mask[1]] if isinstance(mask, tuple) else digest(mask)
            for name, mask in masks_by_name(options).items()
        },
        "network": video.first.weights.sha256,
    }


@dataclass(frozen=True)
class About:
    """What frames and trace say: where the inputs come from, the command, and what of it pictures say."""

    sources: Sources
    command: Mapping[str, Any]
    labels: Labels

    def of(self, video: VideoTransfer, record: Progress) -> dict[str, Any]:
        """See `nst.description.describe`; every frame has the settings of the first."""
        settings = replace(video.first.settings, size=max(video.first.size))
        return describe(video.first, self.sources, settings, record.step, self.command)


def paint_frames(
    video: VideoTransfer,
    source: FrameSource,
    store: FrameStore,
    about: About,
    trace: str | None,
    quiet: bool,
) -> int:
    """Paint each frame that is not there yet; the exit status: 0, 1 after losses that are not finite, 130 after Ctrl-C.

    The video is set up with the first frame; the trace is a JSON file of the last step of each frame that was painted.
    NSTError: out of memory; a frame that cannot be read or has another size.
    """
    before, status = None, 0
    steps: list[dict[str, Any]] = []
    with interruptible() as interrupted, progress_bar(quiet, "frames") as show:
        for number, frame in enumerate(source.frames()):
            if not store.path(number).is_file():
                run = video.first if number == 0 else video.after(Last(before, store.raw(number - 1)), frame)
                try:
                    for record in run.iterate():
                        done = number + record.step / max(1, record.steps)
                        show(done, source.count, f"step {record.step} of {record.steps}")
                        if interrupted():
                            break
                except Exception as error:
                    explain(error, video.first, str(store.folder) if number else None)
                finished = record.step >= record.steps or record.stopped == "converged"
                if record.stopped == "non-finite" or not finished:
                    status = 1 if record.stopped == "non-finite" else 130
                    break
                description, picture = about.of(video, record), record.picture()
                labels = about.labels.of(description, picture.tags)
                store.save(number, picture, record.raw_picture().rgb, **labels)
                steps.append({"frame": number + 1, **step_record(record)})
                if trace is not None:
                    write_trace(trace, description, steps)
            if interrupted():
                status = 130
                break
            before = frame
    return status
