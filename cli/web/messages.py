"""What the server asks of the processes that paint (four requests), and what these report (seven events)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from nst.cli.web.recipe import Composition


@dataclass(frozen=True)
class Order:
    """A picture to paint: what, how large, and where its files are."""

    session: str
    run: int  # counts the pictures of a session
    folder: str  # of the session; files are read and written there
    subject: Composition  # the pictures and the sliders
    size: int  # longest side in pixels

    def path(self, file: str) -> str:
        """Of a file of the session."""
        return str(Path(self.folder) / file)

    def file(self, kind: str) -> Path:
        """Where "picture", "raw", "start" (PNG) or "thumb" (JPEG) of its run is written."""
        return Path(self.folder) / f"{kind}-{self.run}.{'jpg' if kind == 'thumb' else 'png'}"

    @property
    def photo(self) -> str:
        """Path of the photograph."""
        assert self.subject.photo is not None
        return self.path(self.subject.photo.file)

    @property
    def styles(self) -> list[str]:
        """Paths of the paintings."""
        return [self.path(style.file) for style in self.subject.styles]

    @property
    def masks(self) -> dict[str, str]:
        """Paths of what the brush has painted, by name."""
        return {name: self.path(file) for name, file in self.subject.masks.items()}

    def colored(self, color: float) -> Order:
        """The same with more or less of the photograph's colours."""
        return replace(self, subject=self.subject.colored(color))


@dataclass(frozen=True)
class Paint:
    """Paint live, in place of what the session has under way."""

    order: Order
    go_on: bool  # from the present picture, or from the photograph
    present: str | None = None  # path of the present picture, for a process that does not have it
    polish: bool = False  # stay at the full size
    taken: int = 0  # bytes of memory that a large picture will still take
    resume: bool = False  # the run that was stopped, where this process still has it


@dataclass(frozen=True)
class Recolor:
    """Keep more or less of the photograph's colours in the present run; no optimisation."""

    order: Order


@dataclass(frozen=True)
class Stop:
    """Show the picture so far, or forget the session without a word; a large picture is saved."""

    session: str
    forget: bool = False


@dataclass(frozen=True)
class Large:
    """A large picture: the live process estimates what it would take, the other one paints it."""

    order: Order  # what
    present: str  # path of the picture to go on from
    above: int  # longest side in pixels of the live picture; the first scale is larger
    job: str = ""  # its name in the queue
    checkpoint: str = ""  # path of the file that saves the run; what is there goes on
    reserve: int = 0  # bytes of memory that are left to live pictures
    quick: bool = False  # the present picture is brought up to size, without a step


Request: TypeAlias = Paint | Recolor | Stop | Large
"""In place of one, None says that the server ends."""


@dataclass(frozen=True)
class Ready:
    """The process has loaded its backend and network."""

    backend: str
    device: str
    network: str


@dataclass(frozen=True)
class Preview:
    """A picture on its way, or the present one in other colours."""

    session: str
    run: int
    step: int  # done, of `steps`
    steps: int
    scale: int  # from 1, of `scales`
    scales: int
    size: tuple[int, int]  # (width, height) in pixels of what is painted
    loss: float  # total
    left: float  # seconds that it will still take, 0 before that is known
    peak: int  # bytes of memory that the run is planned to take
    start: str | None  # name of the file that it started from
    jpeg: bytes  # the picture at the size of the result; empty of a large one
    job: str | None = None  # of a large picture


@dataclass(frozen=True)
class HistoryEntry:
    """A picture that was painted."""

    run: int  # which one
    why: str  # done, stopped, large
    subject: Composition  # what was painted
    size: tuple[int, int]  # (width, height) in pixels
    step: int  # steps done, of `steps`
    steps: int
    seconds: float  # of the optimisation
    made: float  # seconds since 1970
    # names in the session's folder: "picture" (PNG), "thumb" (JPEG), "raw" (PNG without a change of colours)
    files: Mapping[str, str]
    command: str  # that makes it again
    star: bool = False  # it stays when others go


@dataclass(frozen=True)
class Finished:
    """A picture is done, or was stopped and is shown as it is; its files are written."""

    session: str
    entry: HistoryEntry


@dataclass(frozen=True)
class Colored:
    """A picture that is finished, in other colours; its files are written anew."""

    session: str
    run: int
    command: str


@dataclass(frozen=True)
class LookPainted:
    """A card: what a look makes of the photograph and the paintings of a session."""

    session: str  # whose it is
    pair: str  # of which pictures, as `Composition.pair`
    look: str  # its name
    jpeg: bytes  # the picture


@dataclass(frozen=True)
class Status:
    """A picture without anything new to see."""

    session: str  # empty where it concerns all
    run: int
    # "waiting" for a turn or for memory, "stopped" before the first step, "saved" to its checkpoint, "failed"
    state: str
    error: str = ""  # of one that failed: one line that says the cause and the fix


@dataclass(frozen=True)
class Estimate:
    """What a large picture would take."""

    session: str
    size: int  # longest side in pixels
    width: int = 0  # of the picture in pixels
    height: int = 0
    peak: int = 0  # bytes of memory
    free: int | None = None  # bytes of memory that can be had, if that is known
    fits: bool = False  # the one is within the other
    seconds: float = 0.0  # that it will take
    error: str = ""  # one line, where it cannot be painted


Event: TypeAlias = Ready | Preview | Finished | Colored | LookPainted | Status | Estimate
