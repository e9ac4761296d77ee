"""Where a run is: a value that can be taken out, kept, and put back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nst.engine.stage import Found
from nst.optim import State

__all__ = ["Position"]


@dataclass(frozen=True, eq=False)
class Position:
    """Everything that the steps to come depend on, besides the run itself.

    No random state is part of it: noise is drawn for the start picture alone, from the seed.

    Attributes:
        scale: which of the sizes this is, from 1.
        done: steps at the coarser ones.
        seconds: since the run began.
        found: what the stage has found out.
        state: of the optimiser.
    """

    scale: int
    done: int
    seconds: float
    found: Found
    state: State[Any]
