"""Files that are there whole or not at all; and JSON that comes from one, held to what it must be.

What a document must be is written as a value of the same form: `str`, `int`, `float` (an integer too), `bool`, `None`;
`[int]` for a list of them; `{str: float}` for any names; `{"name": str, "seed?": int}` for these names, the second may
be missing; `(int, None)` for either; `object` for anything. What becomes a dataclass is held to its fields (`read_as`).
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, BinaryIO, Literal, Union, get_args, get_origin, get_type_hints

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


LARGEST = 2**64


def parse(text: str | bytes) -> Any:
    """A document.

    ValueError: it is no JSON, or nested so deeply that nobody has written it by hand or by nst.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise ValueError("it is not text in UTF-8") from error


def read_json(text: str | bytes, form: Any) -> Any:
    """A document of a form, or ValueError."""
    document = parse(text)
    require(document, form)
    return document


def require(value: Any, form: Any, where: str = "") -> None:
    """ValueError for a value (of `parse`) of another form (see the module) than asked.

    It names what it is, `where`, and not its content, which may be long or worse.
    """
    if isinstance(form, tuple):
        if not any(_fits(value, one) for one in form):
            raise _wrong(where)
    elif isinstance(form, list):
        if not isinstance(value, list):
            raise _wrong(where)
        for item in value:
            require(item, form[0], where)
    elif isinstance(form, Mapping):
        if not isinstance(value, dict):
            raise _wrong(where)
        if str in form:
            for item in value.values():
                require(item, form[str], where)
            return
        for word, own in form.items():
            name = word.removesuffix("?")
            if name in value:
                require(value[name], own, f"{where}.{name}" if where else name)
            elif name == word:
                raise ValueError(f"{name} is missing")
    elif not _is(value, form):
        raise _wrong(where)


def read_as(kind: Any, value: Any, where: str = "") -> Any:
    """A value of `parse` as the type of a field has it: a dataclass is made of its fields.

    Those with defaults may be missing. ValueError: it is something else. What a dataclass itself refuses, it says.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        require(value, {one.name: object for one in fields(kind) if _needed(one)}, where)
        hints = get_type_hints(kind)
        if value.keys() <= hints.keys():
            made = {
                name: read_as(hints[name], item, f"{where}.{name}" if where else name)
                for name, item in value.items()
            }
            return kind(**made)  # type: ignore[operator]
    elif origin in (Union, UnionType):
        for one in inner:
            with suppress(ValueError):
                return read_as(one, value, where)
    elif origin in (tuple, Sequence):
        require(value, [object], where)
        kinds = [inner[0]] * len(value) if inner[1:] in ((), (...,)) else inner
        if len(kinds) == len(value):
            return tuple(read_as(one, item, where) for one, item in zip(kinds, value, strict=True))
    elif origin is Mapping:
        require(value, {str: object}, where)
        return {name: read_as(inner[1], item, where) for name, item in value.items()}
    elif origin is Literal:
        if isinstance(value, str) and value in inner:
            return value
    elif kind is Any or _is(value, None if kind is type(None) else kind):
        return value
    raise _wrong(where)


def _needed(one: Field[Any]) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


def _fits(value: Any, form: Any) -> bool:
    try:
        require(value, form)
    except ValueError:
        return False
    return True


def _is(value: Any, kind: Any) -> bool:
    if kind is object:
        return True
    if kind is None or value is None or isinstance(value, bool):
        return value is None if kind is None else kind is bool and isinstance(value, bool)
    if kind is float:
        return isinstance(value, float) or (isinstance(value, int) and abs(value) <= sys.float_info.max)
    if kind is int:
        return isinstance(value, int) and abs(value) <= LARGEST
    return isinstance(value, kind)


def _wrong(where: str) -> ValueError:
    return ValueError(f"{where or 'the document'} is not what it must be")
