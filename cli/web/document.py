"""A session as its page gets it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from nst.cli.web.messages import Ready
from nst.cli.web.queue import Job
from nst.cli.web.session import Session

__all__ = ["document_of"]


def document_of(session: Session, jobs: Sequence[tuple[int, Job]], ready: Ready | None) -> dict[str, Any]:
    """For JSON.

    Args:
        session: to be shown.
        jobs: its large pictures, each with its place in the queue.
        ready: what paints; None while it is loaded.
    """
    held = asdict(session)
    for name in ("name", "touched", "numbers"):
        del held[name]
    held["undo"] = len(session.undo)
    held["jobs"] = [
        {name: getattr(job, name) for name in ("name", "state", "error", "step", "steps", "left")}
        | {"size": job.order.size, "place": place}
        for place, job in jobs
    ]
    held["machine"] = None if ready is None else asdict(ready)
    return held
