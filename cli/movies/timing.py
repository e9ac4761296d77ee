"""When the frames of a moving picture are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

HOLE = 3600  # seconds between two times that are a fault of the file if there are more


@dataclass(frozen=True)
class Timing:
    """What goes from the source of a video to its result, beside the pictures."""

    rate: Fraction  # frames a second; their mean where `durations` tell more
    # how long each frame is shown, in seconds, where they are not all alike
    durations: Sequence[Fraction] | None = None
    film: Path | None = None  # the file whose sound, subtitles, chapters and title go along
    start: Fraction = Fraction(0)  # when the first frame is shown, in seconds on that file's clock

    def times(self, count: int) -> list[Fraction]:
        """When each of `count` frames begins, and when the last one ends, in seconds after the first."""
        durations = self.durations
        if durations is None or len(durations) != count:
            durations = [1 / self.rate] * count
        return [Fraction(0), *accumulate(durations)]


def repeats(times: Sequence[Fraction], rate: Fraction) -> list[int]:
    """How often each frame comes, for these times at a constant rate; times as of `Timing.times`."""
    return [round(end * rate) - round(begin * rate) for begin, end in pairwise(times)]
