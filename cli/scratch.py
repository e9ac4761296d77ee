"""A folder for what a run needs while it lasts; nobody has to clean up behind a run that was killed."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType

__all__ = ["Scratch"]

_PREFIX = "nst-run-"


class Scratch:
    """A new folder where temporary files are, gone when its `with` ends or the program does.

    A process that is killed cannot remove its own. It has the folder locked, and a lock goes with its process: the next
    `Scratch` removes every folder that nobody has locked.

    Attributes:
        name: the path of the folder.
    """

    def __init__(self) -> None:
        for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            if (lock := _lock(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
        while True:
            self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
            self.name = self._folder.name
            self._held = _lock(Path(self.name))
            if Path(self.name).is_dir():  # else another process came between the last two lines
                break

    def __enter__(self) -> Scratch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()
        if self._held is not None:
            os.close(self._held)


def _lock(folder: Path) -> int | None:
    """A descriptor by which this process has the folder locked; None where another one has, or it is another user's."""
    if sys.platform == "win32":  # which has no locks of folders, and its own ways to empty this one
        return None
    import fcntl

    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return descriptor
    return None
