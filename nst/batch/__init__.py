"""Many pictures: rows in, files and a manifest out; see docs/batch.md."""

from typing import Any
from warnings import warn

from nst.batch.batch import Batch, Status, Summary
from nst.batch.painter import Painted, RowPainter
from nst.batch.pool import Executor
from nst.batch.rows import Row

__all__ = ["Batch", "Executor", "Painted", "Row", "RowPainter", "Status", "Summary"]

_RENAMED = {"Crew": "Executor", "Painter": "RowPainter"}
"""Names of before, which are there for one more release -> the names of today."""


def __getattr__(name: str) -> Any:
    if name not in _RENAMED:
        raise AttributeError(f"module 'nst.batch' has no attribute {name!r}")
    warn(f"nst.batch.{name} is now nst.batch.{_RENAMED[name]}", DeprecationWarning, stacklevel=2)
    return globals()[_RENAMED[name]]
