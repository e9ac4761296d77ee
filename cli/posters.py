"""A result at the size of a poster: what the run has changed, brought up to size with the detail of the photograph."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from nst.cli.console import progress_bar
from nst.cli.engine import plan_rows, size_text
from nst.errors import SettingsError
from nst.pictures.enlarging import STRIP, enlarged
from nst.pictures.picture import Picture, fit_longest_side
from nst.pictures.reading import read_picture
from nst.pictures.writing import check_output, write_picture

if TYPE_CHECKING:
    from nst.cli.job import Job
    from nst.transfer import StyleTransfer

FLOATS = 20
"""Numbers that a pixel of a strip needs while it is made, measured."""


def poster_size(transfer: StyleTransfer, long_side: int) -> tuple[int, int]:
    """(width, height) in pixels."""
    return fit_longest_side(*transfer.size, long_side)


def check_poster(transfer: StyleTransfer, job: Job) -> None:
    """Before the work: NSTError for a poster no larger than what is painted, or of a format that ends below."""
    assert job.long_side is not None
    if job.long_side <= max(transfer.size):
        raise SettingsError(
            f"--long-side {job.long_side} is not above --size {max(transfer.size)}, at which the picture is painted"
        )
    check_output(job.output, poster_size(transfer, job.long_side))


def poster_bytes(content: Picture, width: int, height: int) -> int:
    """Memory that bringing up takes: the photograph in full, the poster in 8 bits and as a file, and a strip."""
    channels = 3 if content.alpha is None else 4
    return 4 * channels * content.width * content.height + width * (
        2 * channels * height + 4 * FLOATS * STRIP
    )


def plan_poster(transfer: StyleTransfer, job: Job) -> int:
    """Print what painting and bringing up would take; the exit status."""
    assert job.long_side is not None
    width, height = poster_size(transfer, job.long_side)
    content = read_picture(job.paths.content)
    needed = size_text(poster_bytes(content, width, height))
    rows = [
        *plan_rows(transfer, job.long_side),
        ("poster", f"{width}x{height} pixels, {needed} on top of the framework"),
    ]
    for name, text in rows:
        click.echo(f"{name:15} {text}")
    return 0 if transfer.plan.fits else 1


def write_poster(
    transfer: StyleTransfer, job: Job, result: Picture, description: Mapping[str, Any], quiet: bool
) -> tuple[int, int]:
    """Bring the result of a run up to size and write it in place of the small one; its (width, height).

    NSTError: the photograph is not there any more, or the poster cannot be written.
    """
    assert job.long_side is not None
    content = read_picture(os.path.join(job.folder, job.paths.content))
    size = poster_size(transfer, job.long_side)
    with progress_bar(quiet, "rows") as show:
        image = enlarged(
            result,
            transfer.output.original,
            content,
            *size,
            told=lambda done, total: show(done, total, "bringing up"),
        )
    del content
    write_picture(image, job.output, **job.labels.of(description, transfer.output.original.tags))
    return size
