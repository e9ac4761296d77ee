"""Starting Python processes that import nothing from the folder one works in.

Python puts that folder first on the path of `python -c` and `python -m`: a file `numpy.py` among somebody's pictures
would run in place of numpy. From Python 3.11 on `-P` and PYTHONSAFEPATH leave it out; before, it is taken off the path
before anything is imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SAFE = "PYTHONSAFEPATH"
KNOWN = sys.version_info >= (3, 11)  # whether Python knows it


def python_command(program: str, *arguments: str) -> list[str]:
    """The command of a Python process with our own path, but for the folder we work in.

    `program` is a line of Python, `arguments` become its `sys.argv[1:]`.
    """
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = [folder for folder in sys.path if folder]
    path += [home] if home not in path else []
    flags = ["-P"] if KNOWN else []
    # sys is built in: nothing has been looked for yet when its path changes
    return [sys.executable, *flags, "-c", f"import sys; sys.path[:] = {path!r}; {program}", *arguments]


@contextmanager
def safe_children() -> Iterator[None]:
    """Python processes that start meanwhile, by whatever library, do not look into the folder we work in (3.11)."""
    before = os.environ.get(SAFE)
    os.environ[SAFE] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(SAFE, None)
        else:
            os.environ[SAFE] = before


def leave_working_folder() -> None:
    """For `python -m`: take off the path what Python has put first, unless nst itself lies there."""
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    unsafe = not getattr(sys.flags, "safe_path", False)
    if unsafe and sys.path[:1] == [os.getcwd()] and sys.path[0] != home:
        del sys.path[0]


def add_working_folder(name: str) -> None:
    """For a class of one's own that was asked for by name (`module:Class`): the folder, behind everything else."""
    if ":" in name and "" not in sys.path:
        sys.path.append("")
