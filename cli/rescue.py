"""A result that cannot be written where it was to go is written somewhere else: hours of work are not thrown away."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from nst.cli.trace import write_trace
from nst.errors import ImageError, NSTError
from nst.pictures.picture import Picture
from nst.pictures.writing import write_picture

__all__ = ["save_picture", "save_results"]


def save_results(
    picture: Picture,
    step: int,
    output: str,
    description: dict[str, Any],
    trace: str | None,
    steps: Sequence[dict[str, Any]],
) -> None:
    """The picture and the trace of a run; where one cannot be written, the other is all the same.

    Args:
        picture: the last iterate.
        step: which one that is.
        output: where it goes.
        description: of the run, as of `nst.cli.trace.describe`.
        trace: the JSON file, or None.
        steps: what goes into it, a record for each step.

    Raises:
        NSTError: one of them, or both, could not be written.
    """
    problems: list[NSTError] = []
    try:
        save_picture(picture, output, {**description, "step": step})
    except NSTError as error:
        problems.append(error)
    try:
        if trace is not None:
            write_trace(trace, description, steps)
    except NSTError as error:
        problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise NSTError("; ".join(map(str, problems)))


def save_picture(picture: Picture, path: str, settings: Mapping[str, Any]) -> None:
    """`write_picture`, or else the same into the folder of temporary files or the one that the program runs in.

    Raises:
        ImageError: it could not be written to `path`; where it is instead.
    """
    try:
        write_picture(picture, path, settings)
    except ImageError as error:
        name = f"{Path(path).stem}-{secrets.token_hex(3)}{Path(path).suffix}"
        for place in (folder / name for folder in _folders()):
            try:
                write_picture(picture, place, settings)
            except ImageError:  # full as well
                continue
            raise ImageError(f"{error}; the picture is in {place}") from error
        raise


def _folders() -> list[Path]:
    found = []
    for folder in (tempfile.gettempdir, Path.cwd):
        with suppress(
            OSError
        ):  # FileNotFoundError: no folder of temporary files can be written to, or this one is gone
            found.append(Path(folder()))
    return found
