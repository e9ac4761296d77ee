"""Running a transfer at the terminal: progress bar, Ctrl-C, saving whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import numpy as np

from nst.cli.checkpoints import Before, Keeper, hashes
from nst.cli.console import interruptible, progress_bar
from nst.cli.engine import make_transfer, out_of_memory
from nst.cli.job import Job
from nst.cli.options import masks_by_name
from nst.cli.recorder import save_results, step_record
from nst.control import duration_text
from nst.description import STYLIZE, Labels, Sources
from nst.errors import NSTError
from nst.pictures.masks import fit
from nst.pictures.picture import Picture
from nst.pictures.subjects import FINDERS
from nst.pictures.writing import write_picture
from nst.planning.memory import is_out_of_memory
from nst.progress import Progress
from nst.settings import Metadata
from nst.transfer import StyleTransfer, show_record

if TYPE_CHECKING:
    from nst.transfer import StyleTransfer


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
    from nst.pictures.writing import check_output

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
        from nst.cli.posters import check_poster, plan_poster

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
        from nst.cli.posters import write_poster

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
