"""The studio itself: what each session is told to do, the processes that do it, and who hears of it."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from nst.cli.web.messages import (
    Colored,
    Drop,
    Estimate,
    EstimateRequest,
    Event,
    Failed,
    Finished,
    News,
    Paint,
    Preview,
    Ready,
    Recolor,
    Resume,
    Saved,
    Stop,
    Stopped,
    Waiting,
)
from nst.cli.web.painting import Setup
from nst.cli.web.process import PaintingProcess
from nst.cli.web.queue import LargeJob, LargeJobs, Queue
from nst.cli.web.recipe import changed
from nst.cli.web.session import Composition, HistoryEntry, Session, Store, Upload, Work, entry_of
from nst.errors import SettingsError

__all__ = [
    "MOST_STYLES",
    "EventHandler",
    "EventStream",
    "Studio",
    "StudioState",
    "Subscribers",
    "document_of",
]

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
        painter: Callable[[Setup, bool, Callable[[Event | None], None]], PaintingProcess] = PaintingProcess,
    ) -> None:
        self.store, self.setup = store, setup
        self._live = painter(setup, False, lambda event: soon(self.handler.handle, event))
        slow = painter(setup, True, lambda event: soon(self.large_jobs.handle, event))
        self.large_jobs = LargeJobs(
            Queue(store.folder / "queue"),
            setup,
            slow,
            lambda job, event: self.handler.handle_large(job, event),
        )
        self._state = StudioState(store, setup.size, self._live, self.large_jobs)
        self.handler = EventHandler(self._state)

    def open(self) -> None:
        """Start to work; large pictures that were under way go on."""
        self._live.start()
        self.large_jobs.feed()

    def close(self) -> None:
        """Put everything down."""
        self._live.stop()
        self.large_jobs.close()

    def close_streams(self) -> None:
        """End the streams."""
        self._state.subscribers.close_streams()

    # what a page asks for

    def subscribe(self, session: Session) -> EventStream:
        """A stream of news for a page; it begins with how things are."""
        return self._state.subscribers.join(session, self.document(session))

    def unsubscribe(self, session: Session, stream: EventStream) -> None:
        """The page is closed."""
        self._state.subscribers.leave(session, stream)

    def make(self) -> Session:
        """A session; those that are too many go."""
        session = self.store.make()
        for old in self.store.surplus():
            if not self._state.subscribers.watches(old) and not self.large_jobs.queue.of(old.name):
                self._live.send(Drop(old.name))
                self.store.remove(old)
        return session

    def set_photo(self, session: Session, photo: Upload) -> None:
        """Another photograph: the picture begins anew, without what the brush painted."""
        self._renew(session, replace(session.subject, photo=photo, masks={}))

    def add_style(self, session: Session, style: Upload) -> None:
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
            self._state.show(begun)
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
        self._live.send(EstimateRequest(order, str(self.store.path(session) / entry.files["raw"]), above))

    def enlarge(self, session: Session, size: int) -> None:
        """Queue a large picture.

        Raises:
            SettingsError: there is no picture to make large.
        """
        entry = self._finished(session)
        folder = self.store.path(session)
        order = session.order(folder, size, self.store.number(session))
        self.large_jobs.add(order, str(folder / entry.files["raw"]), min(max(entry.size), size), entry.run)
        self._state.publish(session)

    def cancel(self, session: Session, job: str) -> None:
        """Take a large picture out of the queue."""
        held = self.large_jobs.queue.get(job)
        if held is not None and held.order.session == session.name:
            self.large_jobs.cancel(held)
        self._state.publish(session)

    def document(self, session: Session) -> dict[str, Any]:
        """A session for its page."""
        return self._state.document(session)

    # what is under way

    def _finished(self, session: Session) -> HistoryEntry:
        entry = session.entry
        if entry is None or not session.subject.ready:
            raise SettingsError("stop the picture, or let it finish, before it is made large")
        return entry

    def _file(self, session: Session) -> str | None:
        """Path of the present picture, where it is a file."""
        entry = session.entry
        return None if entry is None else str(self.store.path(session) / entry.files["raw"])

    def _renew(self, session: Session, subject: Composition) -> None:
        """Other pictures: paint them from the beginning."""
        session = replace(session.remembered(f"pictures {session.numbers}"), subject=subject)
        if subject.ready:
            self._paint(session, go_on=False)
            return
        self._live.send(Drop(session.name))
        self._state.show(replace(session, work=Work()))

    def _go_on_with(self, session: Session, only_color: bool = False) -> None:
        """Other settings: paint on from the present picture, if there is one."""
        begun = session.subject.ready and session.work.state != "empty"
        if begun and not only_color:
            self._paint(session, go_on=True)
            return
        session = self._state.show(session)
        if begun:
            self._live.send(Recolor(session.order(self.store.path(session), self.setup.size)))

    def _paint(self, session: Session, go_on: bool, present: str | None = None, polish: bool = False) -> None:
        """Begin a run in place of the present one."""
        present = self._file(session) if present is None and go_on else present
        run = session.numbers
        session = replace(session, numbers=run + 1, work=Work("painting", run))
        self._state.subscribers.begin(session)
        session = self._state.show(session)
        order = session.order(self.store.path(session), self.setup.size)
        self._live.send(Paint(order, go_on, present, polish, self.large_jobs.taken))

    def _show(self, session: Session, entry: HistoryEntry) -> None:
        """A picture that is finished, in place of the present one."""
        self._live.send(Drop(session.name))
        state = "stopped" if entry.why == "stopped" else "done"
        self._state.show(replace(session, work=Work(state, entry.run)))


class StudioState:
    """What all of the server knows: the sessions, the pages that show them, and what paints.

    Everything happens in the one thread of the server.

    Args:
        store: of the sessions.
        size: longest side of a live picture in pixels.
        live: the process that paints live.
        large_jobs: where large pictures are painted.
    """

    def __init__(self, store: Store, size: int, live: PaintingProcess, large_jobs: LargeJobs) -> None:
        self.store, self.size, self.live, self.large_jobs = store, size, live, large_jobs
        self.subscribers = Subscribers()
        self.ready: Ready | None = None

    @property
    def quiet(self) -> bool:
        """Whether no live picture is under way."""
        return not any(session.work.state in ("painting", "waiting") for session in self.store)

    def save(self, session: Session) -> Session:
        """Keep what a session is now."""
        with suppress(OSError):  # a disk that is full: the pages are told all the same
            return self.store.save(session)
        return session

    def show(self, session: Session) -> Session:
        """Keep what a session is now, and tell its pages."""
        session = self.save(session)
        self.publish(session)
        return session

    def publish(self, session: Session) -> None:
        """Tell the pages of a session how it is now."""
        now = self.store.get(session.name) or session
        self.subscribers.publish(now, "state", self.document(now))

    def document(self, session: Session) -> dict[str, Any]:
        """A session for its page."""
        return document_of(session, self.large_jobs.places(session.name), self.ready)


class EventHandler:
    """What the processes say: previews, results, failures; and what becomes of it.

    Args:
        state: of the server.
    """

    def __init__(self, state: StudioState) -> None:
        self._state = state
        self.give_up: Callable[[str], None] = lambda why: None  # told why nothing will ever be painted

    def handle(self, event: Event | None) -> None:
        """Of the process that paints live; None when it is dead."""
        state = self._state
        if event is None:
            self._dead()
        elif isinstance(event, Ready):
            state.ready = event
            for session in state.store:
                state.publish(session)
        elif isinstance(event, Failed) and not event.session:
            self.give_up(event.error)
        elif not isinstance(event, Saved):
            named = state.store.get(event.session)
            if named is not None:
                self._handle_of(named, event)

    def handle_large(self, job: LargeJob, event: Event | None) -> None:
        """Of a large picture, whose job `LargeJobs` has seen to; None for a change of its state."""
        state = self._state
        if isinstance(event, Saved):  # so that there is memory for those who wait
            for waiting in state.store:
                if waiting.work.state == "waiting":
                    order = waiting.order(state.store.path(waiting), state.size)
                    state.live.send(Paint(order, go_on=True))
        session = state.store.get(job.order.session)
        if session is None:
            return
        if isinstance(event, Finished):
            source = session.painted(job.source)
            subject = session.subject if source is None else source.subject
            session = session.with_entry(entry_of(event, "large", subject))
            state.show(session)
        else:
            state.publish(session)

    def _handle_of(self, session: Session, event: News) -> None:
        state = self._state
        if isinstance(event, Estimate):
            state.subscribers.publish(session, "plan", asdict(event))
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
            state.show(session.at_work(state="waiting"))
            state.large_jobs.make_room()

    def _preview(self, session: Session, event: Preview) -> None:
        state = self._state
        state.large_jobs.reserve = max(state.large_jobs.reserve, event.peak)
        if event.start is not None and session.work.start is None:
            session = state.save(session.started(event.start))
        if session.work.state == "waiting":
            session = state.show(session.at_work(state="painting"))
        state.subscribers.preview(session, event)

    def _end(self, session: Session) -> None:
        """A live picture is no longer under way."""
        state = self._state
        session = state.show(session)
        state.store.tidy(session, {job.order.run for job in state.large_jobs.queue.of(session.name)})
        if state.quiet:
            state.large_jobs.feed()

    def _colored(self, session: Session, event: Colored) -> None:
        entry = session.painted(event.run)
        if entry is None:
            return
        recipe = replace(entry.subject.recipe, color=session.subject.recipe.color)
        subject = replace(entry.subject, recipe=recipe)
        self._state.show(
            session.with_entry(replace(entry, subject=subject, command=event.command, made=time.time()))
        )

    def _dead(self) -> None:
        """What the process was painting fails, and another one is started."""
        state = self._state
        error = "the painter died, perhaps out of memory: try again, or with a smaller --size"
        if state.ready is None:  # and so would the next one
            self.give_up(error)
            return
        state.ready = None
        state.live.start()
        for session in state.store:
            if session.work.state in ("painting", "waiting"):
                self._end(session.at_work(state="failed", error=error))


def document_of(
    session: Session, jobs: Sequence[tuple[int, LargeJob]], ready: Ready | None
) -> dict[str, Any]:
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


class Subscribers:
    """The pages that are open, and what each of them is told."""

    def __init__(self) -> None:
        self._streams: dict[str, set[EventStream]] = {}
        self._shown: dict[str, dict[str, Any]] = {}  # the last preview of each session
        self._curves: dict[str, tuple[int, list[tuple[int, float]]]] = {}  # and losses by step, of which run

    def join(self, session: Session, document: Any) -> EventStream:
        """A stream of news for a page; it begins with how things are."""
        stream = EventStream()
        self._streams.setdefault(session.name, set()).add(stream)
        stream.send("state", document)
        run, curve = self._curves.get(session.name, (0, []))
        stream.send("curve", {"run": run, "points": curve})
        if session.name in self._shown and session.work.state == "painting":
            stream.send("preview", self._shown[session.name])
        return stream

    def leave(self, session: Session, stream: EventStream) -> None:
        """The page is closed."""
        self._streams.get(session.name, set()).discard(stream)

    def close_streams(self) -> None:
        """End all streams."""
        for streams in self._streams.values():
            for stream in streams:
                stream.close()

    def watches(self, session: Session) -> bool:
        """Whether a page is open."""
        return bool(self._streams.get(session.name))

    def publish(self, session: Session, kind: str, news: Any) -> None:
        """Tell all pages of a session."""
        for stream in self._streams.get(session.name, ()):
            stream.send(kind, news)

    def begin(self, session: Session) -> None:
        """Another run: its curve begins anew."""
        self._curves[session.name] = session.work.run, []

    def preview(self, session: Session, event: Preview) -> None:
        """Show a picture on its way."""
        picture = "data:image/jpeg;base64," + base64.b64encode(event.jpeg).decode()
        held = {name: value for name, value in vars(event).items() if name not in ("jpeg", "start", "job")}
        self._shown[session.name] = {**held, "picture": picture}
        run, curve = self._curves.get(session.name, (0, []))
        if run == event.run:
            curve.append((event.step, event.loss))
        self.publish(session, "preview", self._shown[session.name])


BREATH = 15.0
"""Seconds without news after which a line is sent all the same, so that a connection that is dead is noticed."""


class EventStream:
    """What one page has not been told yet; of each kind of news the latest, so that a slow page lags by one."""

    def __init__(self) -> None:
        self._news: dict[str, Any] = {}
        self._there = asyncio.Event()
        self.closed = False

    def send(self, kind: str, news: Any) -> None:
        """Tell the page."""
        self._news.pop(kind, None)
        self._news[kind] = news
        self._there.set()

    def close(self) -> None:
        """The server ends."""
        self.closed = True
        self._there.set()

    async def lines(self) -> AsyncIterator[str]:
        """The stream; see the HTML standard, section 9.2."""
        yield "retry: 1000\n\n"
        while not self.closed:
            try:
                await asyncio.wait_for(self._there.wait(), BREATH)
            except asyncio.TimeoutError:
                yield ": still here\n\n"
                continue
            self._there.clear()
            news, self._news = self._news, {}
            for kind, document in news.items():
                yield f"event: {kind}\ndata: {json.dumps(document)}\n\n"
