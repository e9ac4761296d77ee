"""A Celery worker that paints pictures in the style of others: `celery -A worker worker -c 1`."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any, cast

from celery import Celery, Task, signals
from celery.exceptions import Ignore, Reject
from celery.worker import state as worker_state

import nst

__all__ = ["app", "stylize"]

BROKER = os.environ.get("NST_WORKER_BROKER", "redis://127.0.0.1:6379/0")
BACKEND = os.environ.get("NST_WORKER_BACKEND", "auto")
DEVICE = os.environ.get("NST_WORKER_DEVICE", "auto")
WEIGHTS = os.environ.get("NST_WORKER_WEIGHTS", "auto")
MEMORY = int(os.environ.get("NST_WORKER_MEMORY", "4_000_000_000"))  # bytes, the process included
DEADLINE = float(
    os.environ.get("NST_WORKER_DEADLINE", "120")
)  # seconds; a caller's soft_time_limit goes before
LOST = float(
    os.environ.get("NST_WORKER_LOST", "300")
)  # seconds after which a silent worker's task is done again

app = Celery("nst_worker", broker=BROKER, backend=BROKER)
app.conf.update(
    # Threads, since all of them share one network, since no framework likes to be forked once it runs, and since a task
    # then sees in memory whether it has been revoked.
    worker_pool="threads",
    # A message leaves the queue when its task is done. Of a worker that dies nobody hears: what it had is given to
    # another one after LOST seconds, which must be longer than any task takes.
    task_acks_late=True,
    broker_transport_options={
        "visibility_timeout": LOST,
        "unacked_restore_interval": min(10, LOST / 4),  # seconds between looking for what is lost
        "unacked_restore_throttle": 1,  # every time
    },
    worker_prefetch_multiplier=1,  # nobody holds what another could do
    task_track_started=True,
    result_expires=600,  # seconds; a result is a picture in Redis' memory
    broker_connection_retry_on_startup=True,
    # JSON alone, so that what is in Redis can never run code; kombu writes bytes as base64
    accept_content=["json"],
)

stopping = threading.Event()
"""Set when this process has been told to stop."""


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _stop(**_: Any) -> None:
    stopping.set()


@cache
def machine() -> dict[str, Any]:
    """Network and backend, loaded once in a process."""
    return {"weights": nst.resolve_weights(WEIGHTS), "backend": nst.get_backend(BACKEND, DEVICE)}


@signals.worker_init.connect  # type: ignore[untyped-decorator]
def _load(**_: Any) -> None:
    machine()  # before the first task, whose caller would wait for it


@dataclass(frozen=True)
class Revoked:
    """What nst asks before each step: `AsyncResult.revoke()` reaches every worker, which keeps the ids it has seen."""

    task_id: str

    def is_set(self) -> bool:
        """Whether the task is to end."""
        return stopping.is_set() or self.task_id in worker_state.revoked


# of a wrong picture the log needs no traceback, and of a right one not its bytes
@app.task(name="stylize", bind=True, throws=(nst.NSTError,), resultrepr_maxsize=32)  # type: ignore[untyped-decorator]
def stylize(
    self: Task,
    content: bytes,
    style: bytes,
    *,
    size: int = 512,
    steps: int = 300,
    style_strength: float = 0.5,
    color: str = "none",
) -> bytes:
    """Paint a picture; while that goes on, the state is PROGRESS with `step` and `steps`.

    Args:
        self: the task.
        content: a picture file.
        style: another one.
        size: see `nst.Settings`, as the others.
        steps: of the optimiser.
        style_strength: 0 to 1.
        color: what becomes of the colours.

    Returns:
        A PNG file. A soft time limit is the deadline: the picture is what it is by then.

    Raises:
        NSTError: what it takes cannot be used; the state is FAILURE with the one line that says so.
    """
    _, soft = self.request.timelimit or (None, None)

    def tell(record: nst.Progress) -> None:
        self.update_state(state="PROGRESS", meta={"step": record.step, "steps": record.steps})

    transfer = nst.StyleTransfer(
        content,
        style,
        size=size,
        steps=steps,
        style_strength=style_strength,
        color=cast(Any, color),  # nst checks it
        memory=MEMORY,
        **machine(),
    )
    result = transfer.paint(tell, progress=False, deadline=soft or DEADLINE, cancel=Revoked(self.request.id))
    if result.stopped == "cancelled" and stopping.is_set():
        raise Reject("this worker stops", requeue=True)  # so that another one does it
    if result.stopped == "cancelled":
        self.backend.mark_as_revoked(self.request.id, "cancelled", request=self.request)
        raise Ignore  # there is no more to be said of it
    file = BytesIO()
    result.image.save(file, "PNG")
    return file.getvalue()
