"""What a run leaves: the picture, and how it came to be."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal

import numpy as np

from nst.arguments import Kind
from nst.control import Ended, duration_text
from nst.description import Labels
from nst.optim import Stop
from nst.pictures.picture import Picture
from nst.pictures.writing import with_caption, write_picture
from nst.progress import Progress
from nst.settings import Metadata, Settings

if TYPE_CHECKING:
    from nst.plot import Chart


@dataclass(frozen=True, eq=False, repr=False)
class Result(Generic[Kind]):
    """A picture, and how it came to be.

    Attributes:
        picture: as sRGB in [0, 1], with the content picture's alpha, at the size of a whole run whatever ended it.
        steps: that were done; 0 for the start picture.
        asked: steps that were asked for.
        stopped: why there are fewer: "deadline", "cancelled", "converged" (no step lowers the loss), "non-finite" (the
            last good iterate); None after a whole run.
        seconds: since the call.
        losses: a record array with a row for the start picture and for each step. Columns: step, scale, width, height,
            seconds, total; then each loss by its name as the paper has it, unweighted, and its weight
            ("content", "content_weight"). No rows where the deadline was over at the start.
        settings: of the run, its size worked out; with them it can be repeated.
        backend: what computed it: "torch on cpu".
        weights: name of the network.

    Examples:
        >>> result = nst.StyleTransfer(content, style, steps=3).paint(progress=False)
        >>> result.steps, result.stopped, result.losses["step"].tolist()
        (3, None, [0, 1, 2, 3])
    """

    picture: Picture
    steps: int
    asked: int
    stopped: Stop | Ended | None
    seconds: float
    losses: np.recarray[Any, Any]
    settings: Settings
    backend: str
    weights: str
    _restore: Callable[[Picture], Kind]
    _made: Mapping[str, Any] | None = None  # see `nst.description.describe`

    def __repr__(self) -> str:
        return f"Result({self._told}, {self.backend}, {self.weights})"

    def _repr_png_(self) -> bytes:
        terms = ""
        if len(self.losses):
            last = self.losses[-1]
            names = [name for name in last.dtype.names if f"{name}_weight" in last.dtype.names]
            terms = "\n" + ", ".join(f"{name} {last[name] * last[f'{name}_weight']:.4g}" for name in names)
        return with_caption(self.picture, self._told + terms)

    @property
    def _told(self) -> str:
        totals = self.losses.total
        loss = f", loss {totals[0]:.4g} -> {totals[-1]:.4g}" if len(totals) else ""
        stopped = f", {self.stopped}" if self.stopped else ""
        width, height = self.size
        return f"{width}x{height}, {self.steps} of {self.asked} steps in {duration_text(self.seconds)}{stopped}{loss}"

    def plot(self) -> Chart:
        """A figure of the picture and of the losses by step; needs matplotlib.

        Raises:
            NSTError: it is not installed.
        """
        from nst.plot import course

        return course(self.picture, self.losses)

    def save(
        self, path: str | os.PathLike[str], *, metadata: Metadata = "settings", dpi: float | None = None
    ) -> None:
        """Write the picture as `nst stylize` does: whole or not at all, in sRGB, with the settings that made it.

        `nst show`, `--like` and `nst.settings_of` read them. Author, copyright and dots per inch are the content
        picture's.

        Args:
            path: .png, .jpg, .webp or .tif.
            metadata: "settings": with the names of files, without their folders; "all": with them; "none": nothing.
            dpi: dots per inch; None: as in the content picture.

        Raises:
            NSTError: another extension, or it cannot be written.
        """
        write_picture(self.picture, path, **Labels(metadata, dpi).of(self._made, self.picture.tags))

    @property
    def image(self) -> Kind:
        """The picture, of the same kind as the content picture that came in."""
        return self._restore(self.picture)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.picture.size


OWN: dict[str, Literal["i8", "f8"]] = {
    "step": "i8",
    "scale": "i8",
    "width": "i8",
    "height": "i8",
    "seconds": "f8",
    "total": "f8",
}
"""Columns of `Result.losses` beside those of the losses, and their types."""


@dataclass(frozen=True)
class History:
    """The losses of each step, while it is run."""

    rows: list[dict[str, float]] = field(default_factory=list)

    def add(self, record: Progress) -> None:
        """Keep the losses of a record; waits for the device."""
        losses, (width, height) = record.losses(), record.size
        own = (record.step, record.scale, width, height, record.seconds, losses.total)
        terms = {name if name not in OWN else f"{name}_loss": value for name, value in losses.terms.items()}
        weights = {f"{name}_weight": record.weights[name] for name in losses.terms}
        self.rows.append({**dict(zip(OWN, own, strict=True)), **terms, **weights})

    def columns(self) -> np.recarray[Any, Any]:
        """See `Result.losses`."""
        names = list(self.rows[0]) if self.rows else list(OWN)
        kinds = [(name, OWN.get(name, "f8")) for name in names]
        made = np.array([tuple(row[name] for name in names) for row in self.rows], kinds)
        return made.view(np.recarray)
