"""Where a share is worked on: the same few lines in a thread, a process of its own or an actor on a cluster."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, TypeAlias

from nst.engine.elsewhere import Share
from nst.errors import NSTError
from nst.models.weights import NetworkWeights
from nst.planning.memory import is_out_of_memory
from nst.protocol import Backend

__all__ = ["MakeBackend", "Seat"]

MakeBackend: TypeAlias = Callable[[], Backend[Any]]
"""Imports a framework; can be pickled."""


class Seat:
    """A share, and errors that can be sent.

    Args:
        make: makes the backend, on the worker's device.
        weights: of the network.

    Raises:
        NSTError: there is no such backend or device here.
    """

    def __init__(self, make: MakeBackend, weights: NetworkWeights) -> None:
        self._share = Share(make(), weights)

    def do(self, method: str, *arguments: Any) -> Any:
        """Call a method of the share.

        Raises:
            MemoryError: what any framework means by running out of memory.
            RuntimeError: any other fault, with its traceback as text, since not every exception can be pickled.
        """
        try:
            return getattr(self._share, method)(*arguments)
        except NSTError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise MemoryError(f"{type(error).__name__}: {error}") from None
            raise RuntimeError("".join(traceback.format_exception(error))) from None
