"""Tensors of a framework that nst does not know, as pictures: what a plug-in says of them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, TypeAlias

from numpy.typing import NDArray

__all__ = ["GROUP", "Reader", "reader_of"]

GROUP = "nst.pictures"
"""Entry points: the package that a tensor's class says it is from (`jaxlib`) -> a `Reader`."""

Reader: TypeAlias = Callable[[Any], tuple[NDArray[Any], Callable[[NDArray[Any]], Any]]]
"""tensor -> (an array of those that `nst.pictures.kinds.from_object` takes, array -> such a tensor)."""


def reader_of(obj: Any) -> Reader | None:
    """What an installed plug-in has for objects like this one, or None."""
    package = type(obj).__module__.partition(".")[0]
    for point in entry_points(group=GROUP, name=package):
        reader: Reader = point.load()
        return reader
    return None
