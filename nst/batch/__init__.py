"""Many pictures: rows in, files and a manifest out; see docs/batch.md."""

from nst.batch.batch import Batch, Status, Summary
from nst.batch.painter import Painted, Painter
from nst.batch.rows import Row
from nst.batch.workers import Crew

__all__ = ["Batch", "Crew", "Painted", "Painter", "Row", "Status", "Summary"]
