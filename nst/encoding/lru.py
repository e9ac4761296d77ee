"""Values that are found again by what they were made of, the last ones used."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from weakref import ref

T = TypeVar("T")


class LRU:
    """Found again by an equal key; the one that was used longest ago goes first.

    `most` are kept, 0 or more. If `living`, the last one is found, even if not kept, while somebody holds it.
    """

    def __init__(self, most: int, living: bool = False) -> None:
        self._most, self._living = most, living
        self._last: tuple[Any, Callable[[], Any]] = (None, lambda: None)
        self._entries: list[tuple[Any, Any]] = []  # keys hold mappings, which cannot be hashed

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: Any, default: Any = None) -> Any:
        """What was put under an equal key."""
        for index, (known, value) in enumerate(self._entries):
            if _equal(known, key):
                self._entries.append(self._entries.pop(index))
                return value
        known, last = self._last
        held = last() if self._living and _equal(known, key) else None
        return default if held is None else held

    def put(self, key: Any, value: Any) -> None:
        """Keep it under a key that was not found."""
        if self._living:
            with suppress(TypeError):  # of a kind that has no weak references
                self._last = key, ref(value)
        self._entries.append((key, value))
        del self._entries[: max(0, len(self._entries) - self._most)]

    def get(self, key: Any, make: Callable[[], T]) -> T:
        """What was made for an equal key, or what is made now."""
        found = self.find(key, self)  # which nobody keeps in it
        if found is self:
            found = make()
            self.put(key, found)
        made: T = found
        return made

    def clear(self) -> None:
        """Keep nothing."""
        self._entries.clear()


def _equal(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except (TypeError, ValueError):  # arrays, in a term of the caller's own, are neither equal nor not
        return False
