"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

PREFIX, SUFFIX = ".nst-", ".tmp"


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write beside `path`, reach the disk, take its place in one step.

    A symbolic link stays, the file it points to is replaced. The mode of a new file is what the umask
    leaves of 0666. OSError: `path` is as it was before, and nothing is left beside it.
    """
    with writing_atomically(path) as file:
        file.write(data)


@contextmanager
def writing_atomically(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """`write_atomically` for what is written piece by piece: a file that takes the place of `path` in the end.

    OSError: `path` is as it was before, and nothing is left beside it.
    """
    with _about(path):
        target = _target(path)
        descriptor, temporary = _create_beside(target)
    try:
        with _about(path), os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if sys.platform != "win32":  # still locked, so that nobody takes it for left over
                temporary.replace(target)
        if sys.platform == "win32":  # where an open file cannot be renamed
            temporary.replace(target)
    except BaseException:  # Ctrl-C included
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def _about(path: str | os.PathLike[str]) -> Iterator[None]:
    """An error says which file it is about, where it would say none or the temporary one."""
    try:
        yield
    except OSError as error:
        if error.filename is None or os.path.basename(error.filename).startswith(PREFIX):
            error.filename, error.filename2 = os.fspath(path), None
        raise


def unwritten(error: OSError) -> str:
    """Why a file could not be written, and what to do about it."""
    reason = error.strerror or " ".join(str(error).split())
    if ";" in reason:  # one of `_target`
        return reason
    fix = "free some space" if is_full(error) else "choose a folder that you can write to"
    return f"{reason}; {fix}"


def is_full(error: OSError) -> bool:
    """Whether there is no room: on the disk, or of what this user may have."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Create and remove a file beside `path`, and remove what a process left there that was killed while writing.

    The permission bits do not tell (root, read-only mounts, quotas). OSError: the folder is not there or not writable,
    or `path` is a folder itself.
    """
    with _about(path):
        target = _target(path)
        for left in target.parent.glob(f"{PREFIX}*{SUFFIX}"):
            _remove_if_left(left)
        descriptor, temporary = _create_beside(target)
    os.close(descriptor)
    temporary.unlink()


def _target(path: str | os.PathLike[str]) -> Path:
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder; add a file name")
    if target.exists() and not target.is_file():  # a pipe or a device, whose place a file would take
        raise FileExistsError(errno.EEXIST, "it is not a regular file; give another name")
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {target.parent}; create it first")
    return target


def _create_beside(target: Path) -> tuple[int, Path]:
    """A new empty file in the folder of `target`, locked while it is open: its descriptor and path.

    Not by `tempfile`, which sets mode 0600: here the umask decides, as for every other file.
    """
    binary = getattr(os, "O_BINARY", 0)  # Windows
    while True:
        temporary = target.with_name(f"{PREFIX}{os.urandom(8).hex()}{SUFFIX}")
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | binary, 0o666)
        _lock(descriptor)
        if temporary.exists():  # else another process came between the last two lines
            return descriptor, temporary
        os.close(descriptor)


def _remove_if_left(temporary: Path) -> None:
    """Remove a file that no process has open; a lock goes with its process, however that ends."""
    with suppress(OSError):
        if sys.platform != "win32":  # Windows does not remove a file that is open
            descriptor = os.open(temporary, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                temporary.unlink()
            finally:
                os.close(descriptor)
        else:
            temporary.unlink()


def _lock(descriptor: int) -> None:
    if sys.platform != "win32":
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
