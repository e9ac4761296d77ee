"""The studio itself: what each session is told to do, the processes that do it, and who hears of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from nst.cli.web.backroom import Backroom
from nst.cli.web.easel import Setup
from nst.cli.web.messages import (
    Drop,
    Event,
    Paint,
    Plan,
    Recolor,
    Resume,
    Stop,
)
from nst.cli.web.process import Painter
from nst.cli.web.queue import Queue
from nst.cli.web.recipe import changed
from nst.cli.web.reports import Reports
from nst.cli.web.room import Room
from nst.cli.web.session import Entry, Session, Source, Store, Subject, Work
from nst.cli.web.stream import Mailbox
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
        self._live = painter(setup, False, lambda event: soon(self.reports.hear, event))
        slow = painter(setup, True, lambda event: soon(self.backroom.hear, event))
        self.backroom = Backroom(
            Queue(store.folder / "queue"), setup, slow, lambda job, event: self.reports.hear_large(job, event)
        )
        self._room = Room(store, setup.size, self._live, self.backroom)
        self.reports = Reports(self._room)

    def open(self) -> None:
        """Start to work; large pictures that were under way go on."""
        self._live.start()
        self.backroom.feed()

    def close(self) -> None:
        """Put everything down."""
        self._live.stop()
        self.backroom.close()

    def hang_up(self) -> None:
        """End the streams."""
        self._room.audience.hang_up()

    # what a page asks for

    def subscribe(self, session: Session) -> Mailbox:
        """A stream of news for a page; it begins with how things are."""
        return self._room.audience.join(session, self.document(session))

    def unsubscribe(self, session: Session, box: Mailbox) -> None:
        """The page is closed."""
        self._room.audience.leave(session, box)

    def make(self) -> Session:
        """A session; those that are too many go."""
        session = self.store.make()
        for old in self.store.surplus():
            if not self._room.audience.watches(old) and not self.backroom.queue.of(old.name):
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
        session = replace(session.remembered(gesture), subject=replace(session.subject, recipe=recipe))
        self._go_on_with(session, only_color)

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
        self._go_on_with(replace(session.remembered(gesture), subject=replace(session.subject, masks=masks)))

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
            if entry.subject.recipe.color != shot.subject.recipe.color:
                self._live.send(Recolor(session.order(self.store.path(session), self.setup.size, entry.run)))
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
            self._room.show(begun)
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
        self.backroom.add(order, str(folder / entry.files["raw"]), min(max(entry.size), size), entry.run)
        self._room.tell(session)

    def cancel(self, session: Session, job: str) -> None:
        """Take a large picture out of the queue."""
        held = self.backroom.queue.get(job)
        if held is not None and held.order.session == session.name:
            self.backroom.cancel(held)
        self._room.tell(session)

    def document(self, session: Session) -> dict[str, Any]:
        """A session for its page."""
        return self._room.document(session)

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
        self._room.show(replace(session, work=Work()))

    def _go_on_with(self, session: Session, only_color: bool = False) -> None:
        """Other settings: paint on from the present picture, if there is one."""
        begun = session.subject.ready and session.work.state != "empty"
        if begun and not only_color:
            self._paint(session, go_on=True)
            return
        session = self._room.show(session)
        if begun:
            self._live.send(Recolor(session.order(self.store.path(session), self.setup.size)))

    def _paint(self, session: Session, go_on: bool, present: str | None = None, polish: bool = False) -> None:
        """Begin a run in place of the present one."""
        present = self._file(session) if present is None and go_on else present
        run = session.numbers
        session = replace(session, numbers=run + 1, work=Work("painting", run))
        self._room.audience.begin(session)
        session = self._room.show(session)
        order = session.order(self.store.path(session), self.setup.size)
        self._live.send(Paint(order, go_on, present, polish, self.backroom.taken))

    def _show(self, session: Session, entry: Entry) -> None:
        """A picture that is finished, in place of the present one."""
        self._live.send(Drop(session.name))
        state = "stopped" if entry.why == "stopped" else "done"
        self._room.show(replace(session, work=Work(state, entry.run)))
