"""An objective that does not die of a picture that is too large: it goes on in smaller windows."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nst.engine.problem import Problem
from nst.planning.memory import is_out_of_memory
from nst.protocol import Evaluation

__all__ = ["Fallback"]


class Fallback:
    """Losses and gradient at a picture, in the windows that turn out to fit.

    Windows change nothing but the memory, so the optimiser never learns of it.

    Args:
        make: sets up the problem in windows of that many pixels, or at once for None.
        sides: to try, the first at once, the next ones after running out of memory.
        like: makes a picture of the right shape, to compile for.
    """

    problem: Problem
    bare: Callable[[Any], Evaluation[Any]]

    def __init__(
        self, make: Callable[[int | None], Problem], sides: Sequence[int | None], like: Callable[[], Any]
    ) -> None:
        self._make = make
        self._like = like
        self._sides: Iterator[int | None] = iter(sides)
        self._guarded(self._set_up, next(self._sides))

    def __call__(self, x: Any) -> Evaluation[Any]:
        """Total, terms and gradient at x, (1, 3, H, W).

        Raises:
            Exception: the framework's own, when the smallest windows do not fit either.
        """
        evaluation: Evaluation[Any] = self._guarded(lambda _: self.bare(x), None)
        return evaluation

    def _set_up(self, side: int | None) -> None:
        self.problem = self._make(side)
        self.bare = self.problem.compile(self._like())

    def _guarded(self, work: Callable[[int | None], Any], side: int | None) -> Any:
        """Do the work; after running out of memory set up smaller windows and do it again."""
        while True:
            try:
                return work(side)
            except Exception as error:
                smaller = next(self._sides, None) if is_out_of_memory(error) else None
                if smaller is None:
                    raise
            self.__dict__.pop("problem", None)
            self.__dict__.pop("bare", None)
            gc.collect()
            logging.getLogger("nst").warning("out of memory: going on in windows of %d pixels", smaller)
            if work == self._set_up:
                side = smaller
            else:
                self._guarded(self._set_up, smaller)
