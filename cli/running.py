"""Running a transfer at the terminal: progress bar, Ctrl-C, saving whatever happens; bringing it up to a poster."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click
import numpy as np

from nst.cli.checkpoints import Before, Keeper, hashes
from nst.cli.console import interruptible
from nst.cli.engine import make_transfer, out_of_memory, plan_rows, size_text
from nst.cli.job import Job
from nst.cli.options import masks_by_name
from nst.cli.recorder import save_results, step_record
from nst.control import duration_text, progress_bar
from nst.description import STYLIZE, Labels, Sources
from nst.errors import NSTError, SettingsError
from nst.pictures.enlarging import STRIP, enlarged
from nst.pictures.masks import fit
from nst.pictures.picture import Picture, fit_longest_side
from nst.pictures.reading import read_picture
from nst.pictures.subjects import FINDERS
from nst.pictures.writing import check_output, write_picture
from nst.planning.plan import is_out_of_memory
from nst.progress import Progress
from nst.settings import Metadata
from nst.transfer import StyleTransfer, show_record

FLOATS = 20
"""Numbers that a pixel of a strip needs while it is made, measured."""


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended: exit status, last step, steps asked for, first and last total loss, seconds, why early."""

    status: int
    step: int
    steps: int
    first: float
    last: float
    seconds: float
    stopped: str | None
    picture: Picture  # the last one
    description: Mapping[str, Any]  # for its metadata


def run_transfer(
    transfer: StyleTransfer,
    job: Job,
    quiet: bool,
    watch: Callable[[Progress], None] | None = None,
    keeper: Keeper | None = None,
    before: Before | None = None,
) -> RunOutcome:
    """Run to the end, to Ctrl-C or to an error; the picture so far and the trace are saved in every case.

    `watch` is called with every record, the keeper saves the run, and `before` is what one that goes on has behind it.
    NSTError: out of memory, with what was saved; what `watch` raises, when that has been saved.
    """
    steps = [dict(step) for step in before.steps[:-1]] if before else []  # the last comes once more
    first: Progress | float | None = before.first if before else None
    last: Progress | None = None
    failure: Exception | None = None
    with interruptible() as interrupted, progress_bar(quiet) as show:
        show(0, None, "setting up")
        try:
            for record in transfer.iterate():
                first, last = record if first is None else first, record
                if job.trace is not None:
                    steps.append(step_record(record))
                show_record(show, record)
                if watch is not None:
                    watch(record)
                if interrupted():
                    break
                if keeper is not None:
                    keeper.see(steps, first)
        except Exception as error:
            if last is None and isinstance(error, NSTError):
                raise
            failure = error
    if keeper is not None and keeper.active and interrupted() and failure is None and first is not None:
        keeper.save(steps, first)
    if last is not None:
        description, picture = job.describe(transfer, last), transfer.full_size(last)
        save_results(picture, job, description, steps)
    if failure is not None:
        explain(failure, transfer, job.output if last else None)
    assert first is not None
    assert last is not None
    finished = last.step >= last.steps
    status = 130 if interrupted() and not finished else 1 if last.stopped == "non-finite" else 0
    began = first if isinstance(first, float) else first.losses().total
    return RunOutcome(
        *(status, last.step, last.steps, began, last.losses().total, last.seconds, last.stopped),
        picture=picture,
        description=description,
    )


def explain(failure: Exception, transfer: StyleTransfer, saved: str | None) -> NoReturn:
    """Raise one line for running out of memory, in the words of any framework; else `failure` as it is."""
    if isinstance(failure, NSTError) or not is_out_of_memory(failure):
        raise failure
    width, height = transfer.size
    raise out_of_memory(f"{width}x{height} pixels", saved) from failure


def run(
    content: Any,
    style: Sequence[str],
    output: str,
    *,
    trace: str | None = None,
    quiet: bool = False,
    save_every: int | None = None,
    save_at: Sequence[int] = (),
    animate: str | None = None,
    checkpoint: str | None = None,
    checkpoint_every: float = 60.0,
    metadata: Metadata = "settings",
    dpi: float | None = None,
    command: Mapping[str, Any] = STYLIZE,
    plan: bool = False,
    **options: Any,
) -> int:
    """Set up, run and save; the exit status. Options are arguments of `StyleTransfer` beside those named here.

    `command` is its name and what options of its own it has that are no settings. NSTError: bad input, found before any
    work where that is possible.
    """
    masks = masks_by_name(options)
    sources = Sources.of(content, style, {**options, "masks": masks})
    job = Job(
        *(sources, output, trace, save_every, save_at, animate, checkpoint, checkpoint_every),
        inputs=hashes(sources),
        command=command,
        labels=Labels(metadata, dpi),
    )
    job.check()
    transfer = make_transfer(content, style, quiet=quiet, **options)
    check_output(output, transfer.size)
    if job.long_side is not None:
        check_poster(transfer, job)
        if plan:
            return plan_poster(transfer, job)
    if job.saved is not None and Path(job.saved).exists() and not quiet:
        click.echo(
            f"{job.saved} is of a run that was cut off: 'nst resume {job.saved}' goes on with it", err=True
        )
    save_found(transfer, masks, output)
    if not quiet:
        _offer_protection(transfer, masks)
    return finish(transfer, job, quiet)


def finish(transfer: StyleTransfer, job: Job, quiet: bool, before: Before | None = None) -> int:
    """Run and save, or go on; the exit status. NSTError: out of memory, or a file cannot be written."""
    from nst.cli.recorder import Recorder

    shown = before.frames if before else {}
    frames = Recorder(transfer, job, shown)
    keeper = Keeper(transfer, job, frames, resumed=before is not None)
    outcome = run_transfer(transfer, job, quiet, frames.see, keeper, before)
    frames.finish()
    size = transfer.size
    if job.long_side is not None:  # also of what an interrupted run has come to
        size = write_poster(transfer, job, outcome.picture, outcome.description, quiet)
    if outcome.status != 130:
        keeper.remove()
    if not quiet:
        saved = keeper.path if keeper.written and outcome.status == 130 else None
        click.echo(_summary(transfer, outcome, job.output, size, saved), err=outcome.status != 0)
    return outcome.status


def _summary(
    transfer: StyleTransfer, outcome: RunOutcome, output: str, size: tuple[int, int], saved: str | None
) -> str:
    width, height = size
    first, last = outcome.first, outcome.last
    reason = {"converged": "; converged", "non-finite": "; stopped at a loss that is not finite"}
    ending = "; interrupted" if outcome.status == 130 else reason.get(outcome.stopped or "", "")
    ending += f"; nst resume {saved} goes on" if saved else ""
    return (
        f"{output}: {width}x{height}, {outcome.step} of {outcome.steps} steps "
        f"in {duration_text(outcome.seconds)} with {transfer.backend.name} on {transfer.backend.device}, "
        f"weights {transfer.weights.name}, "
        f"loss {first:.4g} -> {last:.4g}{ending}"
    )


def _offer_protection(transfer: StyleTransfer, masks: Mapping[str, Any]) -> None:
    """Say that there are faces, which a style swirls away, unless it is said already what stays as it is."""
    if "protect" in masks or not transfer.settings.uses_style or not transfer.settings.steps:
        return
    if max(transfer.size) < 64:  # a face is a few pixels then, and looking for it takes longer than painting
        return
    from nst.pictures.subjects import count_faces

    try:
        found = count_faces(transfer.output.original)
    except NSTError:  # what finds them is not installed
        return
    if found:
        seen = (
            "1 face: --protect face keeps it" if found == 1 else f"{found} faces: --protect face keeps them"
        )
        click.echo(f"{seen} as in the photograph")


def save_found(transfer: StyleTransfer, masks: Mapping[str, Any], output: str) -> None:
    """Write OUT.protect.png beside OUT.jpg, at the size of the result; nothing where nothing was found or sought.

    Masks are by name, as they were typed. ImageError: it cannot be written.
    """
    mask = transfer._scene.masks.protect
    if masks.get("protect") not in FINDERS or mask is None:
        return
    levels = fit(mask, *transfer.size)[..., None]
    write_picture(Picture(np.repeat(levels, 3, axis=2)), Path(output).with_suffix(".protect.png"))


def poster_size(transfer: StyleTransfer, long_side: int) -> tuple[int, int]:
    """(width, height) in pixels."""
    return fit_longest_side(*transfer.size, long_side)


def check_poster(transfer: StyleTransfer, job: Job) -> None:
    """Before the work: NSTError for a poster no larger than what is painted, or of a format that ends below."""
    assert job.long_side is not None
    if job.long_side <= max(transfer.size):
        raise SettingsError(
            f"--long-side {job.long_side} is not above --size {max(transfer.size)}, at which the picture is painted"
        )
    check_output(job.output, poster_size(transfer, job.long_side))


def poster_bytes(content: Picture, width: int, height: int) -> int:
    """Memory that bringing up takes: the photograph in full, the poster in 8 bits and as a file, and a strip."""
    channels = 3 if content.alpha is None else 4
    return 4 * channels * content.width * content.height + width * (
        2 * channels * height + 4 * FLOATS * STRIP
    )


def plan_poster(transfer: StyleTransfer, job: Job) -> int:
    """Print what painting and bringing up would take; the exit status."""
    assert job.long_side is not None
    width, height = poster_size(transfer, job.long_side)
    content = read_picture(job.paths.content)
    needed = size_text(poster_bytes(content, width, height))
    rows = [
        *plan_rows(transfer, job.long_side),
        ("poster", f"{width}x{height} pixels, {needed} on top of the framework"),
    ]
    for name, text in rows:
        click.echo(f"{name:15} {text}")
    return 0 if transfer.plan.fits else 1


def write_poster(
    transfer: StyleTransfer, job: Job, result: Picture, description: Mapping[str, Any], quiet: bool
) -> tuple[int, int]:
    """Bring the result of a run up to size and write it in place of the small one; its (width, height).

    NSTError: the photograph is not there any more, or the poster cannot be written.
    """
    assert job.long_side is not None
    content = read_picture(os.path.join(job.folder, job.paths.content))
    size = poster_size(transfer, job.long_side)
    with progress_bar(quiet, "rows") as show:
        image = enlarged(
            result,
            transfer.output.original,
            content,
            *size,
            told=lambda done, total: show(done, total, "bringing up"),
        )
    del content
    write_picture(image, job.output, **job.labels.of(description, transfer.output.original.tags))
    return size
