"""A run as a moving picture: which iterates, and GIF, WebP or MP4 of them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from nst.cli._movie import ANIMATIONS, check_movie, tool, write_movie
from nst.errors import ImageError

__all__ = ["check_animation", "frame_steps", "write_animation"]

FRAMES = 60
FRAME_MS, HOLD_MS = 80, 2000


def check_animation(path: str) -> None:
    """Before the work starts.

    Raises:
        ImageError: another extension, a folder that cannot be written to, MP4 without ffmpeg.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (*ANIMATIONS, ".mp4"):
        raise ImageError(f"cannot write {path}: an animation is .gif, .webp or .mp4")
    if suffix == ".mp4":
        tool("ffmpeg", f"cannot write {path}", "write .gif or .webp")
    check_movie(Path(path))


def frame_steps(counts: Sequence[int], frames: int = FRAMES) -> tuple[int, ...]:
    """The steps that make good frames: the start, and more of the early ones at each size.

    An optimisation changes most at its beginning, and again whenever the picture has been enlarged. Within a size
    the k-th of n frames shows step (k / n)^2 of the way, so that the picture seems to change at an even pace.

    Args:
        counts: number of steps of each size.
        frames: how many at most, beside the start.

    Returns:
        Ascending, from 0 to the last step.
    """
    total, done = sum(counts), 0
    steps = {0}
    for count in counts:
        share = max(1, frames * count // total) if count else 0
        steps |= {done + max(1, round(count * (k / share) ** 2)) for k in range(1, share + 1)}
        done += count
    return tuple(sorted(steps))


def write_animation(path: str, frames: Sequence[Path]) -> None:
    """Write pictures of one size, whole or not at all; the last one stays for two seconds.

    Raises:
        ImageError: encoding or writing failed.
    """
    shown = list(frames)
    durations = (*[FRAME_MS] * (len(shown) - 1), HOLD_MS)
    if Path(path).suffix.lower() not in ANIMATIONS:  # a video has frames of one length
        shown += [shown[-1]] * (HOLD_MS // FRAME_MS - 1)
    write_movie(Path(path), shown, Fraction(1000, FRAME_MS), durations)
