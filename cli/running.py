"""Running a transfer at the terminal: progress bar, Ctrl-C, saving whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import click
import numpy as np

from nst.cli.console import interruptible, progress_bar
from nst.cli.engine import make_transfer, out_of_memory
from nst.cli.options import masks_by_name
from nst.cli.rescue import save_results
from nst.cli.trace import describe, step_record
from nst.errors import NSTError
from nst.planning.memory import is_out_of_memory
from nst.progress import Progress
from nst.transfer import StyleTransfer

__all__ = ["Outcome", "explain", "run", "run_transfer"]


@dataclass(frozen=True)
class Outcome:
    """How a run ended: exit status, last step, steps asked for, first and last total loss, seconds, why early."""

    status: int
    step: int
    steps: int
    first: float
    last: float
    seconds: float
    stopped: str | None


def run_transfer(
    transfer: StyleTransfer,
    paths: Mapping[str, Any],
    output: str,
    trace: str | None,
    quiet: bool,
    watch: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Run to the end, to Ctrl-C or to an error; the picture so far and the trace are saved in every case.

    Args:
        transfer: set up and not yet run.
        paths: what the user typed for "content", "styles" and "init"; for the metadata.
        output: the picture to write.
        trace: the JSON file to write.
        quiet: no progress bar.
        watch: called with every record; see `nst.cli.recorder`.

    Raises:
        NSTError: out of memory, with what was saved; what `watch` raises, when that has been saved.
    """
    steps: list[dict[str, Any]] = []
    first: Progress | None = None
    last: Progress | None = None
    failure: Exception | None = None
    # overflow shows in the losses, which are checked: numpy need not warn of it as well
    silence = np.errstate(over="ignore", invalid="ignore")
    with silence, interruptible() as interrupted, progress_bar(quiet) as show:
        try:
            for record in transfer.iterate():
                first, last = first or record, record
                if trace is not None:
                    steps.append(step_record(record))
                show(record.step, record.steps, "{}x{}".format(*record.size), partial(_loss, record))
                if watch is not None:
                    watch(record)
                if interrupted():
                    break
        except Exception as error:
            if last is None and isinstance(error, NSTError):
                raise
            failure = error
    if last is not None:
        description = describe(transfer, paths, last)
        save_results(last.picture(), last.step, output, description, trace, steps)
    if failure is not None:
        explain(failure, transfer, output if last else None)
    assert first is not None
    assert last is not None
    finished = last.step >= last.steps
    status = 130 if interrupted() and not finished else 1 if last.stopped == "non-finite" else 0
    totals = first.losses().total, last.losses().total
    return Outcome(status, last.step, last.steps, *totals, last.seconds, last.stopped)


def explain(failure: Exception, transfer: StyleTransfer, saved: str | None) -> NoReturn:
    """Raise one line for running out of memory, in the words of any framework; else `failure`, a fault of ours."""
    if not is_out_of_memory(failure):
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
    **options: Any,
) -> int:
    """Set up, run and save; the exit status. Options are arguments of `StyleTransfer` beside those named here.

    Raises:
        NSTError: bad input, found before any work where that is possible.
    """
    from nst.cli.recorder import Recorder, check_frames
    from nst.cli.running import run_transfer
    from nst.cli.trace import check_trace_path
    from nst.pictures.writing import check_output

    check_output(output)
    if trace is not None:
        check_trace_path(trace, output)
    check_frames(animate, output, trace)
    transfer = make_transfer(content, style, quiet=quiet, **options)
    check_output(output, transfer.size)
    paths = {
        "content": content if isinstance(content, str) else "",
        "styles": list(style),
        "masks": masks_by_name(options.get("mask", ())),
        "init": transfer.settings.init if transfer.settings.init != "picture" else options["init"],
    }
    frames = Recorder(transfer, paths, output, save_every, save_at, animate)
    outcome = run_transfer(transfer, paths, output, trace, quiet, frames.see)
    frames.finish()
    if not quiet:
        click.echo(_summary(transfer, outcome, output), err=outcome.status != 0)
    return outcome.status


def _loss(record: Progress) -> str:
    return f"loss {record.losses().total:.4g}"


def _summary(transfer: StyleTransfer, outcome: Any, output: str) -> str:
    width, height = transfer.size
    first, last = outcome.first, outcome.last
    reason = {"converged": "; converged", "non-finite": "; stopped at a loss that is not finite"}
    ending = "; interrupted" if outcome.status == 130 else reason.get(outcome.stopped, "")
    return (
        f"{output}: {width}x{height}, {outcome.step} of {outcome.steps} steps "
        f"in {outcome.seconds:.1f} s with {transfer.backend.name} on {transfer.backend.device}, "
        f"weights {transfer.weights.name}, "
        f"loss {first:.4g} -> {last:.4g}{ending}"
    )
