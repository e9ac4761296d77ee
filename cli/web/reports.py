"""What the processes say: previews, results, failures; and what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace

from nst.cli.web.messages import (
    Colored,
    Event,
    Failed,
    Finished,
    News,
    Paint,
    Planned,
    Preview,
    Ready,
    Saved,
    Stopped,
    Waiting,
)
from nst.cli.web.queue import Job
from nst.cli.web.room import Room
from nst.cli.web.session import Session, entry_of

__all__ = ["Reports"]


class Reports:
    """See the module.

    Args:
        room: of the server.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self.give_up: Callable[[str], None] = lambda why: None  # told why nothing will ever be painted

    def hear(self, event: Event | None) -> None:
        """Of the process that paints live; None when it is dead."""
        room = self._room
        if event is None:
            self._dead()
        elif isinstance(event, Ready):
            room.ready = event
            for session in room.store:
                room.tell(session)
        elif isinstance(event, Failed) and not event.session:
            self.give_up(event.error)
        elif not isinstance(event, Saved):
            named = room.store.get(event.session)
            if named is not None:
                self._hear_of(named, event)

    def hear_large(self, job: Job, event: Event | None) -> None:
        """Of a large picture, whose job the backroom has seen to; None for a change of its state."""
        room = self._room
        if isinstance(event, Saved):  # so that there is memory for those who wait
            for waiting in room.store:
                if waiting.work.state == "waiting":
                    order = waiting.order(room.store.path(waiting), room.size)
                    room.live.send(Paint(order, go_on=True))
        session = room.store.get(job.order.session)
        if session is None:
            return
        if isinstance(event, Finished):
            source = session.painted(job.source)
            subject = session.subject if source is None else source.subject
            session = session.with_entry(entry_of(event, "large", subject))
            room.show(session)
        else:
            room.tell(session)

    def _hear_of(self, session: Session, event: News) -> None:
        room = self._room
        if isinstance(event, Planned):
            room.audience.say(session, "plan", asdict(event))
        elif isinstance(event, Colored):
            self._colored(session, event)
        elif event.run != session.work.run:
            return  # of a run that another one has taken the place of
        elif isinstance(event, Preview):
            self._preview(session, event)
        elif isinstance(event, Finished):
            session = session.with_entry(entry_of(event, event.why, session.subject))
            self._end(session.at_work(state=event.why))
        elif isinstance(event, Stopped):
            self._end(session.at_work(state="stopped"))
        elif isinstance(event, Failed):
            self._end(session.at_work(state="failed", error=event.error))
        elif isinstance(event, Waiting):
            room.show(session.at_work(state="waiting"))
            room.backroom.make_room()

    def _preview(self, session: Session, event: Preview) -> None:
        room = self._room
        room.backroom.reserve = max(room.backroom.reserve, event.peak)
        if event.start is not None and session.work.start is None:
            session = room.put(session.started(event.start))
        if session.work.state == "waiting":
            session = room.show(session.at_work(state="painting"))
        room.audience.preview(session, event)

    def _end(self, session: Session) -> None:
        """A live picture is no longer under way."""
        room = self._room
        session = room.show(session)
        room.store.tidy(session, {job.order.run for job in room.backroom.queue.of(session.name)})
        if room.quiet:
            room.backroom.feed()

    def _colored(self, session: Session, event: Colored) -> None:
        entry = session.painted(event.run)
        if entry is None:
            return
        recipe = replace(entry.subject.recipe, color=session.subject.recipe.color)
        subject = replace(entry.subject, recipe=recipe)
        self._room.show(
            session.with_entry(replace(entry, subject=subject, command=event.command, made=time.time()))
        )

    def _dead(self) -> None:
        """What the process was painting fails, and another one is started."""
        room = self._room
        error = "the painter died, perhaps for want of memory: try again, or with a smaller --size"
        if room.ready is None:  # and so would the next one
            self.give_up(error)
            return
        room.ready = None
        room.live.start()
        for session in room.store:
            if session.work.state in ("painting", "waiting"):
                self._end(session.at_work(state="failed", error=error))
