"""A run followed to its end for its caller, who may look on and may end it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from nst.bar import Show, is_watched, progress_bar
from nst.control import Control, Ended
from nst.progress import Progress
from nst.result import History, Result
from nst.run import Run

__all__ = ["follow", "show_record"]


def follow(
    run: Run, iterate: Callable[[Callable[[], object]], Iterator[Progress]], control: Control
) -> Result:
    """Iterate to the end, or until `control` says that it is enough.

    Args:
        run: that is followed.
        iterate: from what is asked before every step (true ends the run) to the records.
        control: how it is watched and ended.
    """
    history, record, why = History(), None, None

    def until() -> Ended | None:
        nonlocal why
        why = control.ended()
        return why

    wanted = is_watched() if control.progress == "auto" else control.progress
    # overflow shows in the losses, which are checked: numpy need not warn of it as well
    with np.errstate(over="ignore", invalid="ignore"), progress_bar(not wanted) as show:
        for record in iterate(until):
            history.add(record)
            show_record(show, record)
            if control.callback is not None:
                control.callback(record)
    stopped = why if record is None else record.stopped or why
    if stopped == "non-finite":
        logging.getLogger("nst").warning(
            "stopped after %d steps at a loss that is not finite: the picture is that of the last good step",
            record.step if record else 0,
        )
    picture = run.full_size(record)
    return Result(
        picture=picture,
        steps=0 if record is None else record.step,
        asked=sum(count for _, count in run.schedule),
        stopped=stopped,
        seconds=control.seconds,
        losses=history.columns(),
        settings=replace(run.machine.settings, size=max(picture.size)),
        backend=f"{run.machine.backend.name} on {run.machine.backend.device}",
        weights=run.machine.weights.name,
        _restore=run.output.restore,
    )


def show_record(show: Show, record: Progress) -> None:
    """Move a bar to a record."""
    show(record.step, record.steps, "{}x{}".format(*record.size), partial(_loss, record))


def _loss(record: Progress) -> str:
    return f"loss {record.losses().total:.4g}"
