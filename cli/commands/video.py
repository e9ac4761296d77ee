"""`nst video`: a style transfer frame by frame, each going on from the last."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nst.cli.options import (
    PAINTING,
    SectionedCommand,
    engine_options,
    label_options,
    mask_options,
    masks_by_name,
    preset_option,
    trace_option,
)
from nst.errors import NSTError, SettingsError

if TYPE_CHECKING:
    from nst.settings import Metadata
    from nst.video import VideoTransfer


def _rate(_: click.Context, __: click.Parameter, text: str | None) -> Fraction | None:
    try:
        rate = (
            None if text is None else Fraction(text).limit_denominator(10**6)
        )  # more than FFmpeg's integers hold
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate is not None and not 0 < rate <= 1000:
        raise click.BadParameter(f"{text!r} is not a number of frames a second, such as 25 or 30000/1001")
    return rate


@click.command(cls=SectionedCommand)
@click.argument("source", metavar="IN", type=click.Path())
@click.argument("style", type=click.Path(), nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    required=True,
    type=click.Path(),
    help="A folder for the frames, .gif, .webp, or a video such as .mp4.",
)
@click.option(
    "--temporal-weight", type=float, default=100.0, show_default=True, help="Of the loss against flicker."
)
@click.option(
    "--next-steps",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Steps of each frame but the first, which has --steps.",
)
@click.option("--fps", callback=_rate, metavar="RATE", help="Frames a second.  [default: IN's own, or 25]")
@click.option(
    "--deinterlace",
    type=click.Choice(["auto", "on", "off"]),
    default="auto",
    show_default=True,
    help="Of a film: frames that say that they are interlaced, all, or none.",
)
@click.option("--restart", is_flag=True, help="Throw away the frames that are there.")
@click.option("-y", "--yes", is_flag=True, help="Overwrite OUT without asking.")
@preset_option
@engine_options(*PAINTING)
@mask_options
@trace_option
@label_options
def video(
    source: str,
    style: tuple[str, ...],
    output: str,
    fps: Fraction | None,
    deinterlace: str,
    restart: bool,
    yes: bool,
    trace: str | None,
    quiet: bool,
    metadata: Metadata,
    dpi: float | None,
    **options: Any,
) -> int:
    """Paint the video or the folder of frames IN in the style of one or more STYLE pictures.

    What is done is kept: the same command goes on where it was stopped. The frames of a video are in OUT.frames.

    \b
    nst video clip.mp4 painting.jpg -o out.mp4 --size 640
    nst video frames/ painting.jpg -o painted/
    """
    from nst.cli.engine import begin

    begin(source, quiet)
    from nst.cli.job import check_trace_path
    from nst.cli.movies.frame_store import FrameStore
    from nst.cli.movies.reading import open_source
    from nst.cli.movies.writing import check_movie, try_movie, write_movie
    from nst.cli.videos import About, made_with, paint_frames
    from nst.description import Labels, Sources

    target = Path(output)
    single = bool(target.suffix) and not target.is_dir()
    if single:
        check_movie(target)
        _ask(target, yes)
    folder = target.with_name(f"{target.name}.frames") if single else target
    if Path(source).resolve() in (folder.resolve(), target.resolve()):
        raise SettingsError(f"IN and OUT are both {source}: give them different names")
    if trace is not None:
        check_trace_path(trace, output)
    reader = open_source(source, fps, deinterlace)
    first = next(reader.frames())
    transfer = _set_up(first, style, quiet, options)
    if single:
        try_movie(target, transfer.first.output.original, reader.timing)
    store = FrameStore(folder, made_with(transfer, first, style, options), restart)
    sources = Sources.of(source, style, {**options, "masks": masks_by_name(options)})
    own = {name: options[name] for name in ("temporal_weight", "next_steps")}
    about = About(sources, {"name": "video", **own}, Labels(metadata, dpi))
    status = paint_frames(transfer, reader, store, about, trace, quiet)
    count = store.done
    if status == 0 and single:
        frames = [store.path(number) for number in range(count)]
        write_movie(target, frames, reader.timing)
    if not quiet:
        ending = {0: "", 1: "; stopped at a loss that is not finite", 130: "; interrupted"}[status]
        where = f"{output}: " if status == 0 else ""
        click.echo(f"{where}{count} frames in {folder}{ending}", err=status != 0)
    return status


def _ask(target: Path, yes: bool) -> None:
    """Ask before a video is overwritten, where there is somebody to answer; NSTError if the answer is no."""
    if yes or not target.exists() or not sys.stdin.isatty():
        return
    if not click.confirm(f"{target} is there already. Overwrite it?", err=True):
        raise NSTError(f"{target} is left as it is: give -o another name")


def _set_up(first: Any, style: tuple[str, ...], quiet: bool, options: dict[str, Any]) -> VideoTransfer:
    from nst.cli.engine import engine_arguments, out_of_memory
    from nst.video import VideoTransfer

    try:
        return VideoTransfer(first, list(style), **engine_arguments(quiet=quiet, **options))
    except MemoryError as error:
        raise out_of_memory(f"--size {options['size']}") from error
