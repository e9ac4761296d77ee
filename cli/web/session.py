"""What one person works on: pictures, sliders, what was painted so far; a folder and a JSON file in it."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nst.cli.web.messages import Finished, Order
from nst.cli.web.recipe import Recipe, read_recipe
from nst.documents import read_json
from nst.errors import NSTError
from nst.files import write_atomically

__all__ = ["Composition", "HistoryEntry", "Session", "Snapshot", "Store", "Upload", "Work", "entry_of"]

MOST = 100
"""Sessions that are kept; the one that was not used for longest goes."""

HISTORY, UNDO = 24, 30

FRESH = 600.0
"""Seconds for which a file is left alone in any case."""


@dataclass(frozen=True)
class Upload:
    """A picture that was uploaded, or comes with the package.

    Attributes:
        name: for people.
        file: its name in the session's folder, as it was uploaded.
        view: name of a JPEG of it for the page.
        width: of the view in pixels.
        height: of the view in pixels.
        credit: whose it is, and under which licence; "" for the user's own.
    """

    name: str
    file: str
    view: str
    width: int
    height: int
    credit: str = ""


@dataclass(frozen=True)
class Composition:
    """What is painted, and how.

    Attributes:
        photo: to be painted.
        styles: one to four.
        recipe: the sliders.
        masks: files by name, as `nst.pictures.masks.make_masks` has them.
    """

    photo: Upload | None = None
    styles: tuple[Upload, ...] = ()
    recipe: Recipe = field(default_factory=Recipe)
    masks: Mapping[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether there is something to paint."""
        return self.photo is not None and bool(self.styles)

    def with_style(self, style: Upload) -> Composition:
        """The same with a further painting; all have an equal share."""
        return replace(self, styles=(*self.styles, style), recipe=replace(self.recipe, blend=()))

    def without_style(self, number: int) -> Composition:
        """The same without a painting, from 1; its mask goes, those of the ones after it move up."""
        masks: dict[str, str] = {}
        for name, file in self.masks.items():
            place = int(name[5:]) if name.startswith("style") else 0
            if place != number:
                masks[f"style{place - 1}" if place > number else name] = file
        styles = (*self.styles[: number - 1], *self.styles[number:])
        return Composition(self.photo, styles, replace(self.recipe, blend=()), masks)


@dataclass(frozen=True)
class HistoryEntry:
    """A picture that was painted.

    Attributes:
        run: which.
        why: done, stopped, large.
        subject: what was painted.
        size: (width, height) in pixels.
        step: steps done.
        steps: in all.
        seconds: that it took.
        made: seconds since 1970.
        files: "picture", "thumb", "raw".
        command: that makes it again.
    """

    run: int
    why: str
    subject: Composition
    size: tuple[int, int]
    step: int
    steps: int
    seconds: float
    made: float
    files: Mapping[str, str]
    command: str


def entry_of(event: Finished, why: str, subject: Composition) -> HistoryEntry:
    """A picture that a process has finished."""
    return HistoryEntry(
        run=event.run,
        why=why,
        subject=subject,
        size=event.size,
        step=event.step,
        steps=event.steps,
        seconds=event.seconds,
        made=time.time(),
        files=event.files,
        command=event.command,
    )


@dataclass(frozen=True)
class Snapshot:
    """How things were before a change, for undo.

    Attributes:
        gesture: that made the change; further changes of the same one are undone with it.
        subject: what was painted.
        present: name of the file with the picture of then; None where that is not known.
        entry: run of the picture of the history that was shown then; 0 for none.
    """

    gesture: str
    subject: Composition
    present: str | None
    entry: int


@dataclass(frozen=True)
class Work:
    """How far the present picture is.

    Attributes:
        state: empty, waiting, painting, stopped, done, failed.
        run: which.
        error: one line.
        start: name of the file that it started from.
    """

    state: str = "empty"
    run: int = 0
    error: str = ""
    start: str | None = None


@dataclass(frozen=True)
class Session:
    """See the module.

    Attributes:
        name: in addresses; nobody guesses it.
        subject: what is painted.
        work: how far the present picture is.
        history: the newest first.
        undo: the newest last.
        numbers: the next one, for runs and files.
        touched: seconds since 1970.
    """

    name: str
    subject: Composition = field(default_factory=Composition)
    work: Work = field(default_factory=Work)
    history: tuple[HistoryEntry, ...] = ()
    undo: tuple[Snapshot, ...] = ()
    numbers: int = 1
    touched: float = field(default_factory=time.time)

    @property
    def entry(self) -> HistoryEntry | None:
        """The present picture, if it was finished or stopped."""
        return self.painted(self.work.run)

    @property
    def wanted(self) -> set[str]:
        """Names of the files that belong to what it is, was, and can be again."""
        subjects = [self.subject, *(entry.subject for entry in self.history)]
        subjects += [shot.subject for shot in self.undo]
        sources = [source for held in subjects for source in (held.photo, *held.styles) if source is not None]
        names = {name for source in sources for name in (source.file, source.view)}
        names |= {file for held in subjects for file in held.masks.values()}
        names |= {file for entry in self.history for file in entry.files.values()}
        names |= {f"start-{entry.run}.png" for entry in self.history}  # which its command names
        return names | {shot.present for shot in self.undo if shot.present} | {f"start-{self.work.run}.png"}

    def painted(self, run: int) -> HistoryEntry | None:
        """A picture of the history."""
        return next((entry for entry in self.history if entry.run == run), None)

    def order(self, folder: Path, size: int, run: int | None = None) -> Order:
        """What is to be painted with these pictures and sliders."""
        subject = self.subject
        assert subject.photo is not None
        return Order(
            self.name,
            self.work.run if run is None else run,
            str(folder),
            str(folder / subject.photo.file),
            tuple(str(folder / style.file) for style in subject.styles),
            {name: str(folder / file) for name, file in subject.masks.items()},
            subject.recipe,
            size,
        )

    def at_work(self, **changes: Any) -> Session:
        """The same with another state of its work."""
        return replace(self, work=replace(self.work, **changes))

    def remembered(self, gesture: str) -> Session:
        """The same with a snapshot of how it is now, unless the gesture has made one."""
        if not self.subject.ready or (self.undo and self.undo[-1].gesture == gesture):
            return self
        entry = self.entry
        present = None if entry is None else entry.files["raw"]
        now = Snapshot(gesture, self.subject, present, 0 if entry is None else entry.run)
        return replace(self, undo=(*self.undo, now)[-UNDO:])

    def started(self, start: str) -> Session:
        """The same when its run has begun with a picture: that is what undo goes back to."""
        undo = tuple(replace(shot, present=start) if shot.present is None else shot for shot in self.undo)
        return replace(self, undo=undo, work=replace(self.work, start=start))

    def with_entry(self, entry: HistoryEntry) -> Session:
        """The same with a further picture in its history, or another one of its run."""
        others = tuple(held for held in self.history if held.run != entry.run)
        return replace(self, history=(entry, *others)[:HISTORY])


class Store:
    """The folder of all sessions.

    Args:
        folder: made if it is not there.

    Raises:
        NSTError: it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise NSTError(f"cannot write into {folder}: {error.strerror}; give another --folder") from error
        found = (self._read(path) for path in folder.glob("*/session.json"))
        self._held = {session.name: session for session in found if session is not None}

    def __iter__(self) -> Any:
        return iter(list(self._held.values()))

    def get(self, name: str) -> Session | None:
        """A session by name."""
        return self._held.get(name)

    def path(self, session: Session) -> Path:
        """Its folder."""
        return self.folder / session.name

    def make(self) -> Session:
        """A new one; its folder is there."""
        session = Session(secrets.token_hex(8))
        self.path(session).mkdir(mode=0o700)
        self.save(session)
        return session

    def save(self, session: Session) -> Session:
        """Keep what it is now."""
        session = replace(session, touched=time.time())
        self._held[session.name] = session
        text = json.dumps(asdict(session), indent=1)
        write_atomically(self.path(session) / "session.json", text.encode())
        return session

    def number(self, session: Session) -> int:
        """A number that no run and no file of a session has, as it is now."""
        session = self.get(session.name) or session
        self.save(replace(session, numbers=session.numbers + 1))
        return session.numbers

    def tidy(self, session: Session, runs: Set[int]) -> None:
        """Remove the files that nothing of a session leads to any more.

        Args:
            session: as it is now.
            runs: of large pictures that are still to be painted.
        """
        wanted = session.wanted | {f"start-{run}.png" for run in runs}
        for path in self.path(session).iterdir():
            fresh = time.time() - path.stat().st_mtime < FRESH  # of a request that is not finished
            if path.suffix != ".json" and path.name not in wanted and not fresh:
                path.unlink(missing_ok=True)

    def surplus(self) -> list[Session]:
        """Those that are too many, the ones that were not used for longest."""
        return sorted(self._held.values(), key=lambda session: session.touched)[
            : max(0, len(self._held) - MOST)
        ]

    def remove(self, session: Session) -> None:
        """With its files."""
        self._held.pop(session.name, None)
        shutil.rmtree(self.path(session), ignore_errors=True)

    def _read(self, path: Path) -> Session | None:
        """None for a file that is damaged or of another version: nothing of it can be shown."""
        try:
            document = read_json(path.read_bytes(), _FORM)
            named = re.fullmatch("[0-9a-f]{16}", document["name"]) and document["name"] == path.parent.name
            return _session(document) if named else None
        except (OSError, ValueError, KeyError, TypeError, NSTError):
            return None


_UPLOAD = {"name": str, "file": str, "view": str, "width": int, "height": int, "credit?": str}
_SUBJECT = {"photo": (_UPLOAD, None), "styles": [_UPLOAD], "recipe": {str: object}, "masks": {str: str}}
_ENTRY = {
    "run": int,
    "why": str,
    "subject": _SUBJECT,
    "size": [int],
    "step": int,
    "steps": int,
    "seconds": float,
    "made": float,
    "files": {"picture": str, "thumb": str, "raw": str},
    "command": str,
}
_FORM = {
    "name": str,
    "subject": _SUBJECT,
    "work": {"state": str, "run": int, "error": str, "start": (str, None)},
    "history": [_ENTRY],
    "undo": [{"gesture": str, "subject": _SUBJECT, "present": (str, None), "entry": int}],
    "numbers": int,
    "touched": float,
}
"""What session.json must be; see `nst.documents`."""


def _in_the_folder(*names: str | None) -> None:
    """A session's files are in its folder: what is removed and shown is nothing else."""
    for name in names:
        if name is not None and not re.fullmatch(r"[\w-]+\.[a-z]+", name):
            raise ValueError("a file's name is not one of the session's")


def _session(document: dict[str, Any]) -> Session:
    work = Work(**document["work"])
    _in_the_folder(work.start)
    for held in document["undo"]:
        _in_the_folder(held["present"])
    for held in document["history"]:
        _in_the_folder(*held["files"].values())
        if len(held["size"]) != 2:
            raise ValueError("a size is not width and height")
    if work.state in ("painting", "waiting"):  # when the server ended
        work = replace(work, state="stopped")
    history = tuple(
        HistoryEntry(**{**held, "subject": _subject(held["subject"]), "size": tuple(held["size"])})
        for held in document["history"]
    )
    undo = tuple(Snapshot(**{**held, "subject": _subject(held["subject"])}) for held in document["undo"])
    subject = _subject(document["subject"])
    return Session(**{**document, "subject": subject, "work": work, "history": history, "undo": undo})


def _subject(document: dict[str, Any]) -> Composition:
    photo = None if document["photo"] is None else Upload(**document["photo"])
    styles = tuple(Upload(**held) for held in document["styles"])
    for held in (photo, *styles):
        if held is not None:
            _in_the_folder(held.file, held.view)
    _in_the_folder(*document["masks"].values())
    return Composition(photo, styles, read_recipe(document["recipe"]), document["masks"])
