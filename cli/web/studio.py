"""The studio: sessions, the pages that show them, and the processes that paint them.

A page asks for something, the processes are sent a request, what they report changes the session, and all its pages
are told how it is now. All of this happens in the one thread of the server. What cannot be done is a SettingsError,
whose line the page shows.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from nst.cli.web.messages import (
    Colored,
    Estimate,
    Event,
    Finished,
    HistoryEntry,
    Large,
    LookPainted,
    Order,
    Paint,
    Preview,
    Ready,
    Recolor,
    Status,
    Stop,
)
from nst.cli.web.painting import Setup
from nst.cli.web.process import PaintingProcess
from nst.cli.web.queue import LargeJob, LargeJobs
from nst.cli.web.recipe import MOST_STYLES, Composition, Upload, changed
from nst.cli.web.session import FRESH, Session, Snapshot, Store, Work
from nst.errors import SettingsError
from nst.files import read_json, write_atomically

LOOKS_FILE = "looks.json"
"""Of a session's folder: the cards, as the page has them."""

LARGE_FACES = 0.02
"""Share of a photograph that heads take up which are kept without being asked for."""


class Studio:
    """See the module. `call_soon` calls a function with an argument in the thread of the server, from any thread."""

    def __init__(
        self,
        store: Store,
        setup: Setup,
        call_soon: Callable[[Callable[[Any], None], Any], None],
        painter: Callable[[Setup, bool, Callable[[Event | None], None]], PaintingProcess] = PaintingProcess,
    ) -> None:
        self.store, self.setup = store, setup
        self.give_up: Callable[[str], None] = lambda why: None
        """Called with a line where nothing will ever be painted."""
        self._ready: Ready | None = None  # what paints; None while it is loaded
        self._shown: dict[str, _Shown] = defaultdict(_Shown)
        self._live = painter(setup, False, lambda event: call_soon(self._handle, event))
        slow = painter(setup, True, lambda event: call_soon(self._large_jobs.handle, event))
        self._large_jobs = LargeJobs(store, setup, slow, self._handle_large)

    def open(self) -> None:
        """Start to work; large pictures that were under way go on, what a server left that was killed goes."""
        for session in self.store:
            self._tidy(session, fresh=0.0)
        self._live.start()
        self._large_jobs.start_next()

    def close(self) -> None:
        """End the processes; a large picture that is under way is saved."""
        self._live.stop()
        self._large_jobs.close()

    # the pages of a session

    def subscribe(self, session: Session) -> EventStream:
        """The events of a session, for a page; they begin with how things are."""
        shown, stream = self._shown[session.name], EventStream()
        shown.streams.add(stream)
        stream.send("state", self.document(session))
        stream.send("curve", {"run": shown.run, "points": shown.curve})
        if not shown.looks:
            with suppress(OSError, ValueError):
                shown.looks = read_json((self.store.path(session) / LOOKS_FILE).read_bytes(), {str: str})
        stream.send("looks", shown.looks)
        if shown.preview is not None and session.work.state == "painting":
            stream.send("preview", shown.preview)
        return stream

    def unsubscribe(self, session: Session, stream: EventStream) -> None:
        """The page is closed."""
        self._shown[session.name].streams.discard(stream)

    def close_streams(self) -> None:
        """The server ends."""
        for shown in self._shown.values():
            for stream in shown.streams:
                stream.close()

    def document(self, session: Session) -> dict[str, Any]:
        """A session for its page, as JSON."""
        document = asdict(session)
        for name in ("name", "touched", "numbers"):
            del document[name]
        document["undo"], document["redo"] = len(session.undo), len(session.redo)
        document["jobs"] = [
            {name: getattr(job, name) for name in ("name", "state", "error", "step", "steps", "left")}
            | {"size": job.order.size, "place": place}
            for place, job in self._large_jobs.of(session.name)
        ]
        document["machine"] = None if self._ready is None else asdict(self._ready)
        return document

    def _send(self, session: Session, kind: str, event: Any) -> None:
        """Tell all pages of a session."""
        for stream in self._shown[session.name].streams:
            stream.send(kind, event)

    def _publish(self, session: Session) -> None:
        """Tell the pages of a session how it is now."""
        now = self.store.get(session.name) or session
        self._send(now, "state", self.document(now))

    def _save(self, session: Session, publish: bool = True) -> Session:
        """Keep what a session is now, and tell its pages."""
        with suppress(OSError):  # a disk that is full: the pages are told all the same
            session = self.store.save(session)
        if publish:
            self._publish(session)
        return session

    # what a page asks for

    def make(self) -> Session:
        """A session; those that are too many go."""
        session = self.store.make()
        for old in self.store.surplus():
            if not self._shown[old.name].streams and not self._large_jobs.of(old.name):
                self._live.send(Stop(old.name, forget=True))
                self.store.remove(old)
                del self._shown[old.name]
        return session

    def set_photo(self, session: Session, photo: Upload) -> None:
        """Another photograph: the picture begins anew, without what the brush painted."""
        self._renew(session, replace(session.subject, photo=photo, masks={}))

    def set_faces(self, session: Session, photo: Upload, file: str, share: float) -> None:
        """Heads were found in a photograph: where they are large they are kept, unless the brush came before."""
        subject = session.subject
        if subject.photo != photo:  # which is another by now
            return
        kept = share >= LARGE_FACES and not subject.masks
        masks = {"protect": file} if kept else subject.masks
        subject = replace(subject, photo=replace(photo, faces=file), masks=masks)
        session = replace(session, subject=subject)
        if kept and subject.ready:
            self._paint(session, go_on=False)
        else:
            self._save(session)

    def add_style(self, session: Session, style: Upload) -> None:
        """A further painting."""
        if len(session.subject.styles) >= MOST_STYLES:
            raise SettingsError(f"there are {MOST_STYLES} paintings already: take one away first")
        self._renew(session, session.subject.with_style(style))

    def remove_style(self, session: Session, number: int) -> None:
        """Take a painting away; its mask goes, those of the ones after it move up."""
        if not 1 <= number <= len(session.subject.styles):
            raise SettingsError(f"there is no painting {number}")
        self._renew(session, session.subject.without_style(number))

    def change(self, session: Session, changes: Mapping[str, Any], gesture: str) -> None:
        """Move sliders: the picture goes on from where it is; colours alone need no step."""
        before = session.subject
        subject = replace(before, recipe=changed(before.recipe, changes))
        if subject == before:
            return
        only_color = subject.colored(before.recipe.color) == before
        self._go_on_with(replace(session.remembered(gesture), subject=subject), only_color)

    def check_mask_name(self, session: Session, name: str) -> None:
        """Before anything is written for it."""
        names = ["protect", *(f"style{number + 1}" for number in range(len(session.subject.styles)))]
        if name not in names:
            raise SettingsError(f"there is no mask {name!r}: choose from {', '.join(names)}")

    def set_mask(self, session: Session, name: str, file: str | None, gesture: str) -> None:
        """What the brush painted; None where that is nothing."""
        subject = session.subject
        self.check_mask_name(session, name)
        masks = {other: path for other, path in subject.masks.items() if other != name}
        if file is not None:
            masks[name] = file
        self._go_on_with(replace(session.remembered(gesture), subject=replace(subject, masks=masks)))

    def undo(self, session: Session) -> None:
        """Back to how it was before the last change."""
        if not session.undo:
            raise SettingsError("there is nothing to undo")
        *rest, shot = session.undo
        now = session.snapshot(shot.gesture)
        self._go_back(replace(session, undo=tuple(rest), redo=(*session.redo, now)), shot)

    def redo(self, session: Session) -> None:
        """Forward to how it was before the last undo."""
        if not session.redo:
            raise SettingsError("there is nothing to do again")
        *rest, shot = session.redo
        now = session.snapshot(shot.gesture)
        self._go_back(replace(session, undo=(*session.undo, now), redo=tuple(rest)), shot)

    def _go_back(self, session: Session, shot: Snapshot) -> None:
        """To how it was, and to the very picture where it was finished."""
        session = replace(session, subject=shot.subject)
        entry = session.painted(shot.entry)
        if entry is not None:
            self._show(session, entry)
            if entry.subject.recipe.color != shot.subject.recipe.color:
                self._live.send(Recolor(self._order(session, run=entry.run)))
        else:
            self._paint(session, go_on=True, present=self._path(session, shot.present))

    def restore(self, session: Session, run: int) -> None:
        """Back to a picture of the history, and to what it was made with."""
        entry = session.painted(run)
        if entry is None:
            raise SettingsError("there is no such picture any more")
        session = session.remembered(f"restore {run} {time.time()}")
        self._show(replace(session, subject=entry.subject), entry)

    def star(self, session: Session, run: int) -> None:
        """Give a picture of the history a star, or take it away."""
        entries = session.history
        self._save(
            session.with_history([replace(e, star=not e.star) if e.run == run else e for e in entries])
        )

    def delete(self, session: Session, run: int) -> None:
        """Take a picture out of the history, and its files with the next one."""
        if run == session.work.run:
            raise SettingsError("this picture is the present one: go back to another before it is deleted")
        self._save(session.with_history([entry for entry in session.history if entry.run != run]))

    def stop(self, session: Session) -> None:
        """Show the picture so far."""
        self._live.send(Stop(session.name))

    def go_on(self, session: Session) -> None:
        """From where it was stopped; a picture that is done gets more steps."""
        _check_ready(session)
        if session.work.state == "stopped":
            # where the server ended while it was painted, the start is all there is
            present = self._present(session) or self._path(session, session.work.start)
            self._live.send(Paint(self._order(session), True, present, resume=True))
            self._save(session.at_work(state="painting"))
        else:
            self._paint(session, go_on=session.entry is not None, polish=True)

    def restart(self, session: Session) -> None:
        """From the photograph."""
        _check_ready(session)
        self._paint(session.remembered(f"restart {time.time()}"), go_on=False)

    def plan(self, session: Session, size: int) -> None:
        """Find out what a large picture would take; the answer comes with the events."""
        self._live.send(self._large(session, size, session.work.run))

    def enlarge(self, session: Session, size: int, quick: bool = False) -> None:
        """Queue a large picture: painted at further scales, or `quick`, by bringing the present one up to size."""
        large = self._large(session, size, self.store.number(session))
        self._large_jobs.add(replace(large, quick=quick))
        self._publish(session)

    def cancel(self, session: Session, job: str) -> None:
        """Take a large picture out of the queue."""
        self._large_jobs.cancel(job, session.name)
        self._publish(session)

    # what is sent to the processes

    def _order(self, session: Session, size: int | None = None, run: int | None = None) -> Order:
        """What the session is now, to be painted: at the size of live pictures and as the present run, unless told."""
        folder = str(self.store.path(session))
        run = session.work.run if run is None else run
        return Order(session.name, run, folder, session.subject, size or self.setup.size)

    def _path(self, session: Session, file: str | None) -> str | None:
        return None if file is None else str(self.store.path(session) / file)

    def _present(self, session: Session) -> str | None:
        """Path of the present picture, where it is a file."""
        return None if session.entry is None else self._path(session, session.entry.files["raw"])

    def _large(self, session: Session, size: int, run: int) -> Large:
        entry, present = session.entry, self._present(session)
        if entry is None or present is None or not session.subject.ready:
            raise SettingsError("stop the picture, or let it finish, before it is made large")
        return Large(self._order(session, size, run), present, min(max(entry.size), size))

    def _renew(self, session: Session, subject: Composition) -> None:
        """Other pictures: paint them from the beginning."""
        session = replace(session.remembered(f"pictures {session.numbers}"), subject=subject)
        if subject.ready:
            self._paint(session, go_on=False)
            return
        self._live.send(Stop(session.name, forget=True))
        self._save(replace(session, work=Work()))

    def _go_on_with(self, session: Session, only_color: bool = False) -> None:
        """Other settings: paint on from the present picture, if there is one."""
        begun = session.subject.ready and session.work.state != "empty"
        if begun and not only_color:
            self._paint(session, go_on=True)
            return
        self._save(session)
        if begun:
            self._live.send(Recolor(self._order(session)))

    def _paint(self, session: Session, go_on: bool, present: str | None = None, polish: bool = False) -> None:
        """Begin a run in place of the present one."""
        present = self._present(session) if present is None and go_on else present
        run = session.numbers
        shown = self._shown[session.name]
        shown.run, shown.curve = run, []
        session = self._save(replace(session, numbers=run + 1, work=Work("painting", run)))
        self._live.send(Paint(self._order(session), go_on, present, polish, self._large_jobs.taken))

    def _show(self, session: Session, entry: HistoryEntry) -> None:
        """A picture that is finished, in place of the present one."""
        self._live.send(Stop(session.name, forget=True))
        state = "stopped" if entry.why == "stopped" else "done"
        self._save(replace(session, work=Work(state, entry.run)))

    # what the processes report

    def _handle(self, event: Event | None) -> None:
        """An event of the process that paints live; None when it is dead."""
        if event is None:
            self._restart_process()
        elif isinstance(event, Ready):
            self._ready = event
            for session in self.store:
                self._publish(session)
        elif isinstance(event, Status) and not event.session:
            self.give_up(event.error)
        else:
            known = self.store.get(event.session)
            if known is not None:
                self._handle_of(known, event)

    def _handle_of(
        self, session: Session, event: Preview | Finished | Colored | LookPainted | Status | Estimate
    ) -> None:
        run = session.work.run
        if isinstance(event, Estimate):
            self._send(session, "plan", asdict(event))
        elif isinstance(event, LookPainted):
            shown = self._shown[session.name]
            if shown.looks.get("pair", "").split("+")[0] != event.pair.split("+")[0]:
                shown.looks = {}
            shown.looks["pair"] = event.pair  # until all are painted anew some show what was protected before
            shown.looks[event.look] = _data_url(event.jpeg)
            with suppress(OSError):
                write_atomically(self.store.path(session) / LOOKS_FILE, json.dumps(shown.looks).encode())
            self._send(session, "looks", shown.looks)
        elif isinstance(event, Colored):
            entry = session.painted(event.run)
            if entry is not None:
                subject = entry.subject.colored(session.subject.recipe.color)
                entry = replace(entry, subject=subject, command=event.command, made=time.time())
                self._save(session.with_entry(entry))
        elif isinstance(event, Finished):
            if event.entry.run == run:
                self._end(session.with_entry(event.entry).at_work(state=event.entry.why))
        elif event.run != run:
            return  # another run has taken its place
        elif isinstance(event, Preview):
            self._preview(session, event)
        elif event.state == "waiting":
            self._save(session.at_work(state="waiting"))
            self._large_jobs.make_room()
        else:
            self._end(session.at_work(state=event.state, error=event.error))

    def _preview(self, session: Session, event: Preview) -> None:
        self._large_jobs.reserve = max(self._large_jobs.reserve, event.peak)
        if event.start is not None and session.work.start is None:
            session = self._save(session.started(event.start), publish=False)
        if session.work.state == "waiting":
            session = self._save(session.at_work(state="painting"))
        shown = self._shown[session.name]
        shown.preview = {name: value for name, value in vars(event).items() if name not in ("jpeg", "start")}
        shown.preview["picture"] = _data_url(event.jpeg)
        if shown.run == event.run:
            shown.curve.append((event.step, event.loss))
        self._send(session, "preview", shown.preview)

    def _end(self, session: Session) -> None:
        """A live picture is no longer under way; large ones may go on if none is."""
        self._tidy(self._save(session))
        if not any(other.work.under_way for other in self.store):
            self._large_jobs.start_next()

    def _tidy(self, session: Session, fresh: float = FRESH) -> None:
        with suppress(OSError):
            self.store.tidy(session, {job.order.run for _, job in self._large_jobs.of(session.name)}, fresh)

    def _restart_process(self) -> None:
        """What it was painting fails, and another one is started."""
        error = "the painter died, perhaps out of memory: try again, or with a smaller --size"
        if self._ready is None:  # and so would the next one
            self.give_up(error)
            return
        self._ready = None
        self._live.start()
        for session in self.store:
            if session.work.under_way:
                self._end(session.at_work(state="failed", error=error))

    def _handle_large(self, job: LargeJob, event: Event | None) -> None:
        """What became of a large picture, which the queue knows already."""
        if isinstance(event, Status):  # it is saved, so that there is memory for those who wait
            for waiting in self.store:
                if waiting.work.state == "waiting":
                    self._live.send(Paint(self._order(waiting), go_on=True))
        session = self.store.get(job.order.session)
        if session is not None and isinstance(event, Finished):
            self._save(session.with_entry(event.entry))
        elif session is not None:
            self._publish(session)


def _data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _check_ready(session: Session) -> None:
    if not session.subject.ready:
        raise SettingsError("give a photograph and a painting first")


@dataclass
class _Shown:
    """What the pages of a session show: the losses by step of its newest run, the last preview, the cards by look."""

    streams: set[EventStream] = field(default_factory=set)
    run: int = 0
    curve: list[tuple[int, float]] = field(default_factory=list)
    preview: dict[str, Any] | None = None
    looks: dict[str, str] = field(default_factory=dict)


HEARTBEAT = 15.0
"""Seconds without an event after which a line is sent all the same, so that a dead connection is noticed."""


class EventStream:
    """The events that one page has not been sent yet; of each kind the latest, so that a slow page lags by one."""

    def __init__(self) -> None:
        self._events: dict[str, Any] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def send(self, kind: str, event: Any) -> None:
        """Send an event as soon as the page takes it."""
        self._events.pop(kind, None)
        self._events[kind] = event
        self._changed.set()

    def close(self) -> None:
        """The server ends."""
        self._closed = True
        self._changed.set()

    async def lines(self) -> AsyncIterator[str]:
        """The stream; see the HTML standard, section 9.2."""
        yield "retry: 1000\n\n"
        while not self._closed:
            try:
                await asyncio.wait_for(self._changed.wait(), HEARTBEAT)
            except asyncio.TimeoutError:
                yield ": still here\n\n"
                continue
            self._changed.clear()
            events, self._events = self._events, {}
            for kind, document in events.items():
                yield f"event: {kind}\ndata: {json.dumps(document)}\n\n"
