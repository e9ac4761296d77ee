"""What the server and the processes that paint say to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from nst.cli.web.recipe import Recipe

__all__ = [
    "Colored",
    "Drop",
    "End",
    "Estimate",
    "EstimateRequest",
    "Event",
    "Failed",
    "Finished",
    "Large",
    "News",
    "Order",
    "Paint",
    "Preview",
    "Ready",
    "Recolor",
    "Request",
    "Resume",
    "Saved",
    "Stop",
    "Stopped",
    "Waiting",
]


@dataclass(frozen=True)
class Order:
    """A picture to paint.

    Attributes:
        session: whose.
        run: counts the pictures of a session.
        folder: of the session, where files are written.
        photo: path of the photograph.
        styles: paths of the paintings.
        masks: paths by name, as `nst.pictures.masks.make_masks` has them.
        recipe: the sliders.
        size: longest side in pixels.
    """

    session: str
    run: int
    folder: str
    photo: str
    styles: tuple[str, ...]
    masks: Mapping[str, str]
    recipe: Recipe
    size: int

    def file(self, kind: str) -> Path:
        """Where "picture", "raw", "start" (PNG) or "thumb" (JPEG) of its run is written."""
        return Path(self.folder) / f"{kind}-{self.run}.{'jpg' if kind == 'thumb' else 'png'}"


@dataclass(frozen=True)
class Paint:
    """Paint live, in place of what the session has under way.

    Attributes:
        order: what.
        go_on: from the present picture, or from the photograph.
        present: path of the present picture, for a process that does not have it.
        polish: stay at the full size.
        taken: bytes of memory that a large picture will still take.
    """

    order: Order
    go_on: bool
    present: str | None = None
    polish: bool = False
    taken: int = 0


@dataclass(frozen=True)
class Recolor:
    """Keep more or less of the photograph's colours; no optimisation.

    Attributes:
        order: of the present run.
    """

    order: Order


@dataclass(frozen=True)
class Stop:
    """Put the brush down, and show the picture so far."""

    session: str


@dataclass(frozen=True)
class Resume:
    """Take up what was stopped; `Paint` where this process has it no more."""

    otherwise: Paint


@dataclass(frozen=True)
class Drop:
    """Forget a session, without a word."""

    session: str


@dataclass(frozen=True)
class End:
    """The server ends."""


@dataclass(frozen=True)
class EstimateRequest:
    """How much time and memory a large picture would take."""

    order: Order
    present: str
    above: int


@dataclass(frozen=True)
class Large:
    """Paint large, or go on with it where there is a checkpoint.

    Attributes:
        job: its name.
        order: what.
        present: path of the picture to go on from.
        above: longest side in pixels of the live picture; the first scale is larger.
        checkpoint: path of the file that saves the run.
        reserve: bytes of memory that are left to live pictures.
    """

    job: str
    order: Order
    present: str
    above: int
    checkpoint: str
    reserve: int


@dataclass(frozen=True)
class Ready:
    """The process has loaded its backend and network."""

    backend: str
    device: str
    network: str


@dataclass(frozen=True)
class Preview:
    """A picture on its way, or the present one in other colours.

    Attributes:
        session: whose.
        run: which.
        job: of a large picture.
        step: steps done.
        steps: in all.
        scale: from 1.
        scales: in all.
        size: (width, height) in pixels.
        loss: total.
        left: seconds that it will still take.
        peak: bytes of memory that the run is planned to take.
        start: name of the file that it started from.
        jpeg: the picture; empty of a large one.
    """

    session: str
    run: int
    step: int
    steps: int
    scale: int
    scales: int
    size: tuple[int, int]
    loss: float
    left: float
    peak: int
    start: str | None
    jpeg: bytes
    job: str | None = None


@dataclass(frozen=True)
class Finished:
    """A picture is done, or was stopped and is shown as it is.

    Attributes:
        session: whose.
        run: which.
        why: done, stopped.
        step: steps done.
        steps: in all.
        size: (width, height) in pixels.
        seconds: of the optimisation.
        files: names in the session's folder: "picture" (PNG), "thumb" (JPEG), "raw" (PNG without a change of colours).
        command: that makes it again.
        job: of a large picture.
    """

    session: str
    run: int
    why: str
    step: int
    steps: int
    size: tuple[int, int]
    seconds: float
    files: Mapping[str, str]
    command: str
    job: str | None = None


@dataclass(frozen=True)
class Colored:
    """A picture that is finished, in other colours; the files are written anew."""

    session: str
    run: int
    command: str
    jpeg: bytes


@dataclass(frozen=True)
class Stopped:
    """A picture was stopped before there was anything to see of it."""

    session: str
    run: int


@dataclass(frozen=True)
class Waiting:
    """There is no memory left for this picture beside those that are being painted."""

    session: str
    run: int


@dataclass(frozen=True)
class Failed:
    """One line that says the cause and the fix; `session` is empty where it concerns all."""

    session: str
    run: int
    error: str
    job: str | None = None


@dataclass(frozen=True)
class Estimate:
    """The answer to `EstimateRequest`.

    Attributes:
        session: whose.
        size: longest side in pixels.
        width: of the picture in pixels.
        height: of the picture in pixels.
        peak: bytes of memory.
        free: bytes of memory that can be had, if that is known.
        fits: whether the one is within the other.
        seconds: that it will take.
        error: one line, where it cannot be.
    """

    session: str
    size: int
    width: int = 0
    height: int = 0
    peak: int = 0
    free: int | None = None
    fits: bool = False
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class Saved:
    """A large picture was put down; its checkpoint has all of it."""

    job: str


Request: TypeAlias = Paint | Recolor | Stop | Resume | Drop | EstimateRequest | Large | End
News: TypeAlias = Preview | Finished | Colored | Stopped | Waiting | Failed | Estimate
"""Of one session."""
Event: TypeAlias = Ready | Saved | News
