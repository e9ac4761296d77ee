"""How the caller of a run watches it and ends it: callback, progress bar, deadline, cancellation."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeAlias

from nst.errors import SettingsError
from nst.progress import Progress

__all__ = ["CONTROLS", "Cancel", "Control", "Ended", "control_among"]

Ended: TypeAlias = Literal["cancelled", "deadline"]
"""Why a run was ended by its caller."""


class Cancel(Protocol):
    """What says that a run is to end: a `threading.Event`, or one of multiprocessing."""

    def is_set(self) -> bool:
        """Whether it is."""


@dataclass(frozen=True)
class Control:
    """How a run is watched and ended.

    Attributes:
        callback: called in the caller's thread with the record of the start picture and with that of every step. What
            it raises ends the run and reaches the caller.
        progress: True for a bar on stderr or in the notebook; "auto" for one where somebody looks: in a terminal or a
            notebook, and in the main thread.
        deadline: seconds from here. No step begins after them.
        cancel: looked at before every step; set it from any thread.

    Raises:
        SettingsError: one of them is something else.
    """

    callback: Callable[[Progress], object] | None = None
    progress: Literal["auto"] | bool = "auto"
    deadline: float | None = None
    cancel: Cancel | None = None
    _began: float = field(default_factory=lambda: time.monotonic())

    def __post_init__(self) -> None:
        if self.callback is not None and not callable(self.callback):
            raise SettingsError(f"callback is {self.callback!r}: it must be a function that takes a record")
        if not (isinstance(self.progress, bool) or self.progress == "auto"):
            raise SettingsError(f"progress is {self.progress!r}: it must be auto, true or false")
        if self.deadline is not None and not _is_time(self.deadline):
            raise SettingsError(f"deadline is {self.deadline!r}: it must be a number of seconds, 0 or more")
        if self.cancel is not None and not callable(getattr(self.cancel, "is_set", None)):
            raise SettingsError(f"cancel is {self.cancel!r}: it must be a threading.Event")

    @property
    def seconds(self) -> float:
        """Since it began to count."""
        return time.monotonic() - self._began

    @property
    def left(self) -> float | None:
        """Seconds until the deadline, 0 or more; None without one."""
        return None if self.deadline is None else max(0.0, self.deadline - self.seconds)

    def renewed(self, deadline: float | None) -> Control:
        """The same with another deadline, counted from here."""
        return replace(self, deadline=deadline, _began=time.monotonic())

    def ended(self) -> Ended | None:
        """Why the run is to end now, or None."""
        if self.cancel is not None and self.cancel.is_set():
            return "cancelled"
        return "deadline" if self.left == 0 else None


CONTROLS = frozenset(name for name in Control.__dataclass_fields__ if not name.startswith("_"))
"""What every function that paints a picture takes by name besides its settings."""


def control_among(arguments: Mapping[str, Any]) -> tuple[Control, dict[str, Any]]:
    """The control of a run among the arguments of a function, and the others.

    Raises:
        SettingsError: as `Control`.
    """
    control = Control(**{name: value for name, value in arguments.items() if name in CONTROLS})
    return control, {name: value for name, value in arguments.items() if name not in CONTROLS}


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
