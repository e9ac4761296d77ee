"""The studio itself: what each session is told to do, the processes that do it, and who hears of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from nst.cli.web.audience import Audience
from nst.cli.web.bench import Setup
from nst.cli.web.document import document_of
from nst.cli.web.messages import (
    Colored,
    Drop,
    Event,
    Failed,
    Finished,
    Paint,
    Plan,
    Planned,
    Preview,
    Ready,
    Recolor,
    Resume,
    Saved,
    Stop,
    Waiting,
)
from nst.cli.web.process import Painter
from nst.cli.web.queue import Job, Queue
from nst.cli.web.recipe import changed
from nst.cli.web.session import Entry, Session, Source, Store, Subject, Work, entry_of
from nst.cli.web.stream import Mailbox
from nst.cli.web.workshop import Workshop
from nst.errors import SettingsError

__all__ = ["MOST_STYLES", "Studio"]

MOST_STYLES = 4


class Studio:
    """See the module. Everything here happens in the one thread of the server.

    Args:
        store: of the sessions.
        setup: what the user chose.
        soon: calls a function with an argument in the thread of the server, from any thread.
        painter: makes a process that paints.
    """

    def __init__(
        self,
        store: Store,
        setup: Setup,
        soon: Callable[[Callable[[Any], None], Any], None],
        painter: Callable[[Setup, bool, Callable[[Event | None], None]], Painter] = Painter,
    ) -> None:
        self.store, self.setup = store, setup
        self.ready: Ready | None = None
        self.give_up: Callable[[str], None] = lambda why: None  # told why nothing will ever be painted
        self._audience = Audience()
        self._live = painter(setup, False, lambda event: soon(self._hear, event))
        self.workshop = Workshop(
            Queue(store.folder / "queue"),
            setup,
            painter(setup, True, lambda event: soon(self.workshop.hear, event)),
            self._hear_large,
        )

    def open(self) -> None:
        """Start to work; large pictures that were under way go on."""
        self._live.start()
        self.workshop.feed()

    def close(self) -> None:
        """Put everything down."""
        self._live.stop()
        self.workshop.close()

    def hang_up(self) -> None:
        """End the streams."""
        self._audience.hang_up()

    # what a page asks for

    def subscribe(self, session: Session) -> Mailbox:
        """A stream of news for a page; it begins with how things are."""
        return self._audience.join(session, self.document(session))

    def unsubscribe(self, session: Session, box: Mailbox) -> None:
        """The page is closed."""
        self._audience.leave(session, box)

    def make(self) -> Session:
        """A session; those that are too many go."""
        session = self.store.make()
        for old in self.store.surplus():
            if not self._audience.watches(old) and not self.workshop.queue.of(old.name):
                self._live.send(Drop(old.name))
                self.store.remove(old)
        return session

    def set_photo(self, session: Session, photo: Source) -> None:
        """Another photograph: the picture begins anew, without what the brush painted."""
        self._renew(session, replace(session.subject, photo=photo, masks={}))

    def add_style(self, session: Session, style: Source) -> None:
        """A further painting.

        Raises:
            SettingsError: there are enough.
        """
        if len(session.subject.styles) >= MOST_STYLES:
            raise SettingsError(f"there are {MOST_STYLES} paintings already: take one away first")
        self._renew(session, session.subject.with_style(style))

    def remove_style(self, session: Session, number: int) -> None:
        """Take a painting away; its mask goes, those of the ones after it move up.

        Raises:
            SettingsError: there is none of that number, from 1.
        """
        if not 1 <= number <= len(session.subject.styles):
            raise SettingsError(f"there is no painting {number}")
        self._renew(session, session.subject.without_style(number))

    def change(self, session: Session, changes: Mapping[str, Any], gesture: str) -> None:
        """Move sliders: the picture goes on from where it is; colours alone need no step.

        Raises:
            SettingsError: no such slider, or a number outside its range.
        """
        recipe = changed(session.subject.recipe, changes)
        if recipe == session.subject.recipe:
            return
        only_color = replace(recipe, color=session.subject.recipe.color) == session.subject.recipe
        session = session.remembered(gesture)
        session = self._put(replace(session, subject=replace(session.subject, recipe=recipe)))
        if not session.subject.ready or session.work.state == "empty":
            self._tell(session)
        elif only_color:
            self._tell(session)
            self._live.send(Recolor(session.order(self.store.path(session), self.setup.size)))
        else:
            self._paint(session, go_on=True)

    def set_mask(self, session: Session, name: str, file: str | None, gesture: str) -> None:
        """What the brush painted; None for nothing.

        Raises:
            SettingsError: no such mask.
        """
        names = ["protect", *(f"style{number + 1}" for number in range(len(session.subject.styles)))]
        if name not in names:
            raise SettingsError(f"there is no mask {name!r}: choose from {', '.join(names)}")
        masks = {key: held for key, held in session.subject.masks.items() if key != name}
        if file is not None:
            masks[name] = file
        session = session.remembered(gesture)
        session = self._put(replace(session, subject=replace(session.subject, masks=masks)))
        if session.subject.ready and session.work.state != "empty":
            self._paint(session, go_on=True)
        else:
            self._tell(session)

    def undo(self, session: Session) -> None:
        """Back to how it was before the last change.

        Raises:
            SettingsError: there is nothing to undo.
        """
        if not session.undo:
            raise SettingsError("there is nothing to undo")
        *rest, shot = session.undo
        session = replace(session, subject=shot.subject, undo=tuple(rest))
        entry = session.painted(shot.entry)
        if entry is not None:
            self._show(session, entry)
        else:
            present = None if shot.present is None else str(self.store.path(session) / shot.present)
            self._paint(session, go_on=True, present=present)

    def restore(self, session: Session, run: int) -> None:
        """Back to a picture of the history, and to what it was made with.

        Raises:
            SettingsError: there is no such picture.
        """
        entry = session.painted(run)
        if entry is None:
            raise SettingsError("there is no such picture any more")
        session = session.remembered(f"restore {run} {time.time()}")
        self._show(replace(session, subject=entry.subject), entry)

    def stop(self, session: Session) -> None:
        """Show the picture so far."""
        self._live.send(Stop(session.name))

    def go_on(self, session: Session) -> None:
        """From where it was stopped; a picture that is done gets more steps.

        Raises:
            SettingsError: there is nothing to paint.
        """
        if not session.subject.ready:
            raise SettingsError("give a photograph and a painting first")
        if session.work.state == "stopped":
            begun = session.at_work(state="painting")
            folder, present = self.store.path(session), self._file(session)
            if present is None and session.work.start is not None:  # the server ended while it was painted
                present = str(folder / session.work.start)
            paint = Paint(session.order(folder, self.setup.size), True, present)
            self._tell(self._put(begun))
            self._live.send(Resume(paint))
        else:
            self._paint(session, go_on=session.entry is not None, polish=True)

    def restart(self, session: Session) -> None:
        """From the photograph.

        Raises:
            SettingsError: there is nothing to paint.
        """
        if not session.subject.ready:
            raise SettingsError("give a photograph and a painting first")
        self._paint(session.remembered(f"restart {time.time()}"), go_on=False)

    def plan(self, session: Session, size: int) -> None:
        """Find out what a large picture would take; the answer comes with the stream.

        Raises:
            SettingsError: there is no picture to make large.
        """
        entry = self._finished(session)
        order = session.order(self.store.path(session), size)
        above = min(max(entry.size), size)
        self._live.send(Plan(order, str(self.store.path(session) / entry.files["raw"]), above))

    def enlarge(self, session: Session, size: int) -> None:
        """Queue a large picture.

        Raises:
            SettingsError: there is no picture to make large.
        """
        entry = self._finished(session)
        folder = self.store.path(session)
        order = session.order(folder, size, self.store.number(session))
        self.workshop.add(order, str(folder / entry.files["raw"]), min(max(entry.size), size), entry.run)
        self._tell(session)

    def cancel(self, session: Session, job: str) -> None:
        """Take a large picture out of the queue."""
        held = self.workshop.queue.get(job)
        if held is not None and held.order.session == session.name:
            self.workshop.cancel(held)
        self._tell(session)

    def document(self, session: Session) -> dict[str, Any]:
        """A session for its page."""
        return document_of(session, self.workshop.places(session.name), self.ready)

    # what is under way

    def _finished(self, session: Session) -> Entry:
        entry = session.entry
        if entry is None or not session.subject.ready:
            raise SettingsError("stop the picture, or let it finish, before it is made large")
        return entry

    def _file(self, session: Session) -> str | None:
        """Path of the present picture, where it is a file."""
        entry = session.entry
        return None if entry is None else str(self.store.path(session) / entry.files["raw"])

    def _renew(self, session: Session, subject: Subject) -> None:
        """Other pictures: paint them from the beginning."""
        session = replace(session.remembered(f"pictures {session.numbers}"), subject=subject)
        if subject.ready:
            self._paint(session, go_on=False)
            return
        self._live.send(Drop(session.name))
        self._tell(self._put(replace(session, work=Work())))

    def _paint(self, session: Session, go_on: bool, present: str | None = None, polish: bool = False) -> None:
        """Begin a run in place of the present one."""
        present = self._file(session) if present is None and go_on else present
        run = session.numbers
        session = self._put(replace(session, numbers=run + 1, work=Work("painting", run)))
        order = session.order(self.store.path(session), self.setup.size)
        self._audience.begin(session)
        self._tell(session)
        self._live.send(Paint(order, go_on, present, polish, self.workshop.taken))

    def _show(self, session: Session, entry: Entry) -> None:
        """A picture that is finished, in place of the present one."""
        self._live.send(Drop(session.name))
        state = "stopped" if entry.why == "stopped" else "done"
        self._tell(self._put(replace(session, work=Work(state, entry.run))))

    # what the processes say

    def _hear(self, event: Event | None) -> None:
        if event is None:
            self._dead()
        elif isinstance(event, Ready):
            self.ready = event
            self._tell_all()
        elif isinstance(event, Failed) and not event.session:
            self.give_up(event.error)
        elif (session := self.store.get(event.session)) is not None:  # type: ignore[union-attr]
            self._hear_of(session, event)

    def _hear_of(self, session: Session, event: Event) -> None:
        if isinstance(event, Planned):
            self._audience.say(session, "plan", asdict(event))
        elif isinstance(event, Colored):
            self._colored(session, event)
        elif event.run != session.work.run:  # type: ignore[union-attr]
            return  # of a run that another one has taken the place of
        elif isinstance(event, Preview):
            self._preview(session, event)
        elif isinstance(event, Finished):
            self._finish(session, event)
        elif isinstance(event, Waiting):
            self._tell(self._put(session.at_work(state="waiting")))
            self.workshop.make_room()
        elif isinstance(event, Failed):
            self._tell(self._put(session.at_work(state="failed", error=event.error)))

    def _preview(self, session: Session, event: Preview) -> None:
        self.workshop.reserve = max(self.workshop.reserve, event.peak)
        if event.start is not None and session.work.start is None:
            session = self._put(session.started(event.start))
        if session.work.state == "waiting":
            session = self._put(session.at_work(state="painting"))
            self._tell(session)
        self._audience.preview(session, event)

    def _finish(self, session: Session, event: Finished) -> None:
        session = session.with_entry(entry_of(event, event.why, session.subject))
        self._tell(self._put(session.at_work(state=event.why)))
        if not any(held.work.state in ("painting", "waiting") for held in self.store):
            self.workshop.feed()

    def _colored(self, session: Session, event: Colored) -> None:
        entry = session.painted(event.run)
        if entry is None:
            return
        subject = replace(
            entry.subject, recipe=replace(entry.subject.recipe, color=session.subject.recipe.color)
        )
        session = session.with_entry(replace(entry, subject=subject, command=event.command, made=time.time()))
        self._tell(self._put(session))

    def _hear_large(self, job: Job, event: Event | None) -> None:
        """Of a large picture; the workshop has seen to its job."""
        session = self.store.get(job.order.session)
        if isinstance(event, Saved):  # so that there is memory for those who wait
            for held in self.store:
                if held.work.state == "waiting":
                    order = held.order(self.store.path(held), self.setup.size)
                    self._live.send(Paint(order, go_on=True))
        if session is None:
            return
        if isinstance(event, Finished):
            source = session.painted(job.source)
            subject = session.subject if source is None else source.subject
            session = self._put(session.with_entry(entry_of(event, "large", subject)))
        self._tell(session)

    def _dead(self) -> None:
        """The live process has died: what it was painting fails, and another one is started."""
        error = "the painter died, perhaps for want of memory: try again, or with a smaller --size"
        if self.ready is None:  # and so would the next one
            self.give_up(error)
            return
        for session in self.store:
            if session.work.state in ("painting", "waiting"):
                self._tell(self._put(session.at_work(state="failed", error=error)))
        self.ready = None
        self._live.start()

    # telling

    def _put(self, session: Session) -> Session:
        with suppress(OSError):  # a disk that is full: the pages are told all the same
            return self.store.put(session)
        return session

    def _tell(self, session: Session) -> None:
        self._audience.say(session, "state", self.document(session))

    def _tell_all(self) -> None:
        for session in self.store:
            self._tell(session)
