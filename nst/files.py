"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

__all__ = ["check_writable", "write_atomically"]


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write beside `path`, reach the disk, take its place in one step.

    A symbolic link stays, the file it points to is replaced. The mode of a new file is what the umask
    leaves of 0666.

    Raises:
        OSError: `path` is as it was before, and nothing is left beside it.
    """
    target = _target(path)
    descriptor, temporary = _create_beside(target)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:  # Ctrl-C included
        with suppress(OSError):
            temporary.unlink()
        raise


def check_writable(path: str | os.PathLike[str]) -> None:
    """Create and remove a file beside `path`.

    The permission bits do not tell (root, read-only mounts, quotas).

    Raises:
        OSError: the folder is not there or not writable, or `path` is a folder itself.
    """
    descriptor, temporary = _create_beside(_target(path))
    os.close(descriptor)
    temporary.unlink()


def _target(path: str | os.PathLike[str]) -> Path:
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder; add a file name")
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {target.parent}; create it first")
    return target


def _create_beside(target: Path) -> tuple[int, Path]:
    """A new empty file in the folder of `target`: its descriptor and path.

    Not by `tempfile`, which sets mode 0600: here the umask decides, as for every other file.
    """
    temporary = target.with_name(f".nst-{secrets.token_hex(8)}.tmp")
    binary = getattr(os, "O_BINARY", 0)  # Windows
    return os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | binary, 0o666), temporary
