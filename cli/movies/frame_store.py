"""The results of a video on the disk: what is there is not computed again."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nst.errors import ImageError, SettingsError, told_as
from nst.files import parse, write_atomically
from nst.pictures.picture import Picture
from nst.pictures.reading import read_picture
from nst.pictures.writing import write_picture

MANIFEST, STATE = "nst-video.json", "nst-video-last.npz"


class FrameStore:
    """A folder of frames, frame-000001.png and so on, with what they were made with beside them.

    It is made if its parent is there; `made_with` is everything that decides the frames, as JSON has it; `restart`
    throws away what is there. ImageError: it cannot be made or written to. SettingsError: it holds frames that were
    made with something else.
    """

    def __init__(self, folder: Path, made_with: Mapping[str, Any], restart: bool = False) -> None:
        self.folder = folder
        with told_as(ImageError, f"cannot write to {folder}", "choose another folder"):
            folder.mkdir(exist_ok=True)
            if restart:
                for path in [*folder.glob("frame-*.png"), folder / MANIFEST, folder / STATE]:
                    path.unlink(missing_ok=True)
            now = json.loads(json.dumps(made_with))
            self._compare(now)
            write_atomically(folder / MANIFEST, (json.dumps(now, indent=1) + "\n").encode())

    def path(self, number: int) -> Path:
        """Where a frame is, from 0."""
        return self.folder / f"frame-{number + 1:06d}.png"

    @property
    def done(self) -> int:
        """How many frames are there, from the first one on without a gap."""
        number = 0
        while self.path(number).is_file():
            number += 1
        return number

    def save(self, number: int, result: Picture, raw: NDArray[np.float32], **labels: Any) -> None:
        """Keep a frame as it shall be seen, and what the next one goes on from: what the optimisation left, (H, W, 3).

        Numbers are from 0; `labels` are those of `nst.description.Labels`. ImageError: it cannot be written.
        """
        write_picture(result, self.path(number), **labels)
        buffer = io.BytesIO()
        np.savez(buffer, number=number, raw=raw)
        with told_as(ImageError, f"cannot write to {self.folder}", "free some space"):
            write_atomically(self.folder / STATE, buffer.getvalue())

    def raw(self, number: int) -> NDArray[np.float32]:
        """What the frame after this one goes on from: to the last bit, or the picture itself where that is gone."""
        picture = read_picture(self.path(number)).rgb
        try:
            with np.load(self.folder / STATE, allow_pickle=False) as state:
                if int(state["number"]) == number:
                    raw = np.asarray(state["raw"], np.float32)
                    if raw.shape == picture.shape and np.isfinite(raw).all():
                        return raw
        except (
            Exception
        ):  # numpy and what it is made of raise many kinds for a damaged file: the picture does
            pass
        return picture

    def _compare(self, now: Mapping[str, Any]) -> None:
        path = self.folder / MANIFEST
        there = next(self.folder.glob("frame-*.png"), None)
        if there is None:
            return
        hint = "use another folder, or --restart"
        try:
            before = parse(path.read_bytes())
        except (OSError, ValueError):
            before = None
        if not isinstance(before, dict):
            raise SettingsError(f"{self.folder} holds frames that nst video did not make: {hint}")
        for name in sorted({*now, *before}):
            if now.get(name) != before.get(name):
                raise SettingsError(
                    f"{self.folder} holds frames made with other settings ({name.replace('_', ' ')}): {hint}"
                )
