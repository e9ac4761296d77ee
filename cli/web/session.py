"""What one person works on: pictures, sliders, what was painted so far; a folder and a JSON file in it."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nst.cli.web.messages import HistoryEntry
from nst.cli.web.recipe import Composition, require_in_folder
from nst.errors import NSTError, told_as
from nst.files import parse, read_as, write_atomically

MOST = 100  # sessions that are kept; the one that was not used for longest goes

NAME = re.compile("[0-9a-f]{16}")  # of a session

HISTORY, UNDO = 24, 30

FILES = {"picture", "thumb", "raw"}  # what a picture of the history has

FRESH = 600.0  # seconds for which a file is left alone in any case


@dataclass(frozen=True)
class Snapshot:
    """How things were before a change, for undo."""

    gesture: str  # that made the change; further changes of the same one are undone with it
    subject: Composition  # what was painted
    present: str | None  # name of the file with the picture of then; None where that is not known
    entry: int  # run of the picture of the history that was shown then; 0 for none


@dataclass(frozen=True)
class Work:
    """How far the present picture is."""

    state: str = "empty"  # empty, waiting, painting, stopped, done, failed
    run: int = 0
    error: str = ""  # one line
    start: str | None = None  # name of the file that it started from

    @property
    def under_way(self) -> bool:
        """Whether it is painted, or waits for that."""
        return self.state in ("painting", "waiting")


@dataclass(frozen=True)
class Session:
    """See the module."""

    name: str  # in addresses; nobody guesses it
    subject: Composition = field(default_factory=Composition)  # what is painted
    work: Work = field(default_factory=Work)  # how far the present picture is
    history: tuple[HistoryEntry, ...] = ()  # the newest first
    undo: tuple[Snapshot, ...] = ()  # the newest last
    redo: tuple[Snapshot, ...] = ()  # what was undone, the newest last; until the next change
    numbers: int = 1  # the next one, for runs and files
    touched: float = field(default_factory=time.time)  # seconds since 1970

    @property
    def entry(self) -> HistoryEntry | None:
        """The present picture, if it was finished or stopped."""
        return self.painted(self.work.run)

    @property
    def subjects(self) -> list[Composition]:
        """What it is, was, and can be again."""
        return [
            self.subject,
            *(entry.subject for entry in self.history),
            *(shot.subject for shot in (*self.undo, *self.redo)),
        ]

    @property
    def wanted(self) -> set[str]:
        """Names of the files that belong to its subjects and their pictures."""
        names = {name for subject in self.subjects for name in subject.files}
        names |= {file for entry in self.history for file in entry.files.values()}
        names |= {f"start-{entry.run}.png" for entry in self.history}  # which its command names
        return (
            names
            | {shot.present for shot in (*self.undo, *self.redo) if shot.present}
            | {f"start-{self.work.run}.png"}
        )

    def painted(self, run: int) -> HistoryEntry | None:
        """A picture of the history."""
        return next((entry for entry in self.history if entry.run == run), None)

    def at_work(self, **changes: Any) -> Session:
        """The same with another state of its work."""
        return replace(self, work=replace(self.work, **changes))

    def remembered(self, gesture: str) -> Session:
        """The same with a snapshot of how it is now, unless the gesture has made one."""
        if not self.subject.ready or (self.undo and self.undo[-1].gesture == gesture):
            return self
        return replace(self, undo=(*self.undo, self.snapshot(gesture))[-UNDO:], redo=())

    def snapshot(self, gesture: str) -> Snapshot:
        """How it is now."""
        entry = self.entry
        present = None if entry is None else entry.files["raw"]
        return Snapshot(gesture, self.subject, present, 0 if entry is None else entry.run)

    def started(self, start: str) -> Session:
        """The same when its run has begun with a picture: that is what undo goes back to."""
        undo = tuple(replace(shot, present=start) if shot.present is None else shot for shot in self.undo)
        return replace(self, undo=undo, work=replace(self.work, start=start))

    def with_entry(self, entry: HistoryEntry) -> Session:
        """The same with a further picture in its history, or another one of its run."""
        return self.with_history([entry, *(other for other in self.history if other.run != entry.run)])

    def with_history(self, entries: Sequence[HistoryEntry]) -> Session:
        """The same with those; where they are too many the oldest without a star go, then the oldest."""
        ranked = sorted(range(len(entries)), key=lambda place: (not entries[place].star, place))
        kept = set(ranked[:HISTORY]) | {0}
        return replace(self, history=tuple(entry for place, entry in enumerate(entries) if place in kept))


class Store:
    """The folder of all sessions, made if it is not there; NSTError if it cannot be written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with told_as(NSTError, f"cannot write into {folder}", "give another --folder"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in folder.iterdir():  # of a server that was killed
            if NAME.fullmatch(path.name):
                with suppress(OSError):
                    path.rmdir()  # which leaves what is not empty
        found = (_read(path) for path in folder.glob("*/session.json"))
        self._sessions = {session.name: session for session in found if session is not None}

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def get(self, name: str) -> Session | None:
        """A session by name."""
        return self._sessions.get(name)

    def path(self, session: Session) -> Path:
        """Its folder."""
        return self.folder / session.name

    def find_picture(self, data: bytes, names: Iterable[str]) -> dict[str, Any]:
        """The session of these names in whose history a picture is, byte by byte, and its run; empty without one."""
        for session in filter(None, map(self.get, names)):
            for entry in session.history:
                path = self.path(session) / entry.files["picture"]
                with suppress(OSError):
                    if path.stat().st_size == len(data) and path.read_bytes() == data:
                        return {"session": session.name, "run": entry.run}
        return {}

    def make(self) -> Session:
        """A new one; its folder is there. OSError: it cannot be written, and there is none."""
        session = Session(secrets.token_hex(8))
        self.path(session).mkdir(mode=0o700)
        try:
            return self.save(session)
        except OSError:
            self.remove(session)
            raise

    def save(self, session: Session) -> Session:
        """Keep what it is now."""
        session = replace(session, touched=time.time())
        self._sessions[session.name] = session
        text = json.dumps(asdict(session), indent=1)
        write_atomically(self.path(session) / "session.json", text.encode())
        return session

    def number(self, session: Session) -> int:
        """A number that no run and no file of a session has, as it is now."""
        session = self.get(session.name) or session
        self.save(replace(session, numbers=session.numbers + 1))
        return session.numbers

    def tidy(self, session: Session, runs: Set[int], fresh: float = FRESH) -> None:
        """Remove the files that nothing of a session leads to any more, nor a large picture that waits (`runs`).

        Those that are younger than `fresh` seconds may be of a request that is not finished.
        """
        wanted = session.wanted | {f"start-{run}.png" for run in runs}
        for path in self.path(session).iterdir():
            old = time.time() - path.stat().st_mtime >= fresh
            if path.suffix != ".json" and path.name not in wanted and old:
                path.unlink(missing_ok=True)

    def surplus(self) -> list[Session]:
        """Those that are too many, the ones that were not used for longest."""
        oldest = sorted(self._sessions.values(), key=lambda session: session.touched)
        return oldest[: max(0, len(oldest) - MOST)]

    def remove(self, session: Session) -> None:
        """With its files."""
        self._sessions.pop(session.name, None)
        shutil.rmtree(self.path(session), ignore_errors=True)


def _read(path: Path) -> Session | None:
    """None for a file that is damaged or of another version: nothing of it can be shown."""
    try:
        session: Session = read_as(Session, parse(path.read_bytes()))
        require_in_folder([*session.wanted, *filter(None, [session.work.start])])
        whole = all(entry.files.keys() >= FILES for entry in session.history)
    except (OSError, ValueError, NSTError):
        return None
    if not whole or not NAME.fullmatch(session.name) or session.name != path.parent.name:
        return None
    return session.at_work(state="stopped") if session.work.under_way else session  # when the server ended
