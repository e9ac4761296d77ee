"""The average of the iterates, which is calmer than the last of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from nst.protocol import VectorSpace

__all__ = ["Average"]

T = TypeVar("T")


@dataclass(frozen=True)
class Average(Generic[T]):
    """Exponential moving average with the bias correction of Kingma and Ba 2015, section 3.

    Attributes:
        decay: weight of the past in [0, 1); 0 keeps the last iterate alone.
        last: the last iterate.
        total: sum of (1 - decay) decay^(n - i) x_i, None before the first.
        count: n.
    """

    decay: float
    last: T
    total: T | None = None
    count: int = 0

    def add(self, space: VectorSpace[T], x: T) -> Average[T]:
        """With one more iterate."""
        if self.decay == 0.0:
            return Average(0.0, x)
        past = [] if self.total is None else [(self.decay, self.total)]
        factors, vectors = zip(*past, (1.0 - self.decay, x), strict=True)
        return Average(self.decay, x, space.lincomb(factors, vectors), self.count + 1)

    def value(self, space: VectorSpace[T]) -> T:
        """The average; the start picture before the first step."""
        if self.total is None:
            return self.last
        return space.lincomb([1.0 / (1.0 - self.decay**self.count)], [self.total])
